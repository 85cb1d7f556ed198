//! Lets [`Buffer`] be the owned argument of a ring operation.

#![expect(unsafe_code, reason = "the contract of completion-based I/O")]

use monoio::buf::{IoBuf, IoBufMut};

use crate::proxy::rt::buffer::Buffer;

// SAFETY: the octets are on the heap and stay there when the value moves; the kernel reads
// `bytes_init` octets from `read_ptr`, which are the unread octets of the buffer.
unsafe impl IoBuf for Buffer {
    fn read_ptr(&self) -> *const u8 {
        self.unread().as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.unread().len()
    }
}

// SAFETY: the same; the kernel appends at most `bytes_total` octets at `write_ptr`, which is the
// spare capacity of the buffer, and `set_init` is called with the count that it wrote.
unsafe impl IoBufMut for Buffer {
    fn write_ptr(&mut self) -> *mut u8 {
        self.spare_mut().as_mut_ptr().cast()
    }

    fn bytes_total(&mut self) -> usize {
        self.spare_mut().len()
    }

    unsafe fn set_init(&mut self, count: usize) {
        // SAFETY: the caller vouches that `count` octets of the spare capacity were written.
        unsafe { self.assume_written(count) }
    }
}
