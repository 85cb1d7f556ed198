//! Fuzz target; see `targets::request_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::request_head(data));
