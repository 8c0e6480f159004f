//! Reports in a browser. The page hands over a question and the bytes of files, piece by piece, and gets tables back; all
//! answers are those of `tollgate-reports`.
//!
//! Nothing here touches the browser but `bindings`, which is compiled for wasm alone.

mod answer;
#[cfg(target_arch = "wasm32")]
mod bindings;
mod names;
mod own;
mod price;
mod question;
mod reading;

pub use answer::Answer;
pub use names::Names;
pub use price::{models, price, rates};
pub use question::Question;
pub use reading::Reading;
