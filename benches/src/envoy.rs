//! An Envoy to be measured. The harness has one that is made for tests: it flushes stats ten times a second and watches
//! files, which would be measured here. This one does what a quiet Envoy does.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::error::Error;
use crate::http1::Incoming;

/// Envoy compiles the plugin before it is ready; two cores under load take their time.
const START: Duration = Duration::from_secs(60);

/// A running Envoy, ended on drop.
pub struct Envoy {
    child: Child,
    folder: TempDir,
    admin: SocketAddr,
    listener: SocketAddr,
}

impl Envoy {
    /// Starts Envoy on free ports of 127.0.0.1 and waits until it takes calls.
    ///
    /// # Errors
    /// With the last lines of its log, where it ends or is not ready within a minute.
    pub fn start(binary: &Path, bootstrap: &Value, workers: u32) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("cannot make a temporary folder"))?;
        let config = folder.path().join("envoy.json");
        fs::write(&config, bootstrap.to_string()).map_err(Error::io("cannot write the bootstrap"))?;
        let log = File::create(folder.path().join("log")).map_err(Error::io("cannot write Envoy's log"))?;
        let mut command = Command::new(binary);
        command.arg("-c").arg(&config);
        command.arg("--admin-address-path").arg(folder.path().join("admin"));
        // Without hot restart it shares no memory with others and needs no base id of its own.
        command.args(["--disable-hot-restart", "--log-level", "warning"]);
        command.args(["--concurrency", &workers.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(Error::io(format!("cannot start `{}`", binary.display())))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self { child, folder, admin: nowhere, listener: nowhere };
        envoy.wait_until_ready()?;
        Ok(envoy)
    }

    /// Where it takes calls.
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The sum of the counters whose whole names match a pattern.
    pub fn counters(&self, pattern: &str) -> Result<u64, Error> {
        let path = format!("/stats?type=Counters&filter=^{pattern}$");
        let page = self.page(&path).map_err(Error::io("cannot read Envoy's stats"))?;
        Ok(page.lines().filter_map(|line| line.rsplit(": ").next()?.parse::<u64>().ok()).sum())
    }

    fn page(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
        let mut incoming = Incoming::new(stream);
        let head = incoming.head()?.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(&incoming.body(&head)?).into_owned())
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let file = self.folder.path().join("admin");
        self.admin = self.wait_for("admin page", |_| fs::read_to_string(&file).ok()?.trim().parse().ok())?;
        self.wait_for("readiness", |envoy| envoy.page("/ready").ok()?.starts_with("LIVE").then_some(()))?;
        self.listener = self.wait_for("listener", |envoy| {
            envoy.page("/listeners").ok()?.lines().next()?.split("::").last()?.trim().parse().ok()
        })?;
        Ok(())
    }

    /// Asks again and again until there is an answer, Envoy is gone, or the time is over.
    fn wait_for<T>(&mut self, what: &str, ask: impl Fn(&Self) -> Option<T>) -> Result<T, Error> {
        let until = Instant::now() + START;
        loop {
            if let Some(answer) = ask(self) {
                return Ok(answer);
            }
            let gone = matches!(self.child.try_wait(), Ok(Some(_)));
            if gone || Instant::now() > until {
                let words = self.last_words();
                return Err(Error::Envoy(format!("no {what}; Envoy's last words:\n{words}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let mut lines: Vec<&str> = log.lines().rev().take(14).collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
