//! Fuzz target; see `directives::directives`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::directives_target::directives(data));
