//! Fuzz target; see `targets::auth_durations`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::targets::auth_durations(data));
