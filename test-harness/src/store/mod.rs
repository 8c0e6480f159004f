//! Stores that a fleet shares: a real Redis, Webdis in front of it, and a stand-in that speaks Upstash's REST protocol.
//! Each is in a folder and on a port of its own, and ends with its value.

pub(crate) mod process;
mod redis;
mod stand_in;
mod upstash;
mod webdis;

pub use redis::{Redis, Resp};
pub use stand_in::{naming_the_call, willing};
pub use upstash::Upstash;
pub use webdis::Webdis;

use std::path::PathBuf;

/// The programs, as the commands of `xtask` name them in the environment.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Redis's server.
    pub redis: PathBuf,
    /// Webdis.
    pub webdis: PathBuf,
}

impl Programs {
    /// What `REDIS_SERVER` and `WEBDIS` name; `None` if one is missing.
    pub fn given() -> Option<Self> {
        let path = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Some(Self { redis: path("REDIS_SERVER")?, webdis: path("WEBDIS")? })
    }
}
