//! Drives tollgate.wasm as a proxy does.
