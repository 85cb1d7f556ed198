//! Memory for the large future of a request, used again by the next request of any connection.
//!
//! A connection between two requests should cost little, so the future of a request must not be
//! part of the future of its connection; and a request should not allocate, so it cannot be boxed
//! anew.

#![expect(unsafe_code, reason = "futures in memory that is used again")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::limits::{PLACE_BYTES, PLACES_KEPT_MAX};
use crate::proxy::rt::spares::Spares;

/// Places for futures of one type; one per core.
pub struct Places<F> {
    free: RefCell<Spares<NonNull<F>>>,
}

/// A future in a place; gives the place back when dropped.
pub struct Placed<F> {
    places: Rc<Places<F>>,
    /// INVARIANT: holds an initialised `F` that is never moved, until drop.
    place: NonNull<F>,
    /// Owns an `F`.
    owned: PhantomData<F>,
}

impl<F> Default for Places<F> {
    fn default() -> Self {
        Self { free: RefCell::default() }
    }
}

impl<F: Future> Places<F> {
    /// Puts the future that `make` gives in a free place, or in a new one.
    ///
    /// PERF: in a function of its own, with nothing else to be looked at, the compiler writes what
    /// the future begins with into the place, instead of kilobytes by way of the stack.
    #[inline(never)]
    pub fn put(self: &Rc<Self>, make: impl FnOnce() -> F) -> Placed<F> {
        let free = self.free.borrow_mut().take();
        let place = free.unwrap_or_else(allocate::<F>);
        // SAFETY: the place is allocated for an `F` and holds none.
        unsafe { place.write(make()) };
        Placed { places: Rc::clone(self), place, owned: PhantomData }
    }
}

impl<F> Places<F> {
    /// Frees the places that nobody needed since the last call.
    pub fn trim(&self) {
        self.free.borrow_mut().surplus().for_each(free);
    }
}

fn allocate<F>() -> NonNull<F> {
    const { assert!(size_of::<F>() > 0, "a future without size needs no place") };
    const { assert!(size_of::<F>() <= PLACE_BYTES, "a core's memory is summed with less") };
    // SAFETY: the layout has a size above zero.
    let memory = unsafe { alloc(Layout::new::<F>()) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(Layout::new::<F>()))
}

fn free<F>(place: NonNull<F>) {
    // SAFETY: the place came from `allocate::<F>` and holds no future.
    unsafe { dealloc(place.as_ptr().cast(), Layout::new::<F>()) };
}

// The place moves with nothing: only its address does.
impl<F> Unpin for Placed<F> {}

impl<F: Future> Future for Placed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the place holds an initialised `F` to which we have the only access.
        let future = unsafe { self.place.as_mut() };
        // SAFETY: the future stays in its place until it is dropped there.
        unsafe { Pin::new_unchecked(future) }.poll(context)
    }
}

impl<F> Drop for Placed<F> {
    fn drop(&mut self) {
        // SAFETY: the place holds an initialised `F`, which is not used after this.
        unsafe { self.place.drop_in_place() };
        if let Some(place) = self.places.free.borrow_mut().keep(self.place, PLACES_KEPT_MAX) {
            free(place);
        }
    }
}

impl<F> Drop for Places<F> {
    fn drop(&mut self) {
        let mut spares = self.free.borrow_mut();
        std::iter::from_fn(|| spares.take()).for_each(free);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;

    use super::*;

    async fn count(dropped: Rc<Cell<u32>>) -> u32 {
        struct OnDrop(Rc<Cell<u32>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let held = OnDrop(dropped);
        std::future::ready(()).await;
        held.0.get() + 7
    }

    fn run<F: Future>(future: F) -> Option<F::Output> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match pin!(future).as_mut().poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_place_is_used_again_and_its_future_dropped_once() {
        let places = Rc::default();
        let dropped = Rc::new(Cell::new(0));
        let first = Places::put(&places, || count(Rc::clone(&dropped)));
        let address = first.place;
        assert_eq!(run(first), Some(7));
        assert_eq!(dropped.get(), 1);
        let second = Places::put(&places, || count(Rc::clone(&dropped)));
        assert_eq!(second.place, address);
        drop(second);
        assert_eq!(dropped.get(), 1, "it never ran, so it held nothing");
    }
}
