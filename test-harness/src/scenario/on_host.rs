//! Scenarios on the wasm host.

use serde_json::Value;

use super::File;
use super::on_envoy::envoy_config;
use crate::Error;
use crate::envoy::config::{Plugin, read};
use crate::host::{Compiled, Host, Route};
use crate::store::willing;

/// What a scenario file asks of a host, read once for any number of starts.
pub struct Prepared {
    plugin: Plugin,
    routes: Vec<Route>,
    store_cluster: Option<String>,
}

impl Prepared {
    /// Reads the filter's configuration and the routes out of the file and its base.
    ///
    /// # Errors
    /// Where the base cannot be read or has no filter.
    pub fn new(file: &File) -> Result<Self, Error> {
        let path = envoy_config().join(&file.base);
        let base = read(&path)?;
        let manager = base.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
        let manager = manager.ok_or_else(|| Error::File(format!("`{}` has no listener", path.display())))?;
        let plugin = match &file.configuration {
            Some(configuration) => file.plugin(configuration),
            None => Plugin::Text(configuration_of(manager)?),
        };
        Ok(Self { plugin, routes: routes_of(manager), store_cluster: file.store_cluster.clone() })
    }

    /// Starts a host.
    ///
    /// # Errors
    /// Where the plugin does not start.
    pub fn start(&self, compiled: &Compiled) -> Result<Host, Error> {
        let mut host = Host::start(compiled, &self.plugin, self.routes.clone())?;
        host.add_cluster(self.store_cluster.as_deref(), willing());
        Ok(host)
    }
}

fn configuration_of(manager: &Value) -> Result<String, Error> {
    let text =
        manager.pointer("/http_filters/0/typed_config/config/configuration/value").and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| Error::File("the base has no configuration of the filter".to_owned()))
}

fn routes_of(manager: &Value) -> Vec<Route> {
    let routes = manager.pointer("/route_config/virtual_hosts/0/routes").and_then(Value::as_array);
    routes.into_iter().flatten().map(route_of).collect()
}

fn route_of(route: &Value) -> Route {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let path = text(&route["match"]["path"]);
    Route {
        exact: path.is_some(),
        prefix: path.or_else(|| text(&route["match"]["prefix"])).unwrap_or_default(),
        cluster: text(&route["route"]["cluster"]),
        name: text(&route["name"]).unwrap_or_default(),
        filtered: route["typed_per_filter_config"]["tollgate"].is_object(),
    }
}
