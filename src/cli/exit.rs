//! Exit codes that mean more than success or failure.

/// Flags were unusable; also what clap uses.
pub(super) const EXIT_USAGE: u8 = 2;
