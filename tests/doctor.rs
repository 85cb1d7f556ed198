//! `ringway doctor` as a user runs it: the built binary on this machine.
//!
//! What it says of kernel and limits differs from machine to machine; the lines about the source do
//! not.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Ports that need no right.
const PORTS: [&str; 6] =
    ["--http-bind", "127.0.0.1:8080", "--https-bind", "127.0.0.1:8443", "--driver", "epoll"];

fn doctor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringway"))
        .arg("doctor")
        .args(PORTS)
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The line about `what`, and the one below it.
#[track_caller]
fn about(output: &Output, what: &str) -> (String, String) {
    let text = stdout(output);
    let mut lines = text.lines().skip_while(|line| !line.contains(&format!("  {what}: ")));
    let mut next = || lines.next().unwrap_or_default().to_owned();
    (next(), next())
}

fn manifests(text: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a.yaml"), text).expect("written");
    directory
}

fn path(directory: &TempDir) -> &str {
    directory.path().to_str().expect("a name of letters")
}

#[test]
fn manifests_without_problems_are_ok() {
    let directory = manifests("");
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/clean");
    for file in ["shop.yaml", "slices.json"] {
        std::fs::copy(case.join(file), directory.path().join(file)).expect("copied");
    }
    let output = doctor(&["--manifests", path(&directory)]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(about(&output, "manifests").0.starts_with("ok "), "{text}");
    for what in ["kernel", "io_uring", "cores", "descriptors", "ports", "clock"] {
        assert!(!about(&output, what).0.is_empty(), "{what} in {text}");
    }
    assert_eq!(about(&output, "io_uring").0, "ok       io_uring: not used (--driver epoll)");
    let last = text.lines().last().expect("a last line");
    assert!(last.starts_with("0 errors, "), "{last}");
}

#[test]
fn broken_manifests_are_errors_with_file_and_line() {
    let directory = manifests("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: 1\n");
    let output = doctor(&["--manifests", path(&directory)]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let place = format!("error    manifests: {}/a.yaml:", path(&directory));
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&place));
    assert!(lines.next().is_some(), "{text}");
    assert!(lines.next().is_some_and(|advice| advice.starts_with("         ")), "{text}");
}

#[test]
fn a_directory_that_cannot_be_watched_is_a_warning_that_names_the_limit() {
    let directory = manifests("");
    let output = doctor(&["--manifests", path(&directory)]);
    let (found, _) = about(&output, "watching");
    assert!(found.starts_with("ok ") && found.ends_with(" can be watched"), "{found}");
    for (limit, sysctl) in [
        ("instances", "sysctl -w fs.inotify.max_user_instances="),
        ("watches", "sysctl -w fs.inotify.max_user_watches="),
    ] {
        let script = format!("echo 0 > /proc/sys/user/max_inotify_{limit}; exec \"$@\"");
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-ec", &script, "sh"])
            .arg(env!("CARGO_BIN_EXE_ringway"))
            .arg("doctor")
            .args(PORTS)
            .args(["--manifests", path(&directory)])
            .output()
            .expect("unshare is there");
        if !stdout(&output).contains("watching") {
            eprintln!("NOT TESTED: no user namespace can be made here");
            return;
        }
        let (found, advice) = about(&output, "watching");
        assert!(found.starts_with("warning "), "{found}");
        assert!(advice.contains(sysctl), "{advice}");
        assert_eq!(output.status.code(), Some(0), "polling does, too: {}", stdout(&output));
    }
}

#[test]
fn a_directory_that_is_missing_is_an_error_and_an_empty_one_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = doctor(&["--manifests", path(&directory)]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(about(&output, "manifests").0.starts_with("warning "), "{}", stdout(&output));
    let missing = directory.path().join("missing");
    let output = doctor(&["--manifests", missing.to_str().expect("a name of letters")]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(about(&output, "manifests").1.contains("--manifests"), "{}", stdout(&output));
}

#[test]
fn flags_that_cannot_work_here_are_errors() {
    let directory = tempfile::tempdir().expect("a directory");
    let flags = ["--manifests", path(&directory), "--max-connections", "2000000000"];
    let output = doctor(&flags);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(about(&output, "flags").0.contains("--max-connections"), "{}", stdout(&output));
    assert!(about(&output, "descriptors").0.starts_with("error "), "{}", stdout(&output));
    assert_eq!(doctor(&["--cores", "many"]).status.code(), Some(2));
}

fn kubeconfig(server: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
         contexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n"
    );
    std::fs::write(directory.path().join("config"), text).expect("written");
    directory
}

#[test]
fn an_api_server_that_is_not_there_is_an_error() {
    // Port 1 of loopback: nobody listens, and nobody may take it.
    let directory = kubeconfig("https://127.0.0.1:1");
    let file = directory.path().join("config");
    let output = doctor(&["--kubeconfig", file.to_str().expect("a name of letters")]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let (found, advice) = about(&output, "API server");
    assert!(found.starts_with("error    API server: https://127.0.0.1:1/ cannot be asked: "));
    assert!(advice.contains("curl -k https://127.0.0.1:1/version"), "{advice}");
}

#[test]
fn a_kubeconfig_that_is_not_there_is_an_error() {
    let output = doctor(&["--kubeconfig", "/nowhere/config"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let (found, advice) = about(&output, "API server");
    assert!(found.starts_with("error ") && found.contains("/nowhere/config"), "{found}");
    assert!(advice.contains("--kubeconfig"), "{advice}");
}
