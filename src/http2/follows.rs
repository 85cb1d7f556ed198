//! Whether a part of a message or of a field block is its last one.

/// What follows it: END_STREAM or END_HEADERS of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Follows {
    /// More of it may.
    #[default]
    More,
    /// It is the last one.
    Nothing,
}

impl Follows {
    /// `end` in the flags of a frame says so.
    #[must_use]
    pub const fn read(flags: u8, end: u8) -> Self {
        if flags & end == 0 { Self::More } else { Self::Nothing }
    }

    /// The flag of a frame that says so by `end`.
    #[must_use]
    pub const fn flag(self, end: u8) -> u8 {
        match self {
            Self::More => 0,
            Self::Nothing => end,
        }
    }
}
