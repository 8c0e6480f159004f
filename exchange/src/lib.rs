//! One LLM call's life, without I/O: ties wire, pricing, policy and record together.
