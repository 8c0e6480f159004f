//! What a scanner has found in one document.

use crate::field::Role;
use crate::stream::json_fields::{Content, Set, Sink, Wants, indices};

/// No document of ours has more finds in its lists than this; one that has is flagged. A long research has some hundred items.
const MOST: usize = 2048;

/// Room for the finds that stand in no list: a report of usage stands behind a list of any length, and is not lost for it.
const MOST_BEYOND: usize = 256;

/// No document of ours has more text to keep than this.
const MOST_TEXT: usize = 256 * 1024;

/// Room for what a document of ours usually has.
const USUAL: usize = 8;
const USUAL_TEXT: usize = 512;

/// The finds of one document, in the order in which they stand there.
#[derive(Debug)]
pub(crate) struct Finds {
    wants: Wants,
    items: Vec<Item>,
    text: Vec<u8>,
    /// The roles among the items, as [`Role::bit`] has them.
    found: u64,
    /// The roles whose presence was seen.
    seen: Set,
    /// The arrays among them, and those of them that held nothing.
    arrays: Set,
    empty: Set,
    /// How many pictures were seen.
    pub(crate) pictures: u64,
    pub(crate) overlong: bool,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    index: usize,
    start: usize,
    end: usize,
}

impl Finds {
    pub(crate) fn new(wants: impl Into<Wants>) -> Self {
        Self {
            wants: wants.into(),
            items: Vec::with_capacity(USUAL),
            text: Vec::with_capacity(USUAL_TEXT),
            found: 0,
            seen: 0,
            arrays: 0,
            empty: 0,
            pictures: 0,
            overlong: false,
        }
    }

    /// Forgets everything, for the next document.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.text.clear();
        self.found = 0;
        self.seen = 0;
        self.empty = 0;
        self.pictures = 0;
    }

    /// The raw text of each find with its role.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Role, &[u8])> {
        self.items.iter().filter_map(|item| {
            let want = self.wants.get(item.index)?;
            Some((want.role, self.text.get(item.start..item.end)?))
        })
    }

    /// Whether something with that role was found or seen, null not counted.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles() & role.bit() != 0
    }

    /// Whether something with one of these roles, as [`Role::bit`] has them, was found or seen.
    pub(crate) fn has_any(&self, roles: u64) -> bool {
        self.roles() & roles != 0
    }

    /// All roles that were found or seen.
    fn roles(&self) -> u64 {
        let seen = indices(self.seen).filter_map(|index| self.wants.get(index));
        seen.fold(self.found, |roles, want| roles | want.role.bit())
    }

    fn has_room(&self, wants: Set) -> bool {
        let full = self.items.len().checked_sub(MOST);
        full.is_none_or(|beyond| beyond < MOST_BEYOND && !self.are_in_lists(wants))
    }

    #[cold]
    fn are_in_lists(&self, wants: Set) -> bool {
        indices(wants)
            .filter_map(|index| self.wants.get(index))
            .all(|want| want.path.keys().any(|key| key == "*"))
    }

    /// Whether something was found that is always to be read.
    pub(crate) fn is_decisive(&self) -> bool {
        self.roles() & Role::DECISIVE != 0
    }

    /// Whether there is a list of choices and it is empty.
    pub(crate) fn has_empty_choices(&self) -> bool {
        let mut empty = indices(self.empty).filter_map(|index| self.wants.get(index));
        empty.any(|want| want.role == Role::ChoiceList)
    }

    /// Whether the last report of usage is an object.
    pub(crate) fn usage_is_object(&self) -> bool {
        let last = self.iter().filter(|(role, _)| *role == Role::Usage).last();
        last.is_some_and(|(_, raw)| raw.starts_with(b"{"))
    }
}

impl Sink for Finds {
    fn mark(&self) -> usize {
        self.items.len()
    }

    fn repeats(&mut self, wants: Set, mark: usize) {
        self.seen &= !wants;
        self.empty &= !wants;
        if self.items.len() <= mark {
            return;
        }
        let mut place = 0_usize;
        self.items.retain(|item| {
            let stays = place < mark || !indices(wants).any(|index| index == item.index);
            place = place.saturating_add(1);
            stays
        });
        self.found = self.iter().fold(0, |roles, (role, _)| roles | role.bit());
    }

    fn begins(&mut self, wants: Set, first: u8, _at: usize) {
        self.arrays = if first == b'[' { self.arrays | wants } else { self.arrays & !wants };
        self.empty &= !wants;
        if first != b'n' {
            self.seen |= wants;
            let mut begun = indices(wants).filter_map(|index| self.wants.get(index));
            let picture = begun.any(|want| want.role == Role::Picture);
            self.pictures = self.pictures.saturating_add(u64::from(picture));
        }
    }

    fn value(&mut self, wants: Set, raw: &[u8]) {
        if raw == b"null" {
            self.seen &= !wants;
            return;
        }
        if !self.has_room(wants) || self.text.len().saturating_add(raw.len()) > MOST_TEXT {
            self.overlong = true;
            return;
        }
        let start = self.text.len();
        self.text.extend_from_slice(raw);
        let end = self.text.len();
        for index in indices(wants) {
            self.items.push(Item { index, start, end });
            self.found |= self.wants.get(index).map_or(0, |want| want.role.bit());
        }
    }

    fn closes(&mut self, wants: Set, content: Content, _at: usize) {
        if content == Content::Empty {
            self.empty |= wants & self.arrays;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::RESPONSES;
    use crate::stream::json_fields::{Root, Scanner};

    #[test]
    fn a_long_list_takes_no_place_from_what_stands_behind_it() {
        for (items, overlong) in [(MOST, false), (MOST + 1, true), (MOST * 4, true)] {
            let list = vec![r#"{"type":"web_search_call"}"#; items].join(",");
            let document =
                format!(r#"{{"output":[{list}],"status":"completed","usage":{{"input_tokens":7}}}}"#);
            let mut finds = Finds::new(RESPONSES.response);
            Scanner::new(RESPONSES.response, Root::Objects).feed(document.as_bytes(), &mut finds);
            assert_eq!(finds.overlong, overlong, "{items} items");
            assert!(finds.usage_is_object() && finds.has(Role::Status), "{items} items");
        }
    }
}
