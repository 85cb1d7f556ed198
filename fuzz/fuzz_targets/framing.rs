//! Fuzz target; see `targets::framing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::framing(data));
