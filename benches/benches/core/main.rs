//! What the core costs by itself, without a proxy: bytes -> usage -> price -> decision -> ledger -> record.
//!
//! `cargo xtask bench` runs it; `cargo test -p tollgate-benches --benches` only sees that all of it works.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a benchmark of what does not work must end")]

mod bodies;
mod calls;
mod readers;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

fn core(criterion: &mut Criterion) {
    readers::bench(criterion);
    calls::bench(criterion);
}

/// Short: figures that are kept come from medians, and the rest of `cargo xtask bench` takes its time.
fn settings() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = all; config = settings(); targets = core }
criterion_main!(all);
