//! A real Envoy: started on free ports, watched, asked, and always ended.

pub mod config;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::Error;
use crate::client;
use crate::http::Request;
use crate::stats::{self, Series};
use config::{Places, Plugin};

/// Envoy compiles the plugin and waits for its clusters; two cores under load take their time.
const START: Duration = Duration::from_secs(60);
/// Files are looked at every 10 ms, so what has not come by then will not come.
const SOON: Duration = Duration::from_secs(5);

/// What a stand-in of Upstash must be shown.
pub const UPSTASH_TOKEN: &str = "the token of a test";

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Envoy's binary.
    pub binary: PathBuf,
    /// A file under `envoy-config/`.
    pub config: PathBuf,
    /// Worker threads.
    pub workers: u32,
    /// What changes against the file; `access_log` and `folder` are set by `start`.
    pub places: Places,
}

/// A running Envoy, killed on drop.
pub struct Envoy {
    child: Child,
    folder: TempDir,
    setup: Setup,
    admin: SocketAddr,
    listener: SocketAddr,
    /// How much of the access log has been handed out.
    read: usize,
}

/// What became of a new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Envoy uses it.
    Accepted,
    /// Envoy goes on with the old one.
    Rejected,
}

/// The plugin tells what it counted by tick, four times a second.
pub const TOLD_BY: Duration = Duration::from_millis(400);

impl Envoy {
    /// Starts Envoy and waits until it takes calls.
    ///
    /// # Errors
    /// With the last lines of its log, where it ends or is not ready within a minute.
    pub fn start(setup: &Setup) -> Result<Self, Error> {
        Self::start_with(setup, &[])
    }

