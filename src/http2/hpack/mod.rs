//! Field compression of HTTP/2, sans-IO: field blocks to fields and back. It never judges what a
//! field means.
//!
//! ```text
//!  fragments ─▶ Decoder ─┬─▶ FieldList: one buffer of octets, spans of names and values
//!                        └─▶ DynamicTable, right also for lists that are given up
//!  fields ─▶ Encoder ─▶ block
//! ```
//!
//! Source: RFC 7541.

mod decoder;
mod dynamic;
mod encoder;
mod error;
mod fields;
pub mod huffman;
mod integer;
mod statics;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::{Encoder, RequestTarget, put_field, put_status, put_target};
pub use error::HpackError;
pub use fields::{FieldList, ListKind, Overrun};
