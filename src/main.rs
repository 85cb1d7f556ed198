//! Parses flags and starts; nothing else.
fn main() {}
