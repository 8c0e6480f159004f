//! A proxy-wasm host without a proxy: the callbacks and host functions as Envoy has them, in virtual time, with
//! every cost counted and every host call ready to fail.

mod abi;
mod compiled;
mod faults;
mod host_call;
mod life;
mod protobuf;
mod world;

use wasmtime::{Instance, Linker, Store, WasmParams, WasmResults};

use crate::Error;
use crate::costs::Costs;
use crate::envoy::Reload;
use crate::envoy::config::Plugin;
use crate::http::Reply;
use crate::stats::Series;
pub use compiled::Compiled;
pub use faults::{Fault, Faults, Planned};
pub use life::{Open, Route};
use world::World;

/// More than any callback burns: one that goes on for ever traps.
const FUEL: u64 = 20_000_000_000;
/// The virtual clock begins here: 2026-11-20T12:00:00Z.
const BEGIN_NS: u64 = 1_795_176_000_000_000_000;

/// What a plugin that counts its branches calls the memory of its counters (`plugin/hints`).
const BRANCHES: &str = "branches";

/// One VM with the plugin in it, configured.
pub struct Host {
    store: Store<World>,
    instance: Instance,
    /// The root context whose configuration new streams get.
    root: u32,
    last_context: u32,
    routes: Vec<Route>,
}

impl Host {
    /// Starts a VM and configures the plugin.
    ///
    /// # Errors
    /// Where the plugin traps or refuses its configuration; with its own log.
    pub fn start(compiled: &Compiled, plugin: &Plugin, routes: Vec<Route>) -> Result<Self, Error> {
        let mut linker = Linker::new(&compiled.engine);
        let failed = |error: wasmtime::Error| Error::Proxy(format!("the plugin cannot be loaded: {error:#}"));
        abi::link(&mut linker).map_err(failed)?;
        linker.define_unknown_imports_as_traps(&compiled.module).map_err(failed)?;
        let mut store = Store::new(&compiled.engine, World { now_ns: BEGIN_NS, ..World::default() });
        store.set_fuel(FUEL).map_err(failed)?;
        let instance = linker.instantiate(&mut store, &compiled.module).map_err(failed)?;
        let mut host = Self { store, instance, root: 0, last_context: 0, routes };
        host.call_if_there::<(), ()>("_initialize", ())?;
        match host.configure(plugin)? {
            Reload::Accepted => {
                host.forget_branches();
                Ok(host)
            }
            Reload::Rejected => {
                Err(Error::Proxy(format!("configuration refused:\n{}", host.world().log.join("\n"))))
            }
        }
    }

    /// Gives new streams another configuration; those that run keep theirs.
    ///
    /// # Errors
    /// Where the plugin traps.
    pub fn configure(&mut self, plugin: &Plugin) -> Result<Reload, Error> {
        let (context, size) = (self.next_context(), self.offer(plugin));
        self.call::<(u32, u32), ()>("proxy_on_context_create", context, (context, 0))?;
        let started: u32 = self.call_in(context, "proxy_on_vm_start", (context, 0))?;
        let configured: u32 = self.call_in(context, "proxy_on_configure", (context, size))?;
        if started == 0 || configured == 0 {
            self.world().tick_ms.remove(&context);
            self.call::<u32, ()>("proxy_on_delete", context, context)?;
            return Ok(Reload::Rejected);
        }
        self.root = context;
        Ok(Reload::Accepted)
    }

    /// Gives the root that is there another configuration, as hosts may that do not make a new one for it.
    ///
    /// # Errors
    /// Where the plugin traps.
    pub fn configure_again(&mut self, plugin: &Plugin) -> Result<Reload, Error> {
        let (root, size) = (self.root, self.offer(plugin));
        let configured: u32 = self.call_in(root, "proxy_on_configure", (root, size))?;
        Ok(if configured == 0 { Reload::Rejected } else { Reload::Accepted })
    }

    /// How many bytes of configuration the plugin can read from now on.
    fn offer(&mut self, plugin: &Plugin) -> u32 {
        let bytes = match plugin {
            Plugin::Text(text) => text.clone().into_bytes(),
            Plugin::Struct(value) => protobuf::encode(value),
        };
        let size = bytes.len() as u32;
        self.world().configuration = bytes;
        size
    }

