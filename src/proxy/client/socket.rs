//! What a core is given before it runs: a socket of its own per address, a CPU.

use std::io;
use std::net::TcpListener;

use rustix::thread::CpuSet;

use crate::model::{ListenerId, Scheme};

/// A listening socket of one core.
pub struct BoundListener {
    /// The socket.
    pub socket: TcpListener,
    /// Which listener of the table it serves.
    pub id: ListenerId,
    /// What its clients speak.
    pub scheme: Scheme,
}

/// CPUs the process may use, in order.
///
/// # Errors
/// `sched_getaffinity(2)` failed.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Pins the calling thread.
///
/// # Errors
/// The CPU is not in the process's affinity mask.
pub fn pin_thread(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_can_be_pinned_to_what_is_allowed() {
        let allowed = allowed_cpus().unwrap();
        assert!(!allowed.is_empty());
        std::thread::spawn(move || pin_thread(allowed[0]).unwrap()).join().unwrap();
    }
}
