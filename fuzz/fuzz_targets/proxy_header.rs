//! Fuzz target; see `targets::proxy_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::proxy_header(data));
