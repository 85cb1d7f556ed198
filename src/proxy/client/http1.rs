//! A client connection that speaks HTTP/1.1: heads in, exchanges, and how it ends.
//!
//! ```text
//!            ┌──────────── keep-alive ◀───────────┐
//!  accepted ─▶ idle ─ octets ─▶ head ─ complete ─▶ exchange ─▶ close | linger
//!              no buffer        │ 400 … 505, 408
//! ```

use std::io::ErrorKind;
use std::rc::Rc;

use crate::http1::head::HeadScan;
use crate::limits::DRAIN_IDLE_GRACE;
use crate::proxy::client::head::Unparsed;
use crate::proxy::client::linger::linger;
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::After;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{self, Expiry};

/// Serves a connection that speaks HTTP/1.1 to its end, from the octets in `carried`
/// on. `place` puts the future of one request where it costs nothing while the connection is idle.
pub async fn serve<P: Future<Output = After>>(
    core: &Rc<Core>,
    downstream: &Rc<Downstream>,
    place: impl Fn(Unparsed) -> P,
    mut carried: Option<Buffer>,
) {
    let mut served = 0;
    loop {
        let Some(buffer) = next_octets(core, downstream, carried.take(), served).await else {
            return downstream.stream.finish();
        };
        served += 1;
        let request = match HeadScan::default().find_end(buffer.unread()) {
            Some(end) => Unparsed::whole(core, downstream, buffer, served, end),
            // In memory of its own, so that neither a slow head has the future of a request, nor an
            // idle connection that of a slow head.
            None => Box::pin(Unparsed::read(core, downstream, buffer, served)).await,
        };
        match place(request).await {
            After::KeepAlive(next) => carried = next,
            After::Close => return downstream.stream.finish(),
            After::Linger => return linger(&downstream.stream).await,
        }
    }
}

/// The first octets of the next head; `None`: the client closed or was silent for too long.
pub async fn next_octets(
    core: &Core,
    downstream: &Downstream,
    carried: Option<Buffer>,
    served: u64,
) -> Option<Buffer> {
    if let Some(buffer) = carried
        && !buffer.is_empty()
    {
        return Some(buffer);
    }
    let deadline = downstream.stream.deadline();
    let wait = core.downstream(|policy| match served {
        0 => policy.header_timeout,
        _ => policy.keep_alive_timeout,
    });
    if core.is_draining.get() {
        deadline.arm(wait.min(DRAIN_IDLE_GRACE), Expiry::CloseIdle);
    } else if served == 0 {
        // It may run since accept, when there was a PROXY header to wait for.
        deadline.keep_or_arm(wait, Expiry::CloseIdle);
    } else {
        deadline.arm(wait, Expiry::CloseIdle);
    }
    loop {
        // Holds no buffer: an idle connection costs its task and the socket.
        downstream.stream.readable().await.ok()?;
        let mut buffer = Buffer::new(Class::Small);
        match downstream.stream.try_read(&mut buffer) {
            Ok(0) => return None,
            Ok(_) => {
                clock::refresh();
                return Some(buffer);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}
