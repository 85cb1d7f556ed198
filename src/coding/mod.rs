//! Bodies in other octets, sans-IO: content codings, and texts replaced by others. Never knows
//! where octets come from or go to.

mod compressor;
mod step;
mod substituter;

pub use compressor::Compressor;
pub use step::{Broken, Progress, Step, Then};
pub use substituter::Substituter;
