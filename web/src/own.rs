//! Prices of one's own, as the page has them: the text of a file, and a line for each model.

use tollgate_reports::reprice::Book;

/// Longer files hold something else: `pricing.refresh` does not take them either.
const MAX_FILE: usize = 4_000_000;

/// The catalogue with them before it; `None` where there are none.
///
/// # Errors
/// What cannot be understood, by its field on the page.
pub fn book(file: &str, lines: &[String]) -> Result<Option<Book>, String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if file.trim().is_empty() && lines.is_empty() {
        return Ok(None);
    }
    if file.len() > MAX_FILE {
        return Err("Price file: it is longer than 4 MB".into());
    }
    let own = Book::of_lines(lines).map_err(|why| format!("Prices: {why}"))?;
    match file.trim() {
        "" => Ok(Some(own)),
        json => own.with_file(json).map(Some).map_err(|why| format!("Price file: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::book;

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        assert!(book(" ", &[String::new()]).unwrap().is_none());
        for (file, line, expected) in [
            ("{", "", "Price file: EOF while parsing"),
            ("[{\"provider\":\"p\",\"models\":[{\"name\":\"\"}]}]", "", "Price file: "),
            (&"x".repeat(4_000_001), "", "Price file: it is longer than 4 MB"),
            ("", "gpt-4.1 input=1", "Prices: `gpt-4.1 input=1`: it names no provider/model"),
        ] {
            let why = book(file, &[line.to_owned()]).unwrap_err();
            assert!(why.starts_with(expected), "{why}");
        }
    }
}
