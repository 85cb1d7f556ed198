//! Fuzz target; see `targets::hello`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::hello(data));
