//! What a call cost inside the filter's VM.

use std::collections::BTreeMap;

/// What running the plugin cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Instructions, roughly: wasmtime's fuel.
    pub fuel: u64,
    /// How often each host function was called.
    pub calls: BTreeMap<&'static str, u64>,
    /// Bytes that the host copied into the VM.
    pub bytes_in: u64,
    /// Bytes that the host copied out of the VM.
    pub bytes_out: u64,
    /// Size of the VM's memory afterwards.
    pub memory_bytes: u64,
}

impl Costs {
    /// All host calls together.
    pub fn host_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}