    /// Lets the plugin call a cluster, which answers like this.
    pub fn add_cluster(&mut self, name: Option<&str>, reply: Reply) {
        self.world().clusters.extend(name.map(str::to_owned));
        self.world().cluster_reply = reply;
    }

    /// Plans faults for the host calls from now on.
    pub fn plan(&mut self, faults: Faults) {
        self.world().faults = faults;
    }

    /// How often a function has been called since faults were planned.
    pub fn planned_calls(&self, function: &str) -> u64 {
        self.store.data().faults.calls(function)
    }

    /// Gives up on streams that ended in an error of the harness.
    pub fn forget_streams(&mut self) {
        self.world().streams.clear();
    }

    /// All metrics as series, once the plugin has told them by tick; a histogram shows as its `_count` and `_sum`.
    ///
    /// # Errors
    /// Where the plugin traps.
    pub fn series(&mut self) -> Result<Vec<Series>, Error> {
        self.tick_now()?;
        let metrics = self.store.data().metrics.iter();
        let series = metrics.flat_map(|metric| {
            let plain = |suffix: &str, value: f64| {
                let mut series = Series::from_wire_name(&metric.name, value);
                series.name.push_str(suffix);
                series
            };
            match metric.histogram {
                true => vec![plain("_count", metric.samples as f64), plain("_sum", metric.value as f64)],
                false => vec![plain("", metric.value as f64)],
            }
        });
        Ok(series.collect())
    }

    /// All that the plugin has put into shared data: keys and values.
    pub fn shared_data(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let shared = &self.store.data().shared;
        shared.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// What the plugin has cost since the last call ended: its ticks.
    pub fn costs_since_the_last_call(&mut self) -> Costs {
        std::mem::take(&mut self.world().costs)
    }

    /// What the plugin has logged.
    pub fn log(&self) -> &[String] {
        &self.store.data().log
    }

    fn world(&mut self) -> &mut World {
        self.store.data_mut()
    }

    fn next_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }

    fn call_in<R: WasmResults>(&mut self, context: u32, name: &str, params: (u32, u32)) -> Result<R, Error> {
        self.call(name, context, params)
    }

    /// Calls the plugin on behalf of a context.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        context: u32,
        params: P,
    ) -> Result<R, Error> {
        self.world().effective = context;
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, name).map_err(trap(name))?;
        let before = self.store.get_fuel().map_err(trap(name))?;
        let result = function.call(&mut self.store, params);
        let burnt = before.saturating_sub(self.store.get_fuel().map_err(trap(name))?);
        self.store.set_fuel(FUEL).map_err(trap(name))?;
        self.world().costs.fuel += burnt;
        result.map_err(trap(name))
    }

    /// The same for a callback that the plugin may leave out.
    fn call_if_there<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        params: P,
    ) -> Result<Option<R>, Error> {
        if self.instance.get_func(&mut self.store, name).is_none() {
            return Ok(None);
        }
        let context = self.world().effective;
        self.call(name, context, params).map(Some)
    }

    /// How often each branch was taken, and how often not, since the plugin was first configured; nothing where it does not
    /// count that.
    pub fn branches(&mut self) -> Vec<(u64, u64)> {
        let Some(memory) = self.instance.get_memory(&mut self.store, BRANCHES) else { return Vec::new() };
        let (counters, _) = memory.data(&self.store).as_chunks::<8>();
        let (branches, _) = counters.as_chunks::<2>();
        branches.iter().map(|[taken, not]| (u64::from_le_bytes(*taken), u64::from_le_bytes(*not))).collect()
    }

    fn forget_branches(&mut self) {
        if let Some(memory) = self.instance.get_memory(&mut self.store, BRANCHES) {
            memory.data_mut(&mut self.store).fill(0);
        }
    }

    /// Size of the VM's memory, which never shrinks.
    pub fn memory_bytes(&mut self) -> u64 {
        let memory = self.instance.get_memory(&mut self.store, "memory");
        memory.map_or(0, |memory| memory.data_size(&self.store) as u64)
    }
}

fn trap(name: &str) -> impl FnOnce(wasmtime::Error) -> Error {
    let name = name.to_owned();
    move |error| Error::Proxy(format!("{name} trapped: {error:#}"))
}
