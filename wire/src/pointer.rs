//! JSON pointers out of a configuration.

use std::fmt;
use std::sync::Arc;

use crate::field::Role;
use crate::stream::json_fields::{DEEPEST, LONGEST_KEY, Path, Want};

/// More values than this are not captured out of one body.
const MOST: usize = 16;

/// The places in a request's body of which a configuration wants to know the value: JSON pointers (RFC 6901),
/// of which a segment `*` stands for every element of an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers(Arc<[Want]>);

impl Pointers {
    /// Reads pointers; their order is that of [`crate::RequestFacts::captured`].
    ///
    /// # Errors
    /// A pointer that is none or is too long, or more than 16 of them.
    pub fn new<'a>(pointers: impl IntoIterator<Item = &'a str>) -> Result<Self, PointerError> {
        let captured = |pointer| Ok(Want { role: Role::Captured, path: path(pointer)? });
        let wants: Vec<Want> = pointers.into_iter().map(captured).collect::<Result<_, _>>()?;
        if wants.len() > MOST {
            return Err(PointerError::TooMany(MOST));
        }
        Ok(Self(wants.into()))
    }

    pub(crate) fn wants(&self) -> &[Want] {
        &self.0
    }
}

/// What is wrong with a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// It does not begin with `/`, or a `~` in it is none of `~0` and `~1`.
    Malformed(String),
    /// It has more segments, or a longer one, than are looked for.
    TooLong(String),
    /// It leads through the place of another one.
    Through(String, String),
    /// There are more of them than are looked for.
    TooMany(usize),
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(pointer) => {
                write!(f, "`{pointer}` is no JSON pointer, expected one such as `/usage/input_tokens`")
            }
            Self::TooLong(pointer) => {
                write!(f, "`{pointer}` has more than {DEEPEST} segments, or one of over {LONGEST_KEY} bytes")
            }
            Self::Through(inner, outer) => {
                write!(f, "`{inner}` leads through `{outer}`, which is taken whole")
            }
            Self::TooMany(most) => write!(f, "more than {most} JSON pointers"),
        }
    }
}

impl std::error::Error for PointerError {}

/// Reads a JSON pointer.
pub(crate) fn path(pointer: &str) -> Result<Path, PointerError> {
    let malformed = || PointerError::Malformed(pointer.to_owned());
    let segments = pointer.strip_prefix('/').ok_or_else(malformed)?.split('/');
    let keys: Vec<String> = segments.map(unescaped).collect::<Option<_>>().ok_or_else(malformed)?;
    if keys.len() > DEEPEST || keys.iter().any(|key| key.len() >= LONGEST_KEY) {
        return Err(PointerError::TooLong(pointer.to_owned()));
    }
    Ok(Path::Own(keys.into()))
}

fn unescaped(segment: &str) -> Option<String> {
    let mut parts = segment.split('~');
    let mut key = parts.next()?.to_owned();
    for part in parts {
        let (letter, rest) = part.split_at_checked(1)?;
        key.push(match letter {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        key.push_str(rest);
    }
    Some(key)
}

/// The pointer that leads there.
pub(crate) fn written(path: &Path) -> String {
    path.keys().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a str, &'a str, Result<&'a [&'a str], PointerError>);

    #[test]
    fn pointers_are_read_as_rfc_6901_writes_them() {
        let long = "/a".repeat(DEEPEST + 1);
        let cases: [Case<'_>; 7] = [
            ("a plain pointer", "/usage/in", Ok(&["usage", "in"])),
            ("escapes", "/a~1b/c~0d~01", Ok(&["a/b", "c~d~1"])),
            ("an empty key", "/", Ok(&[""])),
            ("no slash before it", "usage", Err(PointerError::Malformed("usage".to_owned()))),
            ("nothing at all", "", Err(PointerError::Malformed(String::new()))),
            ("an unknown escape", "/a~2", Err(PointerError::Malformed("/a~2".to_owned()))),
            ("too deep", &long, Err(PointerError::TooLong(long.clone()))),
        ];
        for (name, pointer, expected) in cases {
            let read = path(pointer).map(|path| path.keys().map(str::to_owned).collect::<Vec<_>>());
            let expected = expected.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
            assert_eq!(read, expected, "{name}");
        }
    }

    #[test]
    fn there_is_a_limit_to_what_is_captured() {
        assert_eq!(Pointers::new(["/a"; 17]), Err(PointerError::TooMany(16)));
        assert_eq!(Pointers::new(["/a"; 16]).map(|pointers| pointers.wants().len()), Ok(16));
    }
}
