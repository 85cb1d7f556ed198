//! HTTP/1.1 by sections of RFC 9112. Tables of raw requests are in `tests/it/cases/`.

mod s2_message;
mod s3_request_line;
mod s5_fields;
mod s6_body;
mod s7_transfer_codings;
mod s8_incomplete;
mod s9_connection;
