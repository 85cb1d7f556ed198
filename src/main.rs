//! Parses flags and starts; nothing else.

#![cfg_attr(feature = "mimalloc", expect(unsafe_code, reason = "a function of the allocator"))]

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(feature = "mimalloc")]
unsafe extern "C" {
    /// Part of the allocator; its crate names it only behind a feature with another dependency.
    fn mi_collect(force: bool);
}

fn main() -> ExitCode {
    #[cfg(feature = "mimalloc")]
    ringway::proxy::rt::spares::set_return(|| {
        // SAFETY: it concerns the heap of the thread that calls, and takes no pointer.
        unsafe { mi_collect(true) }
    });
    ringway::cli::run()
}
