//! Facts about a call -> decisions: tags, quotas, the ledger.
