//! The one thing Tollgate emits per call: its schema, encoders and parser.
