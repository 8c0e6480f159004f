//! From access logs to answers: who spent what on which feature, and whether it is right.
//!
//! Nothing here opens a file: a caller brings bytes, [`Chunks`] cuts them behind lines, [`Parsed::of`] reads these, a [`Journal`] sees to it
//! that no call counts twice, and what is left is folded into sums. Money is integers all the way.
#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "tests may overflow: they would fail"
    )
)]

pub mod allocate;
pub mod amount;
pub mod chunks;
pub mod compare;
pub mod counts;
pub mod csv_in;
pub mod dimension;
pub mod export;
pub mod focus;
pub mod fold;
pub mod forecast;
pub mod ids;
pub mod journal;
pub mod line;
pub mod margin;
pub mod movers;
pub mod parquet;
pub mod price;
pub mod problem;
pub mod reconcile;
pub mod render;
pub mod replay;
pub mod reprice;
pub mod row;
pub mod selection;
pub mod sheet;
pub mod spend;
pub mod sums;
pub mod table;
pub mod trials;
pub mod verify;
pub mod waste;
pub mod whatif;
pub mod workflows;
pub mod zone;

pub use chunks::Chunks;
pub use dimension::{Dimension, Lens};
pub use fold::Fold;
pub use journal::{Chunk, Journal, Parsed, Tally};
pub use line::{Form, Line, LineReader};
pub use row::Row;
pub use selection::Selection;
pub use sheet::{Cell, Chart, Document, Sheet};
pub use sums::{Sum, Sums};
pub use table::Table;
pub use zone::{Range, Zone};
