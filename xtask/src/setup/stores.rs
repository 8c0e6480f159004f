//! Redis, and Webdis that speaks HTTP in front of it, for the tests of quotas that a fleet shares.

use std::path::PathBuf;

use super::debian;
use crate::run::{Job, root};

/// The programs of a store.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Redis's server.
    pub redis: PathBuf,
    /// Webdis.
    pub webdis: PathBuf,
}

/// Makes sure that Redis and Webdis are there. `REDIS_SERVER=/path` and `WEBDIS=/path` in the environment win.
pub fn stores() -> Result<Stores, String> {
    let given = given("REDIS_SERVER").zip(given("WEBDIS")).map(|(redis, webdis)| Stores { redis, webdis });
    let stores = given.map_or_else(fetched, Ok)?;
    // Webdis has no flag that prints its version and ends.
    let said = Job::new(&stores.redis).args(["--version"]).capture();
    said.map_err(|why| format!("`{}`: {why}", stores.redis.display()))?;
    Ok(stores)
}

fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(|path| root().join(path))
}

fn fetched() -> Result<Stores, String> {
    // Redis's server is a link to a program of its tools.
    let home = debian::unpacked("stores", &["redis-server", "redis-tools", "webdis"]).map_err(|why| {
        format!("{why}; or install Redis and Webdis yourself and set REDIS_SERVER=/path and WEBDIS=/path")
    })?;
    let program = |name| debian::launcher(&home, name);
    Ok(Stores { redis: program("redis-server")?, webdis: program("webdis")? })
}
