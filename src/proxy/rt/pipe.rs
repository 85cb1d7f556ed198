//! Pipes of a core: octets that go from one socket to another without being copied, and where they
//! wait for a receiver that takes none.
//!
//! A pipe that is empty again goes to the next body; one that still holds octets is closed with
//! them.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::proxy::rt::spares::Spares;
#[cfg(not(test))]
use crate::proxy::rt::splice::Ends;

#[cfg(test)]
use crate::proxy::rt::simulated::splice::Ends;

/// Those of a core.
pub struct Pipes {
    free: RefCell<Spares<Ends>>,
    /// Those that are not free.
    lent: Cell<usize>,
    most: Cell<usize>,
}

/// One of them.
pub struct Pipe {
    /// `None`: only while it is dropped.
    ends: Option<Ends>,
    held: usize,
    pipes: Rc<Pipes>,
}

impl Pipes {
    /// At most so many.
    #[must_use]
    pub fn new(most: usize) -> Rc<Self> {
        let free = RefCell::default();
        Rc::new(Self { free, lent: Cell::new(0), most: Cell::new(most) })
    }

    /// An empty one; `None`: all are lent, there is no descriptor left, or the kernel does not let
    /// us.
    #[must_use]
    pub fn lend(self: &Rc<Self>) -> Option<Pipe> {
        let lent = self.lent.get();
        if lent >= self.most.get() {
            return None;
        }
        let free = self.free.borrow_mut().take();
        let ends = match free.map_or_else(Ends::open, Ok) {
            Ok(ends) => ends,
            Err(error) => {
                // A container may forbid it: for good.
                if !is_passing(&error) {
                    self.most.set(0);
                }
                return None;
            }
        };
        self.lent.set(lent + 1);
        Some(Pipe { ends: Some(ends), held: 0, pipes: Rc::clone(self) })
    }

    /// Closes those that nobody needed since the last call; gives how many.
    pub fn trim(&self) -> usize {
        self.free.borrow_mut().surplus().count()
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

impl Pipe {
    /// Octets in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Puts octets in by `fill`, which says how many they were.
    pub(super) fn fill(
        &mut self,
        fill: impl FnOnce(&Ends) -> io::Result<usize>,
    ) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "a full pipe looks like a silent socket");
        let ends = self.ends.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        self.held = fill(ends)?;
        Ok(self.held)
    }

    /// Takes octets out by `drain`, which gets how many there are and says how many it took.
    pub(super) fn drain(
        &mut self,
        drain: impl FnOnce(&Ends, usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let ends = self.ends.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let count = drain(ends, self.held)?;
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let pipes = &self.pipes;
        pipes.lent.set(pipes.lent.get().saturating_sub(1));
        if let Some(ends) = self.ends.take().filter(|_| self.held == 0) {
            drop(pipes.free.borrow_mut().keep(ends, pipes.most.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(pipe: &mut Pipe, octets: &[u8]) {
        pipe.fill(|ends| Ok(ends.put(octets))).expect("put");
    }

    #[test]
    fn there_are_so_many_and_an_empty_one_is_used_again() {
        let pipes = Pipes::new(2);
        let (mut first, second) = (pipes.lend().expect("one"), pipes.lend().expect("another"));
        assert!(pipes.lend().is_none());
        put(&mut first, b"octets");
        assert_eq!((first.len(), second.is_empty()), (6, true));
        drop(second);
        assert_eq!(pipes.free.borrow_mut().take().into_iter().count(), 1, "empty");
        drop(first);
        assert!(pipes.free.borrow_mut().take().is_none(), "not empty");
        assert_eq!(pipes.lent.get(), 0);
    }

    #[test]
    fn those_that_nobody_needs_are_closed() {
        let pipes = Pipes::new(2);
        drop((pipes.lend(), pipes.lend()));
        assert_eq!((pipes.trim(), pipes.trim()), (0, 2));
    }

    #[test]
    fn nobody_waits_for_one() {
        assert!(Pipes::new(0).lend().is_none());
    }
}
