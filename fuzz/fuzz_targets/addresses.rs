//! Fuzz target; see `access::addresses`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::access::addresses(data));
