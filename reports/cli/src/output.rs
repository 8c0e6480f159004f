//! Where answers go, and how they are spelled.

use std::io::{ErrorKind, Write};
use std::path::Path;

use tollgate_reports::Document;
use tollgate_reports::render::{self, Width};

use crate::args::{Args, Failure, Opt};

/// Options of every command that prints a document.
pub const OUTPUT: &[Opt] = &[
    Opt::new(
        "--format",
        "table|csv|json|html",
        "how the answer is spelled (default: by the name of --output, else table)",
    ),
    Opt::new("--output", "FILE", "write there instead of printing"),
    Opt::new("--sheet", "NAME", "only this table; CSV has room for one, the first unless named"),
    Opt::new("--top", "N", "rows of each table on a terminal (default 20)"),
    Opt::new("--quiet", "", "no progress and no summary of what was read"),
];

/// How an answer is spelled.
#[derive(Clone, Copy)]
enum Spelling {
    Table,
    Csv,
    Json,
    Html,
}

/// Refuses what cannot be written before a log is read for it.
pub fn check(args: &Args) -> Result<(), Failure> {
    spelling(args)?;
    args.number::<usize>("--top").map(|_| ())
}

/// Prints or writes a document as the options say.
pub fn put(mut document: Document, args: &Args) -> Result<(), Failure> {
    let names: Vec<_> = document.sheets.iter().map(|sheet| sheet.name).collect();
    let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = args.value("--sheet") {
        document.sheets.retain(|sheet| sheet.name == wanted);
        if document.sheets.is_empty() {
            let names = quoted(&names);
            return Err(Failure::Usage(format!("no table `{wanted}`, expected one of {names}")));
        }
    }
    let spelling = spelling(args)?;
    let text = spell(&document, spelling, args)?;
    let Some(path) = file(args) else { return print(text.as_bytes()) };
    std::fs::write(path, text).map_err(|error| Failure::Failed(format!("`{path}`: {error}")))?;
    if !args.has("--quiet") {
        let others = match (spelling, names.as_slice()) {
            (Spelling::Csv, [first, others @ ..]) if !others.is_empty() && !args.has("--sheet") => {
                format!(", with the table `{first}`; `--sheet` names another one: {}", quoted(others))
            }
            _ => String::new(),
        };
        eprintln!("wrote `{path}`{others}");
    }
    Ok(())
}

fn file(args: &Args) -> Option<&str> {
    args.value("--output").filter(|path| *path != "-")
}

fn spell(document: &Document, spelling: Spelling, args: &Args) -> Result<String, Failure> {
    match spelling {
        Spelling::Table => {
            let rows = args.number("--top")?.unwrap_or(20);
            Ok(render::text(document, Width { rows }))
        }
        Spelling::Csv => document
            .sheets
            .first()
            .map(render::csv)
            .ok_or_else(|| Failure::Failed("there is no table to write as CSV".into())),
        Spelling::Json => Ok(render::json(document)),
        Spelling::Html => Ok(render::html(document)),
    }
}

fn spelling(args: &Args) -> Result<Spelling, Failure> {
    match args.value("--format") {
        None => by_name(args),
        Some("table") => Ok(Spelling::Table),
        Some("csv") => Ok(Spelling::Csv),
        Some("json") => Ok(Spelling::Json),
        Some("html") => Ok(Spelling::Html),
        Some(other) => Err(Failure::Usage(format!(
            "unknown format `{other}`, expected one of `table`, `csv`, `json`, `html`"
        ))),
    }
}

/// The form that the name of `--output` asks for.
fn by_name(args: &Args) -> Result<Spelling, Failure> {
    let Some(path) = file(args) else { return Ok(Spelling::Table) };
    let name = Path::new(path);
    match name.extension().map(|ending| ending.to_string_lossy()).as_deref() {
        Some("csv") => Ok(Spelling::Csv),
        Some("json") => Ok(Spelling::Json),
        Some("html") => Ok(Spelling::Html),
        None | Some("txt" | "log") => Ok(Spelling::Table),
        // Whoever opens a table of text as a spreadsheet sees nonsense.
        Some(_) => Err(Failure::Usage(format!(
            "`{path}`: name it .csv (spreadsheets open that), .json, .html or .txt, or give `--format`"
        ))),
    }
}

/// Prints; a reader that went away ends the command quietly.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Unread),
        Err(error) => Err(Failure::Failed(format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
