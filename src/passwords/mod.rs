//! Passwords: who has which, as what they are remembered, and whether one is right. No thread, no
//! socket, no clock; what takes its time is called by threads that have it, never by a core.

mod base64;
pub mod basic;
pub mod check;
mod des_crypt;
pub mod fingerprint;
pub mod hash;
mod md5_crypt;
pub mod queue;
mod sha_crypt;
pub mod users;
