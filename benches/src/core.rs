//! What criterion measured of the core alone: read out of the files that it leaves.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::args::Args;

/// One benchmark.
pub struct Timing {
    /// Group and name.
    pub name: String,
    /// Nanoseconds of one pass: the median, and the interval that it lies in with 95 % confidence.
    pub nanos: (f64, f64, f64),
    /// Bytes of one pass, where it reads any.
    pub bytes: Option<f64>,
}

impl Timing {
    /// Megabytes a second.
    pub fn rate(&self) -> Option<f64> {
        self.bytes.map(|bytes| bytes * 1000.0 / self.nanos.0)
    }
}

/// All benchmarks of criterion's folder, by name. A folder that is not there has none.
pub fn timings(args: &Args) -> Vec<Timing> {
    let mut timings = Vec::new();
    if let Some(folder) = &args.core {
        search(folder, &mut timings);
    }
    timings.sort_by(|one, other| one.name.cmp(&other.name));
    timings
}

fn search(folder: &Path, timings: &mut Vec<Timing>) {
    if folder.file_name().is_some_and(|name| name == "new") {
        timings.extend(read(folder));
        return;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).for_each(|path| search(&path, timings));
}

fn read(folder: &Path) -> Option<Timing> {
    let json = |name| serde_json::from_str::<Value>(&fs::read_to_string(folder.join(name)).ok()?).ok();
    let (estimates, about) = (json("estimates.json")?, json("benchmark.json")?);
    let median = |pointer: &str| estimates.pointer(&format!("/median/{pointer}"))?.as_f64();
    let interval = |bound| median(&format!("confidence_interval/{bound}"));
    Some(Timing {
        name: about.pointer("/full_id")?.as_str()?.to_owned(),
        nanos: (median("point_estimate")?, interval("lower_bound")?, interval("upper_bound")?),
        bytes: about.pointer("/throughput/Bytes").and_then(Value::as_f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_leaves_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = folder.path().join("wire/json/new");
        fs::create_dir_all(&new).expect("a folder");
        let estimates = r#"{"median":{"point_estimate":2000.0,
            "confidence_interval":{"lower_bound":1900.0,"upper_bound":2100.0}}}"#;
        fs::write(new.join("estimates.json"), estimates).expect("written");
        fs::write(new.join("benchmark.json"), r#"{"full_id":"wire/json","throughput":{"Bytes":4000}}"#)
            .expect("written");
        let mut timings = Vec::new();
        search(folder.path(), &mut timings);
        let found: Vec<_> = timings.iter().map(|one| (one.name.as_str(), one.nanos, one.rate())).collect();
        assert_eq!(found, [("wire/json", (2000.0, 1900.0, 2100.0), Some(2000.0))]);
    }
}
