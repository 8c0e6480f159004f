//! Token counts and units x rate card -> exact money.
