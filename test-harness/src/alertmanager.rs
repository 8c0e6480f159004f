//! A real Alertmanager, on a port and in a folder of its own; it ends with its value.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::Error;
use crate::client;
use crate::http::Request;
use crate::scenario::on_envoy::envoy_config;
use crate::store::process::Process;

/// A running Alertmanager.
pub struct Alertmanager {
    process: Process,
}

impl Alertmanager {
    /// Starts it on a free port with the configuration of `envoy-config/alerts`. It tells nobody: its API shows what it knows.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(program: &Path) -> Result<Self, Error> {
        let process = Process::start(program, |folder, port| {
            vec![
                format!("--config.file={}", envoy_config().join("alerts/alertmanager.yml").display()),
                format!("--storage.path={}", folder.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--cluster.listen-address=".to_owned(),
            ]
        })?;
        Ok(Self { process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// Ends it as a crash would, and starts it again: it has forgotten all alerts then.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.process.restart()
    }

    /// What `GET /api/v2/alerts` shows; nothing while it does not answer.
    pub fn alerts(&self) -> Vec<Value> {
        let request =
            Request { method: "GET".to_owned(), path: "/api/v2/alerts".to_owned(), ..Request::default() };
        let answer = client::call(self.address(), &request).ok();
        let shown = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok());
        shown.unwrap_or_default()
    }
}
