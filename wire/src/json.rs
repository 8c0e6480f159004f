//! Small JSON values: the few hundred bytes that a scanner has cut out of a body.

mod number;
mod text;
mod value;

pub(crate) use number::{Count, Decimal};
pub(crate) use text::unescape;
pub(crate) use value::{Value, ascii, bits, each_text};
