//! Buffers of a core: three size classes, free lists per thread, returned by `Drop`.
//!
//! Because the return is in `Drop`, the buffer of an abandoned ring operation comes back by itself
//! when the kernel completes it. Worst case per core: `BUFFERS_FREE_MAX` free buffers of each class
//! (48 MiB at most, until a burst is over) plus what connections hold: one small or medium buffer
//! per message under way in each direction, at most one large one; a head that is waited for, no
//! more than its octets.

#![expect(unsafe_code, reason = "octets that the kernel wrote")]

use std::cell::RefCell;
use std::mem::MaybeUninit;

use crate::limits::{
    BUFFER_LARGE_BYTES, BUFFER_MEDIUM_BYTES, BUFFER_SMALL_BYTES, BUFFERS_FREE_MAX,
};
use crate::proxy::rt::spares::Spares;

/// Size classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Heads.
    Small,
    /// Bodies at first.
    Medium,
    /// Large heads, bodies in full flow.
    Large,
}

impl Class {
    /// Octets of a new buffer.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => BUFFER_SMALL_BYTES,
            Self::Medium => BUFFER_MEDIUM_BYTES,
            Self::Large => BUFFER_LARGE_BYTES,
        }
    }

    fn of_capacity(capacity: usize) -> Option<Self> {
        if capacity > 2 * BUFFER_LARGE_BYTES {
            None
        } else if capacity >= BUFFER_LARGE_BYTES {
            Some(Self::Large)
        } else if capacity >= BUFFER_MEDIUM_BYTES {
            Some(Self::Medium)
        } else if capacity >= BUFFER_SMALL_BYTES {
            Some(Self::Small)
        } else {
            None
        }
    }
}

/// Octets behind the class that only [`Buffer::as_vec`] uses: the end of a chunk fits without
/// growing.
const TAILROOM: usize = 16;

type Free = RefCell<[Spares<Vec<u8>>; 3]>;

thread_local! {
    static FREE: Free = const { RefCell::new([const { Spares::new() }; 3]) };
}

/// Frees the buffers of this thread that nobody needed since the last call; gives how many.
pub fn trim() -> usize {
    FREE.with(|free| free.borrow_mut().iter_mut().map(|class| class.surplus().count()).sum())
}

