//! The compiler that the gates on the plugin's code were measured with. Another one makes other code of the same source: larger or
//! smaller, dearer or cheaper, with branches elsewhere. Nothing is wrong with the source then, and these gates say nothing.

use crate::run::Job;

/// Its version. Who moves to another one runs `cargo xtask hints` and `cargo xtask budget` with it, and looks at the plugin's size.
const MEASURED_WITH: &str = "1.95.0";

/// Whether a gate says something here; where it does not, that is printed.
pub fn is_the_measured_one_for(gate: &str) -> bool {
    let said = Job::new("rustc").arg("--version").capture().unwrap_or_default();
    let version = said.split_whitespace().nth(1).unwrap_or("of no known version");
    let same = version == MEASURED_WITH;
    if !same {
        println!(
            "\n=== {gate}\nskipped: measured with rustc {MEASURED_WITH}, this is {version} (xtask/src/compiler.rs)"
        );
    }
    same
}
