//! Fuzz target; see `targets/expressions.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::expressions::expressions(data));
