//! Fuzz target; see `targets::field_blocks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::field_blocks(data));
