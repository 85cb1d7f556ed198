//! After 101: octets both ways, half-close, idle timeout.

use std::cell::Cell;
use std::time::Duration;

use crate::proxy::rt;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::Transport;

/// Octets that went through.
#[derive(Debug, Default)]
pub struct Relayed {
    /// From the client.
    pub up: Cell<u64>,
    /// To the client.
    pub down: Cell<u64>,
}

/// Relays until both sides closed, one failed, or nothing moved for `idle`.
///
/// Shape: `from_client` and `from_upstream` are octets read before the tunnel was open.
pub async fn relay(
    client: &Transport,
    upstream: &Transport,
    from_client: Buffer,
    from_upstream: Buffer,
    idle: Duration,
    relayed: &Relayed,
) {
    let up = copy(client, upstream, from_client, idle, &relayed.up);
    let down = copy(upstream, client, from_upstream, idle, &relayed.down);
    rt::both(up, down).await;
}

/// Copies one direction to its end. Either direction keeps both alive, so a deadline passes only
/// when nothing moves at all.
async fn copy(from: &Transport, to: &Transport, first: Buffer, idle: Duration, count: &Cell<u64>) {
    let mut buffer = first;
    loop {
        if !buffer.is_empty() {
            count.set(count.get().saturating_add(buffer.len() as u64));
            // Apart from the other one: what the receiver sends is not what it takes.
            to.write_deadline().arm(idle, Expiry::CloseBoth);
            let (result, _) = to.write_all(buffer).await;
            to.write_deadline().disarm();
            if result.is_err() {
                // Nobody takes what this side sends, so it is told to stop.
                from.shutdown_both();
                return;
            }
        }
        from.deadline().arm(idle, Expiry::CloseBoth);
        to.deadline().arm(idle, Expiry::CloseBoth);
        buffer = Buffer::new(Class::Medium);
        match from.read_when_ready(&mut buffer).await {
            Ok(0) => return to.close_write(),
            Ok(_) => {}
            Err(_) => {
                to.shutdown_both();
                return;
            }
        }
    }
}
