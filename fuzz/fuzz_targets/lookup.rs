//! Fuzz target; see `targets/lookup.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::lookup::lookup(data));
