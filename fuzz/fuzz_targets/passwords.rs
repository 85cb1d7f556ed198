//! Fuzz target; see `access::passwords`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::access::passwords(data));
