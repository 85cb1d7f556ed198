//! What we announce to HTTP/2 clients, and the bounds that h2 keeps for us.

use h2::server::Builder;

use crate::limits::{
    HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_FRAME_BYTES_MAX, HTTP2_HEADER_LIST_BYTES_MAX,
    HTTP2_HEADER_TABLE_BYTES_MAX, HTTP2_LOCAL_RESETS_MAX, HTTP2_PENDING_RESETS_MAX,
    HTTP2_RESET_STREAMS_MAX, HTTP2_SEND_BUFFER_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES,
    HTTP2_STREAMS_MAX,
};

/// A builder with every bound set; several of h2's own defaults are far too generous for a peer
/// that means harm, or are no bound at all.
///
/// Extended CONNECT is announced: WebSockets come over it (RFC 8441).
#[must_use]
pub fn server_builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(HTTP2_HEADER_LIST_BYTES_MAX)
        .initial_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_frame_size(HTTP2_FRAME_BYTES_MAX)
        .header_table_size(HTTP2_HEADER_TABLE_BYTES_MAX)
        .max_concurrent_reset_streams(HTTP2_RESET_STREAMS_MAX)
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(Some(HTTP2_LOCAL_RESETS_MAX))
        .max_send_buffer_size(HTTP2_SEND_BUFFER_BYTES_MAX)
        .enable_connect_protocol();
    builder
}
