//! A thread with a runtime of its own, for listeners that must neither wait for the control thread
//! nor hold it up. A thread that ends takes the process with it.

use std::convert::Infallible;
use std::io;
use std::thread;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// The running thread.
#[derive(Debug)]
pub struct OwnThread(oneshot::Receiver<Infallible>);

impl OwnThread {
    /// Waits until the thread is gone, which is a defect of ours: it panicked.
    pub async fn ended(self) {
        drop(self.0.await);
    }
}

/// Starts a thread that runs `serve` with listeners of its runtime.
///
/// Shape: `listeners` are in non-blocking mode from now on.
///
/// # Errors
/// No thread, no runtime, or no room for a listener in it.
pub(super) fn start<F: Future<Output = ()>>(
    name: &str,
    listeners: Vec<std::net::TcpListener>,
    serve: impl FnOnce(Vec<TcpListener>) -> F + Send + 'static,
) -> io::Result<OwnThread> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let own = |listener: std::net::TcpListener| {
        let _within = runtime.enter();
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    let listeners = listeners.into_iter().map(own).collect::<io::Result<Vec<_>>>()?;
    let (alive, ended) = oneshot::channel();
    let work = move || {
        // Dropped when the thread ends, also by a panic.
        let _alive = alive;
        LocalSet::new().block_on(&runtime, serve(listeners));
    };
    thread::Builder::new().name(name.into()).spawn(work)?;
    Ok(OwnThread(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ends_is_noticed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let thread = start("test", vec![listener], |listeners| async move {
            assert_eq!(listeners.len(), 2, "one is missing");
        });
        runtime.block_on(thread.unwrap().ended());
    }
}
