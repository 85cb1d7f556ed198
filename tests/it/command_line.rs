//! What the operator types, and one clear sentence when it cannot be done.

use std::fs;
use std::net::TcpListener;

use crate::harness::proxy::run;
use crate::harness::{Ingress, manifest};

/// One line on the terminal, no backtrace.
#[track_caller]
fn check_refusal(arguments: &[&str], words: &[&str]) {
    let (code, output) = run(arguments);
    assert_ne!(code, 0, "{arguments:?}: {output}");
    assert!(!output.contains("panicked"), "{arguments:?}: {output}");
    for word in words {
        assert!(output.contains(word), "{arguments:?} does not say {word:?}: {output}");
    }
}

#[test]
fn unusable_flag_is_named() {
    check_refusal(&["serve", "--no-such-flag"], &["--no-such-flag"]);
    check_refusal(&["serve", "--manifests", ".", "--cores", "0"], &["--cores"]);
    check_refusal(&["serve", "--manifests", ".", "--driver", "kqueue"], &["--driver"]);
    check_refusal(&["serve", "--manifests", ".", "--http-bind", "nonsense"], &["--http-bind"]);
    let negative = ["serve", "--manifests", ".", "--keep-alive-timeout=-1"];
    check_refusal(&negative, &["--keep-alive-timeout"]);
    let backend = ["serve", "--manifests", ".", "--default-backend-service", "x"];
    check_refusal(&backend, &["--default-backend-service"]);
}

/// Told before anything listens: the port is in use, too.
#[test]
fn an_unusable_token_is_a_usage_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("address").to_string();
    let folder = tempfile::tempdir().expect("folder");
    let short = folder.path().join("token");
    fs::write(&short, "short").expect("file");
    let serve = ["serve", "--manifests", ".", "--http-bind", &address];
    let explain = ["explain", "--admin", &address, "http://a.example/"];
    for command in [&serve[..], &explain[..]] {
        for (file, words) in
            [("no-such-file", "cannot be read"), (short.to_str().expect("text"), "one word of")]
        {
            let arguments = [command, &["--admin-token-file", file]].concat();
            let (code, output) = run(&arguments);
            assert_eq!(code, 2, "{arguments:?}: {output}");
            assert!(output.contains(words) && output.contains(file), "{arguments:?}: {output}");
        }
    }
}

#[test]
fn missing_directory_is_named() {
    check_refusal(
        &["serve", "--manifests", "no-such-directory", "--http-bind", "127.0.0.1:0"],
        &["no-such-directory"],
    );
}

#[test]
fn port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("address").to_string();
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path().to_str().expect("text");
    let arguments =
        ["serve", "--manifests", folder, "--http-bind", &address, "--admin-bind", "127.0.0.1:0"];
    check_refusal(&arguments, &[&address, "--http-bind"]);
    let (_, output) = run(&arguments);
    assert_eq!(output.matches("in use").count(), 1, "the cause is told once: {output}");
    let holder = format!("(pid {}) listens on {address}", std::process::id());
    assert!(output.contains(&holder), "{output}");
    let on_admin = [
        "serve",
        "--manifests",
        folder,
        "--http-bind",
        "127.0.0.1:0",
        "--https-bind",
        "127.0.0.1:0",
        "--admin-bind",
        &address,
    ];
    check_refusal(&on_admin, &["--admin-bind", &holder]);
}

#[test]
fn help_explains_every_command() {
    let commands = ["serve", "check", "doctor", "demo", "explain", "migrate", "completions", "man"];
    let commands = commands.map(|command| vec![command, "--help"]);
    for arguments in [vec!["--help"]].iter().chain(&commands) {
        let (code, output) = run(arguments);
        assert_eq!(code, 0, "{output}");
        assert!(output.len() > 200, "{arguments:?}: {output}");
    }
    let (code, output) = run(&["--version"]);
    assert_eq!((code, output.trim()), (0, concat!("ringway ", env!("CARGO_PKG_VERSION"))));
}

/// By a bash that reads what is printed for it.
#[test]
fn a_shell_completes_commands_and_flags() {
    let (code, script) = run(&["completions", "bash"]);
    assert_eq!(code, 0, "{script}");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("ringway.bash");
    fs::write(&file, script).expect("file");
    for (words, expected) in [
        (&["ringway", "mig"][..], "migrate"),
        (&["ringway", "explain", "--admin-t"], "--admin-token-file"),
        (&["ringway", "check", "--format", "s"], "sarif"),
    ] {
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let ask = format!(
            "source \"$1\"; COMP_WORDS=({}); COMP_CWORD={}; _ringway ringway {last} {before}; \
             echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1
        );
        let mut bash = std::process::Command::new("bash");
        let output = bash.args(["-c", &ask, "bash"]).arg(&file).output().expect("bash");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{words:?}");
    }
}

/// As in the `args:` of ingress-nginx.
#[test]
fn a_line_of_ingress_nginx_is_taken_or_refused_in_a_sentence() {
    let (code, output) = run(&["/nginx-ingress-controller", "--annotations-prefix=x.example"]);
    assert_eq!(code, 2, "{output}");
    assert!(
        output.contains("--annotations-prefix=x.example cannot be had: rename them"),
        "{output}"
    );
    let line = ["/nginx-ingress-controller", "--sync-period", "1m", "--update-status=false"];
    let (code, output) = run(&[&line[..], &["--http-port=0", "--manifests", "no-such"]].concat());
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("--sync-period has no effect here: what is watched"), "{output}");
    assert!(output.contains("no-such"), "{output}");
}

/// 0 clean, 1 problems, 2 unusable; each problem with its place.
#[test]
fn check_reads_manifests_offline() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("web.yaml");
    let path = file.to_str().expect("text");
    let address = "127.0.0.1:8081".parse().expect("address");
    fs::write(&file, manifest::one_host("a.example", address)).expect("write");
    let (code, output) = run(&["check", path]);
    assert_eq!(code, 0, "{output}");

    fs::write(&file, Ingress::simple("web", "a.example", "missing").yaml()).expect("write");
    let (code, output) = run(&["check", path]);
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("web.yaml:") && output.contains("default/web"), "{output}");

    fs::write(&file, "kind: [").expect("write");
    let (code, output) = run(&["check", path]);
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("web.yaml:"), "{output}");

    let (code, output) = run(&["check", "no-such-file"]);
    assert_eq!(code, 2, "{output}");
    assert!(output.contains("no-such-file"), "{output}");
}

/// The example of its help, and the folder that it makes.
#[test]
fn migrate_judges_and_writes_a_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let output = folder.path().join("moving");
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples");
    let output = output.to_str().expect("text");
    let arguments = ["migrate", "--output", output, examples, "--", "--ingress-class=ringway"];
    let (_, said) = run(&arguments);
    assert!(said.contains("# From ingress-nginx to Ringway"), "{said}");
    assert!(said.contains("| works as it is |"), "{said}");
    for name in ["report.md", "values.yaml", "verify.sh", "cutover.md"] {
        assert!(fs::metadata(format!("{output}/{name}")).is_ok_and(|it| it.len() > 100), "{name}");
    }
    check_refusal(&arguments, &["is not empty"]);
    check_refusal(&["migrate", examples, "--controller", "a/b"], &["a/b runs no ingress-nginx"]);
    check_refusal(&["migrate", "no-such-folder"], &["no-such-folder"]);
}
