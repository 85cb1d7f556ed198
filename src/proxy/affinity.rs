//! Which CPUs there are for cores, and how one keeps to its own.

use std::io;

use rustix::thread::CpuSet;

/// CPUs the process may use, in order.
///
/// # Errors
/// `sched_getaffinity(2)` failed.
pub(super) fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Pins the calling thread.
///
/// # Errors
/// The CPU is not in the process's affinity mask.
pub(super) fn pin_thread(cpu: usize) -> io::Result<()> {
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
