//! Fuzz target; see `ext_authz_target::ext_authz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway_fuzz::ext_authz_target::ext_authz(data));
