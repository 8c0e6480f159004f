//! What becomes of a chunk that has been read.

use super::INJECTION_ROOM;

/// What goes on of a chunk. A body is nearly always let go as it is: whoever passes it on then has nothing to copy, and where it is only
/// filled up no more than a few spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyChange {
    /// The chunk as it is.
    Nothing,
    /// The chunk, and these bytes behind it.
    Behind(&'static [u8]),
    /// These bytes in its place.
    Instead(Vec<u8>),
}

/// White space that may stand behind any JSON text.
const SPACES: [u8; ROOM] = [b' '; ROOM];

#[expect(clippy::as_conversions, reason = "`try_from` is not const; it is 64")]
const ROOM: usize = INJECTION_ROOM as usize;

impl BodyChange {
    /// Fills up with so many spaces. No more than [`INJECTION_ROOM`] are ever missing.
    pub(super) fn fill_up(self, missing: usize) -> Self {
        let spaces = SPACES.get(..missing).unwrap_or(&SPACES);
        match self {
            Self::Nothing if spaces.is_empty() => Self::Nothing,
            Self::Nothing => Self::Behind(spaces),
            Self::Behind(_) => self,
            Self::Instead(mut bytes) => {
                bytes.extend_from_slice(spaces);
                Self::Instead(bytes)
            }
        }
    }

    /// The same change of a chunk that other bytes have taken the place of already.
    pub fn after(self, earlier: Option<Vec<u8>>) -> Self {
        match (self, earlier) {
            (change, None) | (change @ Self::Instead(_), Some(_)) => change,
            (Self::Nothing, Some(bytes)) => Self::Instead(bytes),
            (Self::Behind(more), Some(mut bytes)) => {
                bytes.extend_from_slice(more);
                Self::Instead(bytes)
            }
        }
    }

    /// What goes on in place of `chunk`; `None` if it goes on as it is.
    pub fn of(self, chunk: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Nothing => None,
            Self::Behind(more) => Some([chunk, more].concat()),
            Self::Instead(bytes) => Some(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, BodyChange, BodyChange)]) {
        for (name, change, expected) in cases {
            assert_eq!(change, expected, "{name}");
        }
    }

    #[test]
    fn only_what_is_changed_is_copied() {
        let instead = |bytes: &str| BodyChange::Instead(bytes.as_bytes().to_vec());
        check(&[
            ("nothing is missing", BodyChange::Nothing.fill_up(0), BodyChange::Nothing),
            ("spaces go behind", BodyChange::Nothing.fill_up(2), BodyChange::Behind(b"  ")),
            ("spaces go behind what is changed", instead("{}").fill_up(1), instead("{} ")),
            ("nothing after a change", BodyChange::Nothing.after(Some(b"a".to_vec())), instead("a")),
            ("spaces after a change", BodyChange::Behind(b" ").after(Some(b"a".to_vec())), instead("a ")),
            ("a change after a change", instead("b").after(Some(b"a".to_vec())), instead("b")),
            ("a change after none", BodyChange::Behind(b" ").after(None), BodyChange::Behind(b" ")),
        ]);
        assert_eq!(BodyChange::Behind(b" ").of(b"{}"), Some(b"{} ".to_vec()), "as a whole");
    }
}
