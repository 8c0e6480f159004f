//! Tables of memory, of load and of stores.

use crate::figures::Likely;
use crate::filter::NATIVE_PARSING;
use crate::guarded::BURST;
use crate::loaded::{CONNECTIONS, WORKERS, WORKLOADS};
use crate::measured::Measured;
use crate::workload::{JSON, USERS};

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

fn kib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0)
}

/// What VMs weigh.
pub fn workers(measured: &Measured) -> String {
    let Some(first) = measured.memory.first() else { return String::new() };
    let counts: Vec<String> =
        first.resident.iter().map(|(workers, _)| format!("{workers} workers")).collect();
    let mut text = String::from(
        "\n## Memory\n\n\
         Resident MiB of Envoy after calls on every worker. A process has one VM more than workers.\n\n",
    );
    text.push_str(&format!(
        "| in the path | {} | each further worker | wasm memories: how many, of how many MiB |\n|---|{}---:|---|\n",
        counts.join(" | "),
        "---:|".repeat(counts.len())
    ));
    for weight in &measured.memory {
        let resident: Vec<String> = weight.resident.iter().map(|(_, bytes)| mib(*bytes)).collect();
        let each = weight.per_worker().map_or_else(super::unknown, mib);
        let range = weight.pages.first().zip(weight.pages.last());
        let pages = |(least, most): (&u64, &u64)| {
            format!("{} of {} to {}", weight.pages.len(), mib(least << 16), mib(most << 16))
        };
        let pages = range.map_or_else(super::unknown, pages);
        text.push_str(&format!("| {} | {} | {each} | {pages} |\n", weight.filter, resident.join(" | ")));
    }
    text
}

/// What open streams hold.
pub fn streams(measured: &Measured) -> String {
    let Some(first) = measured.streams.first() else { return String::new() };
    let mut text = format!(
        "\n## Open streams\n\n\
         {} streams that are open at the same time, on one worker, after 1 MiB of each has passed: KiB of resident memory for each, and \
         what all of them added to the memory of Tollgate's VM. Decoders together hold 128 MiB of a VM at most: past that, further \
         answers of that coding are not read (`usage.source: none`) until some have ended.\n\n\
         | stream | plain Envoy, KiB each | with Tollgate, KiB each | VM, KiB each | VM, MiB in all |\n|---|---:|---:|---:|---:|\n",
        first.streams
    );
    for held in &measured.streams {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            held.workload,
            kib(held.plain),
            kib(held.tollgate),
            kib(held.vm_each()),
            mib(held.vm)
        ));
    }
    text
}

/// CPU under load.
pub fn load(measured: &Measured) -> String {
    if measured.loaded.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n## Under load\n\n\
         What a filter adds to a call, in microseconds of CPU, with {WORKERS} workers and {CONNECTIONS} connections that call without a \
         pause; and as a multiple of what {NATIVE_PARSING} adds there. A busy worker finds its code and data in the processor's caches, \
         where one that was asleep between two calls does not.\n\n\
         | in the path | {} |\n|---|{}\n",
        WORKLOADS.join(" | "),
        "---:|".repeat(WORKLOADS.len())
    );
    let names = measured.loaded.iter().filter(|row| row.workload == JSON).map(|row| row.filter);
    for name in names {
        let cells = WORKLOADS.map(|workload| loaded(measured, name, workload));
        text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    text
}

fn loaded(measured: &Measured, name: &str, workload: &str) -> String {
    let Some(micros) = measured.under_load(name, workload) else { return super::unknown() };
    let times = measured.times_under_load(name, NATIVE_PARSING, workload);
    let times = times.map_or_else(super::unknown, |times| format!("{times:.2} times"));
    format!("{:+.1} [{:+.0} {:+.0}], {times}", micros.median, micros.low, micros.high)
}

/// What guards cost.
pub fn guards(measured: &Measured) -> String {
    let Some(guards) = measured.guards else { return String::new() };
    let shown = |of: Likely| format!("{:+.1} ({:+.1} to {:+.1})", of.median, of.low, of.high);
    format!(
        "\n## Guards\n\n\
         What four guards add to a call of `{JSON}`, in microseconds of CPU, while {USERS} keys are live and no two calls between two \
         ticks, {BURST}, are of the same one: {} while it runs, and {} by tick; in all {}. In brackets, where the median lies in 95 of \
         100 cases.\n",
        shown(guards.calls),
        shown(guards.ticks),
        shown(guards.sum())
    )
}

/// What stores are told.
pub fn stores(measured: &Measured) -> String {
    let Some(stores) = &measured.stores else { return String::new() };
    format!(
        "\n## What stores are told\n\n\
         By one worker, with five quotas in one store, counted by a stand-in of Webdis.\n\n\
         | mode | messages | bytes each |\n|---|---:|---:|\n\
         | `strict` | {:.2} a call | {:.0} |\n| `cached`, every 200 ms | {:.2} a second | {:.0} |\n",
        stores.strict_messages_per_call,
        stores.strict_bytes,
        stores.cached_messages_per_second,
        stores.cached_bytes
    )
}
