//! A pipe in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

use crate::limits::PIPE_BYTES;
use crate::proxy::rt::simulated::link::Link;

/// Both ends of a pipe.
#[derive(Default)]
pub(in crate::proxy::rt) struct Ends(RefCell<VecDeque<u8>>);

impl Ends {
    pub(in crate::proxy::rt) fn open() -> io::Result<Self> {
        Ok(Self::default())
    }

    pub(in crate::proxy::rt) fn put(&self, octets: &[u8]) -> usize {
        self.0.borrow_mut().extend(octets);
        octets.len()
    }

    pub(super) fn fill(&self, link: &Link, most: usize) -> io::Result<usize> {
        Ok(self.put(&link.read(most.min(PIPE_BYTES))?))
    }

    pub(super) fn drain(&self, link: &Link) -> io::Result<usize> {
        let mut octets = self.0.borrow_mut();
        let count = link.write(octets.make_contiguous())?;
        octets.drain(..count);
        Ok(count)
    }
}
