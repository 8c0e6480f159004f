//! The proxy-wasm adapter: builds `tollgate.wasm`.
//!
//! [`abi`] speaks to the host in bytes; [`vm`] gathers plain data for each callback, makes one call into the
//! exchange and performs what comes back. Nothing is decided here.

mod abi;
mod alerts;
mod feeds;
mod heap;
mod host;
mod numbers;
mod remote;
mod root;
mod secret;
mod stream;
#[cfg(feature = "trap")]
mod trap;
mod vm;
