//! `tollgate-page WASM FILE`: makes one HTML file of `web/page` and the wasm module of `tollgate-web`, which opens without a
//! server and is not allowed to reach the network.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use wasm_bindgen_cli_support::Bindgen;

/// The scripts of the page, in this order in one element.
const SCRIPTS: [&str; 6] = ["engine.js", "zone.js", "form.js", "own.js", "view.js", "main.js"];

fn main() -> ExitCode {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [wasm, file] = args.as_slice() else {
        eprintln!("tollgate-page WASM FILE: makes one HTML file of the page and the wasm module");
        return ExitCode::from(2);
    };
    match page(wasm).and_then(|page| put(file, &page)) {
        Ok(size) => {
            println!("the page has {size} bytes");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn put(file: &Path, page: &str) -> Result<usize, String> {
    std::fs::write(file, page).map_err(|error| format!("`{}`: {error}", file.display()))?;
    Ok(page.len())
}

fn page(wasm: &Path) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../page");
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))
    };
    let bound = bind(wasm)?;
    let script = SCRIPTS.iter().map(|name| read(folder.join(name))).collect::<Result<String, _>>()?;
    let style =
        read(folder.join("../../reports/src/render/html/style.css"))? + &read(folder.join("page.css"))?;
    let worker = bound.script + &read(folder.join("worker.js"))?;
    let script = format!("\n'use strict';\n{script}");
    let parts = [
        ("{{script-digest}}", base64(&Sha256::digest(script.as_bytes()))),
        ("{{style}}", style),
        ("{{engine}}", base64(&packed(&bound.wasm)?)),
        ("{{worker}}", base64(worker.as_bytes())),
        ("{{script}}", script),
    ];
    filled(&read(folder.join("page.html"))?, &parts)
}

/// Each placeholder stands once.
fn filled(template: &str, parts: &[(&str, String)]) -> Result<String, String> {
    let mut page = template.to_owned();
    for (name, text) in parts {
        let places = template.matches(name).count();
        if places != 1 {
            return Err(format!("page.html has `{name}` {places} times, expected once"));
        }
        if *name != "{{engine}}" && text.contains("</script") {
            return Err(format!("what stands for `{name}` would end its element"));
        }
        page = page.replacen(name, text, 1);
    }
    Ok(page)
}

struct Bound {
    script: String,
    wasm: Vec<u8>,
}

fn bind(wasm: &Path) -> Result<Bound, String> {
    let mut bindgen = Bindgen::new();
    let failed = |error: &dyn std::fmt::Display| format!("`{}`: {error:#}", wasm.display());
    bindgen.input_path(wasm).typescript(false).no_modules(true).map_err(|error| failed(&error))?;
    let mut output = bindgen.generate_output().map_err(|error| failed(&error))?;
    Ok(Bound { script: output.js().to_owned(), wasm: output.wasm_mut().emit_wasm() })
}

fn packed(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map_err(|error| format!("gzip: {error}"))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().chain([&0, &0]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * place) & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spelled_in_base64() {
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn a_placeholder_stands_once_and_no_part_ends_its_element() {
        let part = |text: &str| [("{{a}}", text.to_owned())];
        assert_eq!(filled("<{{a}}>", &part("b")).unwrap(), "<b>");
        assert!(filled("{{a}}{{a}}", &part("b")).unwrap_err().contains("2 times"));
        assert!(filled("{{b}}", &part("b")).unwrap_err().contains("0 times"));
        assert!(filled("{{a}}", &part("</script>")).unwrap_err().contains("would end"));
    }
}
