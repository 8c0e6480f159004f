//! Bytes of LLM requests and responses -> what they report as used.
