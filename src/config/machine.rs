//! What the process may use of the machine: CPUs and descriptors. Reads, and raises one limit.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::sched_getaffinity;

use crate::limits::{
    CONTROL_CONNECTIONS_MAX, CONTROL_DESCRIPTOR_SHARE, OWN_DESCRIPTORS, PIPE_DESCRIPTOR_SHARE,
    PIPES_MAX, POOL_DESCRIPTOR_SHARE,
};

/// What defaults are derived from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// CPUs of the process's affinity mask.
    pub cpus: usize,
    /// CPUs that the cgroup's quota is worth; `None`: no quota.
    pub cpu_quota: Option<f64>,
    /// Descriptors that the process may open.
    pub descriptors: u64,
}

impl Machine {
    /// Looks, after raising the soft limit of descriptors to the hard one.
    ///
    /// # Errors
    /// The kernel does not tell the affinity mask; it always does.
    pub fn look() -> io::Result<Self> {
        let cpus = usize::try_from(sched_getaffinity(None)?.count()).unwrap_or(usize::MAX);
        let cpu_quota = cpu_quota(Path::new("/sys/fs/cgroup"), Path::new("/proc/self/cgroup"));
        Ok(Self { cpus: cpus.max(1), cpu_quota, descriptors: raise_descriptors() })
    }

    /// Workers: one per usable CPU, as many as the quota is worth, rounded up.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float beyond the range of the integer becomes its bound"
    )]
    pub fn cores(&self) -> usize {
        let by_quota = self.cpu_quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
        self.cpus.min(by_quota).max(1)
    }

    /// Idle upstream connections that leave room for `connections` clients, each with an upstream
    /// connection in use; where that is everything, a few all the same, for they can be closed when
    /// room is needed.
    #[must_use]
    pub fn idle_connections(&self, connections: usize) -> usize {
        let busy = (connections as u64).saturating_mul(2);
        let left = self.descriptors.saturating_sub(self.reserved()).saturating_sub(busy);
        let idle = left.max(self.descriptors / POOL_DESCRIPTOR_SHARE);
        usize::try_from(idle).unwrap_or(usize::MAX)
    }

    /// Connections to the admin and the admission listener that there are descriptors for.
    #[must_use]
    pub fn control_connections(&self) -> usize {
        let share = usize::try_from(self.descriptors / CONTROL_DESCRIPTOR_SHARE);
        share.unwrap_or(usize::MAX).min(CONTROL_CONNECTIONS_MAX)
    }

    /// Descriptors for what is neither a client nor an upstream connection.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        OWN_DESCRIPTORS.saturating_add(self.control_connections() as u64)
    }

    /// Pipes of each of so many cores that there are descriptors for.
    #[must_use]
    pub fn pipes(&self, cores: usize) -> usize {
        let share = usize::try_from(self.descriptors / PIPE_DESCRIPTOR_SHARE / 2);
        (share.unwrap_or(usize::MAX) / cores.max(1)).min(PIPES_MAX)
    }

    /// Downstream connections: four fifths of the descriptors, two for each exchange.
    #[must_use]
    pub fn connections(&self) -> usize {
        let connections = self.descriptors / 5 * 4 / 2;
        usize::try_from(connections).unwrap_or(usize::MAX).max(1)
    }
}

/// Programs that use `select` want few descriptors by default; we do not.
fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.unwrap_or(u64::MAX)
}

/// The least quota of our cgroup and those above it (cgroup v2 `cpu.max`).
fn cpu_quota(root: &Path, own: &Path) -> Option<f64> {
    let own = fs::read_to_string(own).ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let leaf: PathBuf = root.join(path);
    leaf.ancestors()
        .take_while(|directory| directory.starts_with(root))
        .filter_map(|directory| parse_quota(&fs::read_to_string(directory.join("cpu.max")).ok()?))
        .min_by(f64::total_cmp)
}

/// `QUOTA PERIOD`, both microseconds, or `max PERIOD`.
fn parse_quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<u32>().ok()?, period.parse::<u32>().ok()?);
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_limits_the_cores_rounded_up() {
        let cores = |cpus, cpu_quota| Machine { cpus, cpu_quota, descriptors: 1024 }.cores();
        assert_eq!(cores(8, None), 8);
        assert_eq!(cores(8, Some(2.5)), 3);
        assert_eq!(cores(2, Some(2.5)), 2);
        assert_eq!(cores(8, Some(0.1)), 1);
    }

    #[test]
    fn idle_connections_are_what_clients_leave_of_the_descriptors() {
        for (descriptors, connections, expected) in [
            (1 << 20, 4096, (1 << 20) - 64 - 240 - 8192),
            (1024, 409, 128),
            (1024, 100, 632),
            (256, 102, 32),
            (64, 24, 8),
            (0, 1, 0),
        ] {
            let machine = Machine { cpus: 1, cpu_quota: None, descriptors };
            assert_eq!(machine.idle_connections(connections), expected, "{descriptors}");
        }
    }

    /// Clients, their upstream connections and the control plane's leave something for the rest.
    #[test]
    fn the_control_plane_keeps_to_its_share_of_few_descriptors() {
        for (descriptors, expected, least_left) in
            [(1 << 20, 240, 64), (1024, 128, 64), (256, 32, 20), (64, 8, 8), (0, 0, 0)]
        {
            let machine = Machine { cpus: 1, cpu_quota: None, descriptors };
            let control = machine.control_connections();
            assert_eq!(control, expected, "{descriptors}");
            let clients = machine.connections() as u64 * 2;
            let pipes = machine.pipes(1) as u64 * 2;
            let left = descriptors.saturating_sub(clients).saturating_sub(control as u64 + pipes);
            assert!(left >= least_left, "{descriptors}: {left}");
        }
    }

    #[test]
    fn the_least_quota_up_to_the_root_counts() {
        let root = tempfile::tempdir().expect("a directory");
        let leaf = root.path().join("pod/container");
        fs::create_dir_all(&leaf).expect("made");
        let own = root.path().join("own");
        fs::write(&own, "0::/pod/container\n").expect("written");
        assert_eq!(cpu_quota(root.path(), &own), None);
        fs::write(leaf.join("cpu.max"), "max 100000\n").expect("written");
        assert_eq!(cpu_quota(root.path(), &own), None);
        fs::write(root.path().join("pod/cpu.max"), "150000 100000\n").expect("written");
        assert_eq!(cpu_quota(root.path(), &own), Some(1.5));
    }

    #[test]
    fn this_machine_has_something() {
        let machine = Machine::look().expect("told");
        assert!(machine.cores() >= 1);
        assert!(machine.connections() >= 1);
    }
}
