//! The secret of this process under which fingerprints are made: nobody outside can look one up.

use crate::abi;
use crate::host::SharedData;
use tollgate_exchange::{PrintKey, Rules};
use tollgate_policy::{SharedStore, Swap};

const KEY: &str = "tg/1/secret";

/// Gives rules that look at what calls say the secret that all workers share. It is drawn only if a rule needs it.
pub fn give_to(rules: &Rules) {
    let candidate = rules.candidate.as_ref().and_then(|candidate| candidate.rules.agents.as_ref());
    if rules.agents.is_none() && rules.waste.is_none() && candidate.is_none() {
        return;
    }
    let Some(secret) = secret() else {
        let text = "tollgate: the host gives no random bytes: `loops`, `retries` and `waste` do not look at what calls say";
        return abi::log(abi::Level::Warn, text);
    };
    for agents in rules.agents.iter().chain(candidate) {
        agents.set_print_key(PrintKey(secret));
    }
    if let Some(wastes) = &rules.waste {
        wastes.set_print_key(PrintKey(secret));
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
