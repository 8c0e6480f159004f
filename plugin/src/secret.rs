//! The secret of this process under which fingerprints are made: nobody outside can look one up.

use crate::abi;
use crate::host::SharedData;
use tollgate_exchange::{PrintKey, Rules};
use tollgate_policy::{SharedStore, Swap};

const KEY: &str = "tg/1/secret";

/// Gives rules that look at what calls say the secret that all workers share. It is drawn only if a rule needs it.
pub fn give_to(rules: &Rules) {
    let Some(agents) = &rules.agents else { return };
    match secret() {
        Some(secret) => agents.set_print_key(PrintKey(secret)),
        None => abi::log(
            abi::Level::Warn,
            "tollgate: the host gives no random bytes: `loops` and `retries` do not look at what calls say",
        ),
    }
}

/// The secret that the first worker drew.
fn secret() -> Option<[u8; 16]> {
    let stored = || SharedData.read(KEY).ok().flatten().and_then(|(bytes, _)| bytes.first_chunk().copied());
    stored().or_else(|| {
        let mine = abi::random()?;
        match SharedData.swap(KEY, &mine, None) {
            Ok(Swap::Done) => Some(mine),
            _ => stored(),
        }
    })
}
