//! Scenarios on a real Envoy.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Engine, File, Outcome, store_call};
use crate::Error;
use crate::client;
use crate::envoy::config::{Places, Plugin};
use crate::envoy::{self, Envoy, Reload, Setup};
use crate::http::{Reply, Request, Seen};
use crate::stats::Series;
use crate::store::{naming_the_call, willing};
use crate::upstream::Upstream;

/// An upstream that ends shortly after the client's response has ended.
const SOON: Duration = Duration::from_secs(2);

/// A real Envoy between a client and a stand-in upstream.
pub struct OnEnvoy {
    envoy: Envoy,
    /// The file that holds the filter's configuration, where the listener does not.
    extension: Option<&'static str>,
    upstream: Upstream,
    store: Upstream,
    /// What the store answers.
    answer: Arc<Mutex<Reply>>,
}

/// What the harness is given: the plugin and an Envoy.
#[derive(Clone, Debug)]
pub struct Given {
    /// `tollgate.wasm`.
    pub wasm: PathBuf,
    /// Envoy's binary.
    pub envoy: PathBuf,
}

impl OnEnvoy {
    /// Starts Envoy as a scenario file says.
    pub fn start(given: &Given, file: &File) -> Result<Self, Error> {
        let upstream = Upstream::start(|_| Reply::default())?;
        let answer = Arc::new(Mutex::new(willing()));
        let script = Arc::clone(&answer);
        let store = Upstream::start(move |seen| {
            naming_the_call(&script.lock().unwrap_or_else(PoisonError::into_inner), &seen.body)
        })?;
        let setup = Setup {
            binary: given.envoy.clone(),
            config: envoy_config().join(&file.base),
            workers: 1,
            places: Places {
                wasm: given.wasm.clone(),
                upstream: upstream.address(),
                upstream_version: file.upstream_http,
                extra_cluster: file.store_cluster.clone().map(|name| (name, store.address())),
                access_log: PathBuf::new(),
                folder: PathBuf::new(),
                plugin: file.configuration.as_ref().map(|configuration| file.plugin(configuration)),
            },
        };
        let extension = file.base.ends_with("ecds.yaml").then_some("tollgate.yaml");
        Ok(Self { envoy: Envoy::start(&setup)?, extension, upstream, store, answer })
    }
}

/// The project's folder of Envoy configurations.
pub fn envoy_config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config")
}

impl Engine for OnEnvoy {
    fn call(&mut self, request: &Request, reply: &Reply) -> Result<Outcome, Error> {
        self.upstream.take_seen();
        self.upstream.reply_with(reply.clone());
        let response = client::call(self.envoy.address(), request)?;
        let log = self.envoy.next_log_line()?;
        let seen = self.upstream.take_ended(SOON).pop();
        Ok(Outcome { response, log, seen, costs: None })
    }

    fn answer_as_store(&mut self, reply: &Reply) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = reply.clone();
    }

    fn take_store_calls(&mut self) -> Result<Vec<String>, Error> {
        let seen = self.store.take_seen();
        let call = |seen: &Seen| store_call(&seen.method, &seen.path, &seen.headers, &seen.body);
        Ok(seen.iter().map(call).collect())
    }

    fn pass(&mut self, time: Duration) -> Result<(), Error> {
        std::thread::sleep(time);
        Ok(())
    }

    fn series(&mut self) -> Result<Vec<Series>, Error> {
        // What was counted last is still on its way to Envoy, which would look like growth later.
        std::thread::sleep(envoy::TOLD_BY);
        let mut series = self.envoy.prometheus()?;
        series.retain(|series| series.name.starts_with("tollgate_") || series.name.starts_with("gen_ai_"));
        Ok(series)
    }

    fn reconfigure(&mut self, plugin: Plugin) -> Result<Reload, Error> {
        match self.extension {
            Some(file) => self.envoy.reconfigure_extension(file, plugin),
            None => self.envoy.reconfigure(plugin),
        }
    }
}
