//! Fuzz target; see `traces::trace_context`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::traces::trace_context(data));
