//! Ends the VM when a client asks for it: in test builds only, to see what a trap would lose.

use tollgate_exchange::HeaderPairs;

/// Traps if the request has the header `x-trap`.
#[expect(clippy::panic, reason = "it is what this file is for, and no build for users has it")]
pub fn if_asked(headers: &HeaderPairs) {
    assert!(headers.value("x-trap").is_none(), "a trap was asked for");
}
