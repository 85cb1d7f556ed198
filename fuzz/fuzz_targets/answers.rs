//! Fuzz target; see `targets::answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::answers(data));
