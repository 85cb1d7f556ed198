//! Fuzz target; see `targets::http2_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::http2_frames(data));
