//! What every cluster test stands on: a control plane, a network, and blocking calls to the API.
//!
//! A case is a plain `fn()`, listed once per module by [`cases!`](crate::cases). It may share the
//! one control plane and then works in a [namespace](ControlPlane::namespace) of its own; what
//! disturbs the control plane starts another one.

pub(crate) mod control_plane;
pub(crate) mod load;
pub(crate) mod network;
pub(crate) mod objects;
pub(crate) mod pod;
pub(crate) mod process;
pub(crate) mod ringway;

use std::future::{Future, pending};
use std::process::ExitCode;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::{Builder, Handle};

pub(crate) use control_plane::{ControlPlane, Identity, Options};
pub(crate) use network::Network;
pub(crate) use objects::{Endpoint, Objects};
pub(crate) use pod::{Pod, backend};
pub(crate) use ringway::{Installation, TWO_CORES};

/// Longest wait for anything that ought to happen soon. Generous: two cores, other work beside.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How many cases run at a time unless `--test-threads` says otherwise.
const THREADS: usize = 2;

/// Whether the parts that take more than minutes are wanted (`make test-cluster-full`).
pub(crate) fn is_full() -> bool {
    std::env::var_os("RINGWAY_CLUSTER_FULL").is_some()
}

/// Makes `cases()` of a module: the listed functions as trials that bear the module's name.
#[macro_export]
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn cases() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::harness::trial(module_path!(), stringify!($name), $name)),+]
        }
    };
}

/// One case of [`cases!`](crate::cases).
pub(crate) fn trial(module: &str, name: &str, case: fn()) -> Trial {
    let module = module.split_once("::").map_or(module, |(_, module)| module);
    Trial::test(format!("{module}::{name}"), move || {
        let _logs = control_plane::SharedLogs;
        case();
        Ok(())
    })
}

/// Runs the cases that the command line asks for. Called first thing in `main`, before any thread.
pub(crate) fn run<const N: usize>(modules: [Vec<Trial>; N]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let trials: Vec<Trial> = modules.into_iter().flatten().collect();
    let has_work = trials
        .iter()
        .any(|trial| !arguments.is_filtered_out(trial) && !arguments.is_ignored(trial));
    if has_work && !arguments.list {
        // The binaries first: what builds them needs the network that is left behind.
        let prepared = control_plane::find_binaries()
            .and_then(|()| control_plane::find_suite())
            .and_then(|()| network::enter());
        if let Err(reason) = prepared {
            eprintln!("cluster tests cannot run: {reason}");
            return ExitCode::FAILURE;
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    ControlPlane::end_shared();
    conclusion.exit_code()
}

/// Waits for a call to the API. All clients live on one runtime, whose thread never ends.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    let handle = RUNTIME.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(pending::<()>()));
        handle
    });
    handle.block_on(future)
}

/// Leaves something the time to go wrong, or takes the time that something takes in real life.
pub(crate) fn pause(duration: Duration) {
    // A channel nobody sends to: no sleep until something is *likely* to have happened.
    let (_keep, pause) = mpsc::channel::<()>();
    pause.recv_timeout(duration).ok();
}

/// Polls `is_true` until it holds.
///
/// # Panics
/// After [`DEADLINE`], naming `what`.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_true() {
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} in vain for: {what}");
        pause(Duration::from_millis(20));
    }
}
