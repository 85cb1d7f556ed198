//! Which traces are recorded: decided once, for the whole of a trace alike.

use super::context::{Sampling, TraceId};

/// Decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Where nobody has decided before.
    pub root: RootSampler,
    /// Where somebody has.
    pub parents: ParentWord,
}

/// Whether it counts what clients have decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentWord {
    /// It does.
    Counts,
    /// It does not.
    Ignored,
}

/// Which of new traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootSampler {
    /// All.
    Always,
    /// None.
    Never,
    /// Some, by their ids.
    Share(Ratio),
}

/// A share of all traces; so many of 2^56.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u64);

/// How many traces there are that can be told apart by [`TraceId::randomness`].
const TRACES: u64 = 1 << 56;

impl Ratio {
    /// From 0 to 1; `None`: it is no such share.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a power of two is exact; what does not lie between 0 and it is not used"
        )]
        let traces = (share * TRACES as f64) as u64;
        (0.0..=1.0).contains(&share).then_some(Self(traces))
    }
}

impl Default for Sampler {
    /// That of ingress-nginx: all, but for those that clients do not record.
    fn default() -> Self {
        Self { root: RootSampler::Always, parents: ParentWord::Counts }
    }
}

impl Sampler {
    /// Whether `trace` is recorded; `said`: what its client decided, if it did.
    ///
    /// Source: OpenTelemetry, "Tracing SDK", section Sampling: the share is of the greatest ids, so
    /// that whoever else goes by them decides alike.
    #[must_use]
    pub fn decide(self, trace: TraceId, said: Option<Sampling>) -> Sampling {
        if let (ParentWord::Counts, Some(said)) = (self.parents, said) {
            return said;
        }
        let is_recorded = match self.root {
            RootSampler::Always => true,
            RootSampler::Never => false,
            RootSampler::Share(Ratio(traces)) => trace.randomness() >= TRACES - traces,
        };
        if is_recorded { Sampling::Recorded } else { Sampling::Dropped }
    }
}
