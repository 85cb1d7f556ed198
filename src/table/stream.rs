//! Streams in compiled form: where connections and datagrams go that are relayed as they are.

use super::id::BackendId;
use crate::model::StreamTerms;

/// A stream service in compiled form.
#[derive(Debug, Clone)]
pub struct TableStream {
    /// Where its connections and datagrams go.
    pub backends: StreamBackends,
    /// How they are relayed.
    pub terms: StreamTerms,
}

/// Backends of streams, by their shares.
#[derive(Debug, Clone, Default)]
pub struct StreamBackends(Box<[StreamEnd]>);

#[derive(Debug, Clone)]
struct StreamEnd {
    /// `None`: a reference that leads nowhere.
    backend: Option<BackendId>,
    /// As [`super::TableBackend::weight_end`]; that of weight 0 is chosen by nothing.
    weight_end: u32,
}

impl StreamBackends {
    /// Those with these weights.
    pub(super) fn new(weighted: impl Iterator<Item = (Option<BackendId>, u32)>) -> Self {
        let mut weight_total = 0_u32;
        let ends = weighted.map(|(backend, weight)| {
            weight_total = weight_total.saturating_add(weight);
            StreamEnd { backend, weight_end: weight_total }
        });
        Self(ends.collect())
    }

    /// Where the next one goes; `None`: nowhere. `dice`: a random number below its argument.
    ///
    /// Shape: does not allocate; one comparison a backend.
    pub fn pick(&self, dice: impl FnOnce(usize) -> usize) -> Option<BackendId> {
        let weight_total = self.0.last()?.weight_end as usize;
        let chosen = dice(weight_total);
        self.0.iter().find(|end| chosen < end.weight_end as usize)?.backend
    }

    /// Those that connections may go to.
    pub fn with_share(&self) -> impl Iterator<Item = BackendId> {
        let mut before = 0;
        let has_share =
            move |end: &&StreamEnd| std::mem::replace(&mut before, end.weight_end) < end.weight_end;
        self.0.iter().filter(has_share).filter_map(|end| end.backend)
    }

    /// Whether it is one of them, be it without a share: who is there already may stay.
    #[must_use]
    pub fn has(&self, backend: BackendId) -> bool {
        self.0.iter().any(|end| end.backend == Some(backend))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backend_has_its_share() {
        let id = |slot| BackendId { slot, generation: 0 };
        for (weighted, expected, with_share) in [
            (vec![], vec![None], vec![]),
            (vec![(Some(id(0)), 0)], vec![None], vec![]),
            (vec![(Some(id(0)), 1)], vec![Some(0)], vec![0]),
            (
                vec![(Some(id(0)), 0), (Some(id(1)), 2), (None, 1), (Some(id(2)), 0)],
                vec![Some(1), Some(1), None],
                vec![1],
            ),
            (vec![(Some(id(0)), u32::MAX), (Some(id(1)), 7)], vec![Some(0), Some(0)], vec![0]),
        ] {
            let backends = StreamBackends::new(weighted.clone().into_iter());
            for (chosen, expected) in expected.into_iter().enumerate() {
                let picked = backends.pick(|_| chosen).map(|backend| backend.slot);
                assert_eq!(picked, expected, "{chosen} of {weighted:?}");
            }
            let shared = backends.with_share().map(|backend| backend.slot);
            assert_eq!(shared.collect::<Vec<_>>(), with_share, "{weighted:?}");
            assert!(weighted.iter().all(|(id, _)| id.is_none_or(|id| backends.has(id))));
            assert!(!backends.has(id(9)));
        }
    }
}
