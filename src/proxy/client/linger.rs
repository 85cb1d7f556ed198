//! How a connection is closed on which octets of the client may still be under way.

use crate::limits::{LINGER_BYTES_MAX, LINGER_TIMEOUT};
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::Transport;

/// Closes so that the client can read the answer: our side first, then what still comes is thrown
/// away for a while. Closing at once would send a reset, which may destroy the answer on its way.
///
/// Source: RFC 9112 section 9.6.
pub async fn linger(stream: &Transport) {
    stream.close_write();
    stream.deadline().arm(LINGER_TIMEOUT, Expiry::CloseBoth);
    let mut thrown_away = 0;
    while thrown_away < LINGER_BYTES_MAX {
        let mut buffer = Buffer::new(Class::Medium);
        match stream.read_when_ready(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => thrown_away += count as u64,
        }
        if stream.deadline().is_expired() {
            return;
        }
    }
}
