//! Small changes to a chunk, made in order.

/// One change: at `at`, these bytes are put in, and `instead_of` is taken out as far as it stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    pub(super) at: usize,
    pub(super) put: &'static [u8],
    pub(super) instead_of: &'static [u8],
}

/// The changes to the chunk that is being read.
#[derive(Debug, Default)]
pub(super) struct Edits {
    list: Vec<Edit>,
    /// What is still to be taken out, from the beginning of the next chunk on.
    rest: &'static [u8],
}

impl Edits {
    pub(super) fn push(&mut self, edit: Edit) {
        self.list.push(edit);
    }

    /// The changed chunk; `None` if nothing is changed.
    pub(super) fn apply(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        if self.list.is_empty() && self.rest.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(chunk.len().saturating_add(64));
        let mut place = self.take_out(chunk, 0, self.rest);
        for edit in std::mem::take(&mut self.list) {
            out.extend_from_slice(chunk.get(place..edit.at).unwrap_or_default());
            out.extend_from_slice(edit.put);
            place = self.take_out(chunk, edit.at, edit.instead_of);
        }
        out.extend_from_slice(chunk.get(place..).unwrap_or_default());
        Some(out)
    }

    /// Passes over `word` as far as it stands at `from`, and returns the place after it.
    fn take_out(&mut self, chunk: &[u8], from: usize, word: &'static [u8]) -> usize {
        let here = chunk.get(from..).unwrap_or_default();
        let same = here.iter().zip(word).take_while(|(one, other)| one == other).count();
        self.rest = if same == here.len() { word.get(same..).unwrap_or_default() } else { &[] };
        from.saturating_add(same)
    }
}

impl Edit {
    /// By how many bytes the body may grow: a value that breaks off may leave nothing to take out.
    pub(super) fn growth(self) -> u64 {
        u64::try_from(self.put.len()).unwrap_or(u64::MAX)
    }
}
