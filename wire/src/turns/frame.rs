//! What readers of turns share: where in a body they are, and when one of its messages is over.

use super::lexer::Token;

/// The role of whom a conversation is with.
pub(super) const USER: &[u8] = b"user";

/// Under which of the outermost keys a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Elsewhere,
    /// Messages; the number is how many containers are open between two of them.
    Turns(u32),
    Tools,
    System,
}

/// What a token is to the messages among which it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// The list of them begins.
    Opens,
    /// One of them is over.
    Ends,
    /// It is a part of one; or this is no section of messages.
    Inside,
}

impl Section {
    #[inline]
    pub(super) fn among(&mut self, token: Token<'_>, depth: u32) -> Among {
        let Self::Turns(base) = *self else { return Among::Inside };
        match token {
            Token::Open(b'[') if depth == 1 => {
                *self = Self::Turns(2);
                Among::Opens
            }
            Token::Between if depth == base => Among::Ends,
            Token::Close(_) if depth < base => {
                *self = Self::Turns(1);
                Among::Ends
            }
            _ => Among::Inside,
        }
    }
}

/// Whose a message is, as far as that is of interest.
#[derive(Default)]
pub(super) struct Role {
    text: Vec<u8>,
    /// So many containers were open where it began.
    pub(super) at: Option<u32>,
}

impl Role {
    /// Takes in a piece of a text, which belongs to the role while it is open. One byte more than the longest that matters is kept,
    /// so that a longer one is told apart from it.
    #[inline]
    pub(super) fn hear(&mut self, piece: &[u8], longest: usize) {
        if self.at.is_some() {
            let room = longest.saturating_add(1).saturating_sub(self.text.len());
            self.text.extend(piece.iter().take(room));
        }
    }

    /// What was heard; empty where nothing was.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// A bare text or a list of parts has no role, and is the user's.
    pub(super) fn is_users(&self) -> bool {
        self.text.is_empty() || self.text == USER
    }

    /// The message is over.
    pub(super) fn clear(&mut self) {
        self.at = None;
        self.text.clear();
    }
}
