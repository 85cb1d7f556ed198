//! Heads of messages in parsed form: where each part lies in the buffer, and what the parts mean
//! for the proxy. They borrow nothing, so that buffers and heads live and move apart.
//!
//! ```text
//!  buffer ─▶ HeadScan::find_end ─ None ─▶ check_partial_… ─▶ read more
//!                     └─ Some(end) ─▶ parse_request / parse_response
//! ```

mod connection;
pub mod parts;
mod request;
mod request_line;
mod response;
mod scan;

pub use super::framing::RequestKind;
pub use parts::{Field, Span, Version, is_grpc};
pub use request::{RequestHead, check_partial_request, parse_request};
pub use response::{ResponseHead, check_partial_response, parse_own_response, parse_response};
pub use scan::HeadScan;
