//! HTTP/1.1 on the wire, sans-IO: bytes in, typed heads and body octets out. No socket, no clock,
//! no allocation once its reusable structures are warm.
//!
//! ```text
//!  bytes ─▶ HeadScan ─▶ parse_request / parse_response ─▶ RequestHead / ResponseHead
//!                                                             │ BodyLength (framing)
//!  bytes ───────────────────────────────────────────────▶ BodyDecoder ─▶ octets, trailers
//!  how it ended ─▶ reframe ─▶ how it goes on        parsed values ─▶ encode ─▶ bytes
//! ```
//!
//! A message is parsed once, kept in parsed form and written anew from it. Nothing that was not
//! understood is forwarded; where two readers could disagree about a message, it is refused.
//!
//! What is accepted, in the words of RFC 9112: `HTTP/1.0` and `HTTP/1.1`; origin-form,
//! absolute-form with http(s), asterisk-form for OPTIONS; lines that end in CRLF (responses: also
//! LF); no folded lines; one Host; one Content-Length text or the single coding `chunked`, never
//! both in a request.

pub mod body;
pub mod chunked;
pub mod encode;
pub mod error;
pub mod fields;
pub mod framing;
pub mod head;
pub mod reframe;
pub mod target;

#[cfg(test)]
mod tests;