/// Octets with a read position: `[consumed][unread][spare]`.
///
/// INVARIANT: `start <= bytes.len()`. The octets do not move while an operation owns the buffer.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// An empty buffer of a class, from the free list if there is one.
    #[must_use]
    pub fn new(class: Class) -> Self {
        let reused = FREE.with(|free| free.borrow_mut()[class as usize].take());
        let bytes = reused.unwrap_or_else(|| Vec::with_capacity(class.bytes() + TAILROOM));
        Self { bytes, start: 0 }
    }

    /// A buffer without memory, to stand in for one that an operation owns.
    #[must_use]
    pub const fn unallocated() -> Self {
        Self { bytes: Vec::new(), start: 0 }
    }

    /// An empty buffer that leaves `room` octets in front for a prefix, see [`Buffer::prepend`].
    #[must_use]
    pub fn with_headroom(class: Class, room: usize) -> Self {
        let mut buffer = Self::new(class);
        buffer.bytes.resize(room, 0);
        buffer.start = room;
        buffer
    }

    /// Makes spare capacity: by moving to the front, else by a larger buffer. The head limits are
    /// below the largest class, so that a full large buffer was refused before.
    pub fn make_room(&mut self) {
        if self.spare() == 0 {
            self.compact();
        }
        if self.spare() == 0 {
            let classes = [Class::Small, Class::Medium];
            let roomy = classes.into_iter().find(|class| self.len() < class.bytes());
            self.grow(roomy.unwrap_or(Class::Large));
        }
    }

    /// Octets not yet consumed.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The same, to be edited in place.
    pub fn unread_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// Count of [`Buffer::unread`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// Whether nothing is unread.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `count` octets from the front; all when there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Forgets everything and leaves `room` octets in front again.
    pub fn reset_headroom(&mut self, room: usize) {
        self.bytes.clear();
        self.bytes.resize(room, 0);
        self.start = room;
    }

    /// Keeps the first `count` unread octets.
    pub fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.start.saturating_add(count));
    }

    /// Puts `prefix` in front of the unread octets.
    ///
    /// Shape: at least `prefix.len()` octets of headroom; asserted.
    pub fn prepend(&mut self, prefix: &[u8]) {
        debug_assert!(prefix.len() <= self.start, "headroom is too small");
        let from = self.start.saturating_sub(prefix.len());
        if let Some(room) = self.bytes.get_mut(from..self.start) {
            room.copy_from_slice(prefix);
            self.start = from;
        }
    }

    /// Octets that may be appended without growing.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.bytes.capacity().saturating_sub(self.bytes.len() + TAILROOM)
    }

    /// Makes the consumed octets in front available behind.
    pub fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Moves the unread octets to a buffer of the next class that has room for them.
    pub fn grow(&mut self, class: Class) {
        let mut larger = Self::new(class);
        larger.bytes.extend_from_slice(self.unread());
        std::mem::swap(self, &mut larger);
    }

    /// Moves the unread octets to memory that just holds them, if that is half of it or less; to
    /// read more, room has to be made first.
    pub fn shrink(&mut self) {
        let needed = self.len() + TAILROOM;
        if self.is_empty() {
            *self = Self::unallocated();
        } else if 2 * needed <= self.bytes.capacity() {
            let mut bytes = Vec::with_capacity(needed);
            bytes.extend_from_slice(self.unread());
            *self = Self { bytes, start: 0 };
        }
    }

    /// The vector to append to. It may grow beyond its class; `Drop` sorts it in by capacity.
    pub fn as_vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Spare capacity, for the kernel to write into.
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let count = self.spare();
        self.bytes.spare_capacity_mut().get_mut(..count).unwrap_or_default()
    }

    /// Declares `count` octets of the spare capacity written.
    ///
    /// # Safety
    /// They were.
    pub unsafe fn assume_written(&mut self, count: usize) {
        let length = self.bytes.len().saturating_add(count);
        debug_assert!(length <= self.bytes.capacity());
        // SAFETY: `length` is within the capacity and the octets up to it are initialised.
        unsafe { self.bytes.set_len(length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let Some(class) = Class::of_capacity(bytes.capacity()) else { return };
        bytes.clear();
        let keep = |free: &Free| {
            if let Ok(mut free) = free.try_borrow_mut() {
                drop(free[class as usize].keep(bytes, BUFFERS_FREE_MAX[class as usize]));
            }
        };
        // An error means that the thread is ending; then the memory goes back to the allocator.
        FREE.try_with(keep).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let mut first = Buffer::new(Class::Medium);
        first.as_vec().extend_from_slice(b"left over");
        let address = first.unread().as_ptr();
        drop(first);
        let second = Buffer::new(Class::Medium);
        assert_eq!(second.bytes.as_ptr(), address);
        assert!(second.is_empty());
    }

    #[test]
    fn consumed_octets_make_room() {
        let mut buffer = Buffer::new(Class::Small);
        buffer.as_vec().extend_from_slice(b"abcdef");
        buffer.consume(4);
        assert_eq!(buffer.unread(), b"ef");
        let spare = buffer.spare();
        buffer.compact();
        assert_eq!(buffer.unread(), b"ef");
        assert_eq!(buffer.spare(), spare + 4);
        buffer.grow(Class::Large);
        assert_eq!(buffer.unread(), b"ef");
        assert!(buffer.spare() >= BUFFER_LARGE_BYTES - 2);
        buffer.consume(99);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_shrunk_buffer_holds_what_is_unread_and_little_else() {
        let mut buffer = Buffer::new(Class::Small);
        buffer.as_vec().extend_from_slice(b"GET / HT");
        buffer.consume(4);
        buffer.shrink();
        assert_eq!((buffer.unread(), buffer.spare()), (&b"/ HT"[..], 0));
        assert!(buffer.bytes.capacity() < 64);
        buffer.grow(Class::Small);
        assert_eq!(buffer.unread(), b"/ HT");
        buffer.as_vec().resize(3000, b'x');
        buffer.shrink();
        assert!(buffer.spare() > 0, "not worth it");
        buffer.clear();
        buffer.shrink();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn prefix_goes_into_the_headroom() {
        let mut buffer = Buffer::with_headroom(Class::Small, 8);
        buffer.as_vec().extend_from_slice(b"body");
        buffer.prepend(b"4\r\n");
        assert_eq!(buffer.unread(), b"4\r\nbody");
        buffer.truncate(3);
        assert_eq!(buffer.unread(), b"4\r\n");
    }
}
