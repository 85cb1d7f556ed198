//! Copies of requests under way on a core, and bodies that are kept for them as they pass.
//!
//! Bounded: so many copies at a time, so much of a body. What is beyond is let go, and never waited
//! for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::limits::{MIRROR_BODY_BYTES_MAX, MIRRORS_IN_FLIGHT_MAX};

/// How many copies a core has under way.
#[derive(Default)]
pub struct Copies(Cell<usize>);

/// A place among them, until it is dropped.
pub struct Place(Rc<Copies>);

impl Copies {
    /// `None`: there are as many as there may be.
    pub fn enter(self: &Rc<Self>) -> Option<Place> {
        if self.0.get() >= MIRRORS_IN_FLIGHT_MAX {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(Rc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}

/// The body of a request, as it passes.
pub struct BodyCopy {
    octets: RefCell<Vec<u8>>,
    state: Cell<State>,
    place: Place,
}

/// How much of a body is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not all of it.
    Partial,
    /// All of it.
    Whole,
    /// More than is kept.
    TooLong,
}

impl BodyCopy {
    /// Nothing yet.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { octets: RefCell::default(), state: Cell::new(State::Partial), place }
    }

    /// The body begins, perhaps anew.
    pub fn begin(&self) {
        self.octets.borrow_mut().clear();
        self.state.set(State::Partial);
    }

    /// More of it passes.
    pub fn add(&self, piece: &[u8]) {
        let mut octets = self.octets.borrow_mut();
        if self.state.get() == State::TooLong || octets.len() + piece.len() > MIRROR_BODY_BYTES_MAX
        {
            self.state.set(State::TooLong);
            *octets = Vec::new();
            return;
        }
        octets.extend_from_slice(piece);
    }

    /// All of it has passed.
    pub fn end(&self) {
        if self.state.get() == State::Partial {
            self.state.set(State::Whole);
        }
    }

    /// How much of it is there.
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// What is there.
    pub fn into_octets(self) -> (Vec<u8>, Place) {
        (self.octets.into_inner(), self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_by_their_places() {
        let copies = Rc::new(Copies::default());
        let mut places: Vec<_> = (0..MIRRORS_IN_FLIGHT_MAX).map(|_| copies.enter()).collect();
        assert!(places.iter().all(Option::is_some) && copies.enter().is_none());
        places.pop();
        assert!(copies.enter().is_some());
    }

    #[test]
    fn a_body_is_kept_as_a_whole_or_not_at_all() {
        let copies = Rc::new(Copies::default());
        let copy = || BodyCopy::new(copies.enter().expect("a place"));
        let most = vec![b'x'; MIRROR_BODY_BYTES_MAX];
        for (pieces, is_ended, state, kept) in [
            (&[&b"ab"[..], b"c"][..], false, State::Partial, &b"abc"[..]),
            (&[b"ab", b"c"], true, State::Whole, b"abc"),
            (&[], true, State::Whole, b""),
            (&[&most], true, State::Whole, &most),
            (&[&most, b"x", b"y"], true, State::TooLong, b""),
        ] {
            let copy = copy();
            copy.begin();
            copy.add(b"of an attempt before");
            copy.begin();
            pieces.iter().for_each(|piece| copy.add(piece));
            if is_ended {
                copy.end();
            }
            assert_eq!(copy.state(), state);
            assert_eq!(copy.into_octets().0, kept);
        }
    }
}
