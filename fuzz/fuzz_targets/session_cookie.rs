//! Fuzz target; see `targets::session_cookie`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::session_cookie(data));