    /// The same with more of Envoy's own flags.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_with(setup: &Setup, flags: &[&str]) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("cannot make a temporary folder"))?;
        let mut setup = setup.clone();
        setup.places.access_log = folder.path().join("access.log");
        copy_neighbours(&setup.config, folder.path(), &mut setup.places)?;
        let (bootstrap, listeners) = configuration(&setup, folder.path())?;
        write(&folder.path().join("listeners.json"), &listeners)?;
        write(&folder.path().join("envoy.json"), &bootstrap)?;
        let child = spawn(&setup, folder.path(), flags)?;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut envoy = Self { child, folder, setup, admin: nowhere, listener: nowhere, read: 0 };
        envoy.wait_until_ready()?;
        Ok(envoy)
    }

    /// Where the first listener takes calls.
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// Envoy's admin page.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Envoy's process, for accounting.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The body of an admin page.
    pub fn admin(&self, path: &str) -> Result<String, Error> {
        let request = Request { method: "GET".to_owned(), path: path.to_owned(), ..Request::default() };
        let response = client::call(self.admin, &request)?;
        Ok(String::from_utf8_lossy(&response.body).into_owned())
    }

    /// All stats in use, as Prometheus would scrape them.
    pub fn prometheus(&self) -> Result<Vec<Series>, Error> {
        Ok(stats::parse_prometheus(&self.admin("/stats?format=prometheus&usedonly")?))
    }

    /// The value of one of Envoy's own stats, for example `listener_manager.lds.update_success`.
    pub fn stat(&self, name: &str) -> Result<u64, Error> {
        if name.starts_with("wasmcustom") {
            std::thread::sleep(TOLD_BY);
        }
        let text = self.admin(&format!("/stats?filter=^{name}$"))?;
        Ok(text.lines().filter_map(|line| line.rsplit(": ").next()?.parse::<u64>().ok()).sum())
    }

    /// The access log's next line, which is waited for.
    pub fn next_log_line(&mut self) -> Result<Value, Error> {
        let line = self.wait_for("a line in the access log", SOON, |envoy| {
            let log = fs::read_to_string(&envoy.setup.places.access_log).unwrap_or_default();
            // A line that Envoy is still writing has no end yet.
            let line = log.get(envoy.read..).and_then(|rest| rest.split_inclusive('\n').next());
            Ok(line.filter(|line| line.ends_with('\n')).map(str::to_owned))
        })?;
        self.read += line.len();
        serde_json::from_str(&line).map_err(|error| Error::File(format!("access log: {error}: {line}")))
    }

    /// How many lines of the access log nobody has asked for yet.
    pub fn unread_log_lines(&self) -> usize {
        let log = fs::read_to_string(&self.setup.places.access_log).unwrap_or_default();
        log.get(self.read..).map_or(0, |rest| rest.matches('\n').count())
    }

    /// The access log's file.
    pub fn access_log(&self) -> &Path {
        &self.setup.places.access_log
    }

    /// Envoy's own log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// Gives the filter another configuration by a listener update and waits for Envoy's verdict.
    pub fn reconfigure(&mut self, plugin: Plugin) -> Result<Reload, Error> {
        let mut setup = self.setup.clone();
        setup.places.plugin = Some(plugin);
        let (_, listeners) = configuration(&setup, self.folder.path())?;
        self.update_listeners(&listeners)
    }

    /// Gives Envoy the listeners that it was started with, changed by `change`, and waits for its verdict.
    pub fn change_listeners(&mut self, change: impl FnOnce(&mut Value)) -> Result<Reload, Error> {
        let (_, mut listeners) = configuration(&self.setup, self.folder.path())?;
        change(&mut listeners);
        self.update_listeners(&listeners)
    }

    fn update_listeners(&mut self, listeners: &Value) -> Result<Reload, Error> {
        let reload =
            self.verdict("listener_manager.lds", ("update_success", "update_rejected"), |envoy| {
                write(&envoy.folder.path().join("listeners.json"), listeners)
            })?;
        if reload == Reload::Accepted {
            self.listener = self.wait_for("the new listener", SOON, Self::find_listener)?;
        }
        Ok(reload)
    }

    /// Gives the filter another configuration by the extension file of an ECDS configuration.
    pub fn reconfigure_extension(&mut self, file: &str, plugin: Plugin) -> Result<Reload, Error> {
        let mut places = self.setup.places.clone();
        places.plugin = Some(plugin);
        let path = self.folder.path().join(file);
        let mut extension = config::read(&path)?;
        config::place_extension(&mut extension, &places);
        let scope = "extension_config_discovery.http_filter.tollgate";
        self.verdict(scope, ("config_reload", "config_fail"), |_| write(&path, &extension))
    }

    fn verdict(
        &mut self,
        scope: &str,
        (success, failure): (&str, &str),
        change: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<Reload, Error> {
        let count = |envoy: &Self, name: &str| envoy.stat(&format!("(.*\\.)?{scope}\\.{name}"));
        let before = (count(self, success)?, count(self, failure)?);
        change(self)?;
        self.wait_for("Envoy's verdict on the new configuration", SOON, |envoy| {
            let now = (count(envoy, success)?, count(envoy, failure)?);
            Ok(match (now.0 > before.0, now.1 > before.1) {
                (_, true) => Some(Reload::Rejected),
                (true, false) => Some(Reload::Accepted),
                (false, false) => None,
            })
        })
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let file = self.folder.path().join("admin");
        self.admin = self.wait_for("Envoy's admin page", START, |_| {
            Ok(fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()))
        })?;
        self.wait_for("Envoy to be ready", START, |envoy| {
            // While Envoy compiles the plugin on a busy machine, its admin page may not answer at all.
            Ok(envoy.admin("/ready").is_ok_and(|text| text.starts_with("LIVE")).then_some(()))
        })?;
        self.listener = self.wait_for("a listener", START, |envoy| {
            if envoy.stat("listener_manager.lds.update_rejected")? > 0 {
                return Err(Error::Proxy(format!("Envoy refused the listener:\n{}", envoy.last_words())));
            }
            envoy.find_listener()
        })?;
        Ok(())
    }

    fn find_listener(&self) -> Result<Option<SocketAddr>, Error> {
        let text = self.admin("/listeners")?;
        Ok(text.lines().next().and_then(|line| line.split("::").last()?.trim().parse().ok()))
    }

    /// Asks again and again until there is an answer, Envoy is gone, or the time is over.
    fn wait_for<T>(
        &mut self,
        what: &str,
        at_most: Duration,
        ask: impl Fn(&Self) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let until = Instant::now() + at_most;
        loop {
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::Proxy(format!("Envoy ended ({status}):\n{}", self.last_words())));
            }
            if Instant::now() > until {
                return Err(Error::Timeout(format!("{what}; Envoy's last words:\n{}", self.last_words())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bootstrap without listeners, and the listeners.
fn configuration(setup: &Setup, folder: &Path) -> Result<(Value, Value), Error> {
    let mut bootstrap = config::place(config::read(&setup.config)?, &setup.places);
    let listeners = config::split_listeners(&mut bootstrap, &folder.join("listeners.json"));
    Ok((bootstrap, listeners))
}

/// Files that the configuration names by path stand beside it; the test gets copies that it may change.
fn copy_neighbours(config: &Path, into: &Path, places: &mut Places) -> Result<(), Error> {
    places.folder = into.to_path_buf();
    let folder = config.parent().unwrap_or(Path::new("."));
    for entry in
        fs::read_dir(folder).map_err(Error::io(format!("cannot read `{}`", folder.display())))?.flatten()
    {
        let is_yaml = entry.path().extension().is_some_and(|end| end == "yaml");
        if is_yaml && entry.path() != *config {
            let mut extension = config::read(&entry.path())?;
            config::place_extension(&mut extension, places);
            write(&into.join(entry.file_name()), &extension)?;
        }
    }
    Ok(())
}

/// Envoy sees a file when another is moved into its place.
fn write(path: &Path, value: &Value) -> Result<(), Error> {
    let half = path.with_extension("part");
    let failed = || Error::io(format!("cannot write `{}`", path.display()));
    fs::write(&half, value.to_string()).map_err(failed())?;
    fs::rename(&half, path).map_err(failed())
}

fn spawn(setup: &Setup, folder: &Path, flags: &[&str]) -> Result<Child, Error> {
    let log = File::create(folder.join("envoy.log")).map_err(Error::io("cannot write Envoy's log"))?;
    let mut command = Command::new(&setup.binary);
    command.arg("-c").arg(folder.join("envoy.json"));
    command.arg("--admin-address-path").arg(folder.join("admin"));
    // Without hot restart Envoy shares no memory with others, so that it needs no base id of its own.
    command.args(["--disable-hot-restart", "--file-flush-interval-msec", "10"]);
    // What `envoy-config/fleet/upstash.yaml` takes from the environment.
    command.env("UPSTASH_TOKEN", UPSTASH_TOKEN);
    command.args(["--concurrency", &setup.workers.to_string(), "--log-level", "warning"]).args(flags);
    command
        .args(["--component-log-level", "wasm:info"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().map_err(Error::io(format!("cannot start `{}`", setup.binary.display())))
}
