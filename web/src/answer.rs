//! An answer, as the page shows it and as it can be kept.

use serde_json::json;
use tollgate_reports::{Document, render};

use crate::names::Names;

/// An answer, with what was read for it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The tables.
    pub document: Document,
    /// What was read, a line each; none where no log was.
    pub read: Vec<String>,
    /// Whether something was left out of the answer that may belong into it.
    pub is_partial: bool,
    /// By what the calls can be told apart.
    pub names: Names,
}

impl Answer {
    /// What the page shows, as JSON: `title`, `html`, `sheets`, `read`, `partial`, `names`, `values`.
    pub fn shown(&self) -> String {
        let sheets: Vec<_> = self.document.sheets.iter().map(|sheet| [sheet.name, &sheet.title]).collect();
        json!({
            "title": self.document.title,
            "html": render::fragment(&self.document),
            "sheets": sheets,
            "read": self.read,
            "partial": self.is_partial,
            "names": self.names.names(),
            "values": self.names.pairs(),
        })
        .to_string()
    }

    /// The answer as `csv` of one sheet, `json`, or `html`.
    ///
    /// # Errors
    /// A sheet that is not there, another form.
    pub fn spelled(&self, form: &str, sheet: &str) -> Result<String, String> {
        let document = &self.document;
        match form {
            "csv" => {
                let sheet = document.sheets.iter().find(|known| known.name == sheet);
                sheet.map(render::csv).ok_or_else(|| "there is no such table any more".to_owned())
            }
            "json" => Ok(render::json(document)),
            "html" => Ok(render::html(document)),
            _ => Err(format!("unknown form `{form}`, expected one of `csv`, `json`, `html`")),
        }
    }
}
