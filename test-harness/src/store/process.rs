//! A child that can be killed, paused and started again on the same port.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;

/// Both programs are ready within milliseconds; the machine may be busy.
const START: Duration = Duration::from_secs(20);

/// A server of a store, killed on drop.
pub struct Process {
    program: PathBuf,
    args: Vec<String>,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Process {
    /// Starts `program` and waits until it takes connections. `args` are made of its folder and its port.
    pub fn start(program: &Path, args: impl FnOnce(&Path, u16) -> Vec<String>) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("cannot make a temporary folder"))?;
        let port = free_port()?;
        let args = args(folder.path(), port);
        let mut process = Self { program: program.to_path_buf(), args, folder, port, child: None };
        process.restart()?;
        Ok(process)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same port and folder, and waits until it takes connections.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.kill();
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let log = log.map_err(Error::io("cannot write a store's log"))?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(Error::io("cannot write a store's log"))?).stderr(log);
        let tried = format!("cannot start `{}`", self.program.display());
        self.child = Some(command.spawn().map_err(Error::io(tried))?);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let until = Instant::now() + START;
        while TcpStream::connect(self.address()).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > until {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(Error::Proxy(format!("`{}` did not start:\n{log}", self.program.display())));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sends it a signal, by its own process id.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        let pid = self.child.as_ref().map_or(0, Child::id);
        let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
        let status = status.map_err(Error::io("cannot run `kill`"))?;
        if pid > 0 && status.success() { Ok(()) } else { Err(Error::Proxy(format!("no process for {name}"))) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on right now, below those that the system gives to outgoing connections: while its server is away, one of
/// these could take it, and even connect to itself.
fn free_port() -> Result<u16, Error> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    // Test programs that run side by side begin in different places.
    let offset = (std::process::id() % u32::from(COUNT)) as u16;
    let candidates =
        (0..COUNT).map(|_| FIRST + (NEXT.fetch_add(1, Ordering::Relaxed) % COUNT + offset) % COUNT);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    candidates.take(1000).find(free).ok_or_else(|| Error::Proxy("no port is free".to_owned()))
}
