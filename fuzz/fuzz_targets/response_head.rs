//! Fuzz target; see `targets::response_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::response_head(data));
