//! The providers' own Python SDKs, whose view of an answer is what their users see.

use std::fs;
use std::path::PathBuf;

use super::{clear, python, target_dir};

/// What the tests were written against.
const SDKS: [&str; 2] = ["openai==3.54.0", "anthropic==2.12.0"];

/// Makes sure that the SDKs are there, and returns the folder for `PYTHONPATH`. Their versions are part of its name.
pub fn sdks() -> Result<PathBuf, String> {
    let home = target_dir().join("tools").join(SDKS.join("-").replace("==", "-"));
    if !home.is_dir() {
        let half = home.with_extension("part");
        clear(&half)?;
        println!("fetching {} by pip", SDKS.join(" and "));
        let into = half.to_string_lossy();
        let asked = ["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", &into];
        python([asked.as_slice(), SDKS.as_slice()].concat())
            .map_err(|why| format!("the SDKs are missing; tried `pip install {}`: {why}", SDKS.join(" ")))?;
        fs::rename(&half, &home).map_err(|error| format!("cannot make `{}`: {error}", home.display()))?;
    }
    println!("SDKs: {}", SDKS.join(", "));
    Ok(home)
}
