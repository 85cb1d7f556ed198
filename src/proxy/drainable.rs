//! Tasks that wait for something else and are to be woken when a drain begins.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::{Context, Waker};

/// Those of one core.
#[derive(Default)]
pub struct Drainable {
    next: Cell<u64>,
    wakers: RefCell<BTreeMap<u64, Waker>>,
}

/// A task among them, until this is dropped.
pub struct Entered<'a>(&'a Drainable, u64);

impl Drainable {
    /// Wakes all of them.
    pub fn wake(&self) {
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }

    /// Adds the task of `context`.
    pub fn enter(&self, context: &Context<'_>) -> Entered<'_> {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        self.wakers.borrow_mut().insert(id, context.waker().clone());
        Entered(self, id)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.wakers.borrow_mut().remove(&self.1);
    }
}
