//! The parts of the proxy that are fuzzed, compiled alone from the proxy's own sources. It adds
//! nothing to them; `targets` sees them under the proxy's name, as `tests/corpus.rs` does.
//!
//! A target that needs more modules (`lookup`: `model`, `filter`, `table`) adds them here.

extern crate self as ringway;

#[path = "../../src/limits.rs"]
pub mod limits;

#[path = "../../src/http1/mod.rs"]
pub mod http1;

#[path = "../targets.rs"]
pub mod targets;
