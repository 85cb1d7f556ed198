//! How a coder is asked, and how far it came.

/// What comes behind the octets that are given to a coder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// More, soon.
    More,
    /// Nobody knows when: what was given so far is to come out.
    Pause,
    /// Nothing.
    End,
}

/// How far a coder is with what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All that had to come out is out.
    Done,
    /// There was no room for more: it is to be asked again.
    Full,
}

/// A coder failed. Nobody knows of a reason but a mistake of ours or no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the coder of a body failed")]
pub struct Broken;

/// One step of a coder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Octets of the input that it took.
    pub taken: usize,
    /// Octets that it wrote.
    pub made: usize,
    /// Whether that was all.
    pub progress: Progress,
}
