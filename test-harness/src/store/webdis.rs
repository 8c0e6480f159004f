//! A real Webdis: Redis's HTTP front.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use super::process::Process;
use crate::Error;

/// A running Webdis.
pub struct Webdis {
    process: Process,
}

impl Webdis {
    /// Starts it on a free port, in front of that Redis.
    pub fn start(program: &Path, redis: SocketAddr) -> Result<Self, Error> {
        let process = Process::start(program, |folder, port| {
            let file = folder.join("webdis.json");
            let config = json!({
                "redis_host": redis.ip().to_string(), "redis_port": redis.port(), "redis_auth": null,
                "http_host": "127.0.0.1", "http_port": port, "threads": 2, "pool_size": 8, "daemonize": false,
                "database": 0, "verbosity": 3, "logfile": folder.join("webdis.log"),
            });
            // A file that cannot be written shows as a Webdis that does not start.
            let _ = fs::write(&file, config.to_string());
            vec![file.display().to_string()]
        })?;
        Ok(Self { process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.process.restart()
    }
}
