//! Compressors of a core: bounded by the memory that they take, used again where they can be.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::coding::{Broken, Compressor, Step, Then};
use crate::filter::ContentCoding;
use crate::limits::{COMPRESSORS_BYTES_MAX, COMPRESSORS_KEPT_MAX};
use crate::proxy::rt::spares::Spares;

/// Compressors at work, and some that wait for another body.
#[derive(Default)]
pub struct Compressors {
    /// Octets that those at work may take.
    bytes: Cell<usize>,
    gzip: RefCell<Spares<Compressor>>,
    zstd: RefCell<Spares<Compressor>>,
}

/// A compressor for one body; goes back by itself.
pub struct Loan {
    /// `None`: it failed.
    compressor: Option<Compressor>,
    bytes: usize,
    lender: Rc<Compressors>,
}

impl Compressors {
    /// One at the beginning of a body; `None`: too many are at work.
    #[must_use]
    pub fn lend(self: &Rc<Self>, coding: ContentCoding, level: u8) -> Option<Loan> {
        let bytes = Compressor::bytes(coding, level);
        let at_work = self.bytes.get().saturating_add(bytes);
        if at_work > COMPRESSORS_BYTES_MAX {
            return None;
        }
        let spare = self.spares(coding).and_then(|spares| spares.borrow_mut().take());
        let spare = spare.filter(|spare| spare.kind() == (coding, level));
        let compressor = spare.map_or_else(|| Compressor::new(coding, level), Ok).ok()?;
        self.bytes.set(at_work);
        Some(Loan { compressor: Some(compressor), bytes, lender: Rc::clone(self) })
    }

    /// Frees those that nobody needed since the last call; gives how many.
    pub fn trim(&self) -> usize {
        let all = [&self.gzip, &self.zstd];
        all.into_iter().map(|spares| spares.borrow_mut().surplus().count()).sum()
    }

    fn spares(&self, coding: ContentCoding) -> Option<&RefCell<Spares<Compressor>>> {
        match coding {
            ContentCoding::Gzip => Some(&self.gzip),
            ContentCoding::Zstd => Some(&self.zstd),
            ContentCoding::Brotli => None,
        }
    }
}

impl Loan {
    /// See [`Compressor::code`].
    ///
    /// # Errors
    /// As there; from then on for ever.
    pub fn code(&mut self, input: &[u8], out: &mut [u8], then: Then) -> Result<Step, Broken> {
        let step = self.compressor.as_mut().ok_or(Broken)?.code(input, out, then);
        if step.is_err() {
            self.compressor = None;
        }
        step
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let lender = &self.lender;
        lender.bytes.set(lender.bytes.get().saturating_sub(self.bytes));
        let Some(compressor) = self.compressor.take() else { return };
        if let Some(spares) = lender.spares(compressor.kind().0)
            && let Some(compressor) = compressor.renewed()
        {
            drop(spares.borrow_mut().keep(compressor, COMPRESSORS_KEPT_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_memory_is_for() {
        let all = Rc::<Compressors>::default();
        let most = COMPRESSORS_BYTES_MAX / Compressor::bytes(ContentCoding::Gzip, 1);
        let mut lent: Vec<_> =
            (0..most).map(|_| all.lend(ContentCoding::Gzip, 1).expect("room")).collect();
        assert!(all.lend(ContentCoding::Gzip, 1).is_none());
        // One of zstd takes as much as four of them.
        lent.truncate(most - 4);
        assert!(all.lend(ContentCoding::Zstd, 3).is_some());
        assert!(all.lend(ContentCoding::Brotli, 11).is_none(), "it takes more");
        drop(lent);
        assert_eq!(all.bytes.get(), 0);
        assert!(all.lend(ContentCoding::Brotli, 11).is_some());
    }

    #[test]
    fn they_are_used_again_as_they_were_at_first() {
        let all = Rc::<Compressors>::default();
        let code = |coding, level| {
            let mut loan = all.lend(coding, level).expect("room");
            let mut out = [0; 200];
            // Left in the middle of a body, as when its client goes away.
            loan.code(b"what was before", &mut [0; 200], Then::Pause).expect("coded");
            drop(loan);
            let mut loan = all.lend(coding, level).expect("room");
            let step = loan.code(b"hello hello hello", &mut out, Then::End).expect("coded");
            out[..step.made].to_vec()
        };
        for coding in [ContentCoding::Gzip, ContentCoding::Zstd, ContentCoding::Brotli] {
            let (first, second) = (code(coding, 1), code(coding, 1));
            assert_eq!(first, second, "{coding:?}");
            code(coding, 5);
            assert_eq!(code(coding, 1), first, "{coding:?} of another level between");
        }
        assert_eq!(all.trim(), 0, "too new to tell");
        assert_eq!(all.trim(), 2);
    }
}
