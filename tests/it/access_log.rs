//! The access log: why an endpoint gave no answer, and what is written where when it is rotated.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::for_each_driver;
use crate::harness::proxy::run;
use crate::harness::{Backend, Builder, Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    a_failure_is_named_with_its_endpoint,
    a_rotated_file_loses_no_line,
    a_file_that_cannot_be_opened_is_told,
);

/// What an endpoint does, and what is told of it.
struct Failing {
    host: &'static str,
    protocol: &'static str,
    /// Sent behind the request, before the close; `None`: nothing until the proxy gives up.
    says: Option<&'static str>,
    /// Status for the client; of the endpoint; reason in the access log; cause in the debug log.
    told: (u64, Value, &'static str, &'static str),
}

const HTTP: &str = "http";

fn failing() -> Vec<Failing> {
    let row = |host, protocol, says, client, status: Value, reason, cause| Failing {
        host,
        protocol,
        says,
        told: (client, status, reason, cause),
    };
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let not_a_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    let half = "HTTP/1.1 200 OK\r\nContent-Le";
    let none = Value::Null;
    vec![
        row("tls", "https", Some("HTTP/1.1 400 Plain\r\n\r\n"), 502, none.clone(), "tls", ""),
        row("timeout", HTTP, None, 504, none.clone(), "timeout", "timed out"),
        row("closed", HTTP, Some(""), 502, none.clone(), "no_response", "it closed"),
        row("half", HTTP, Some(half), 502, none.clone(), "truncated", "it closed"),
        row("ssh", HTTP, Some("SSH-2.0-x\r\n\r\n"), 502, none, "malformed", ""),
        row("chunk", HTTP, Some(not_a_chunk), 502, json!(200), "malformed", "chunk"),
        row("cut", HTTP, Some(begun), 200, json!(200), "truncated", ""),
    ]
}

fn manifests(host: &str, protocol: &str, address: SocketAddr) -> String {
    let port = format!("port: 80\n      appProtocol: {protocol}");
    let service = manifest::service(host).replace("port: 80", &port);
    let ingress = Ingress::simple(host, &format!("{host}.example"), host);
    service + &manifest::endpoints(host, &[address]) + &ingress.yaml()
}

/// The line of the only request for the host.
fn line_of(proxy: &Proxy, host: &str) -> Value {
    let is_of = |line: &&str| line.contains(&format!("\"host\":\"{host}.example\""));
    wait_until("a line", || proxy.output().lines().any(|line| is_of(&line)));
    let output = proxy.output();
    serde_json::from_str(output.lines().find(is_of).expect("a line")).expect("JSON")
}

#[track_caller]
fn check(proxy: &Proxy, host: &str, address: SocketAddr, told: &(u64, Value, &str, &str)) {
    let (client, status, reason, cause) = told;
    let line = line_of(proxy, host);
    assert_eq!(line["status"], *client, "{line}");
    let attempts = line["attempts"].as_array().expect("a list");
    let [attempt] = attempts.as_slice() else { panic!("{line}") };
    assert_eq!(attempt["address"], address.to_string(), "{line}");
    assert_eq!(attempt["status"], *status, "{line}");
    assert_eq!(attempt["reason"], *reason, "{line}");
    let told = format!("endpoint={address} reason=\"{reason}\" cause=");
    wait_until("the cause", || {
        let output = proxy.output();
        let mut causes = output.lines().filter_map(|line| line.split_once(&told));
        causes.any(|(_, known)| !known.is_empty() && known.contains(cause))
    });
}

fn a_failure_is_named_with_its_endpoint(driver: Driver) {
    let backends = failing().into_iter().map(|row| {
        let says = row.says;
        let backend = Backend::scripted(move |mut connection| match says {
            Some(says) if row.protocol == HTTP => {
                connection.read_request()?;
                connection.send(says)
            }
            Some(says) => connection.send(says),
            None => connection.read_to_end().map(drop),
        });
        (row, backend)
    });
    let backends: Vec<_> = backends.collect();
    let (refused, whole) = (Backend::closed_address(), Backend::echo("a"));
    let mut text = manifests("refused", HTTP, refused) + &manifests("whole", HTTP, whole.address());
    for (row, backend) in &backends {
        text += &manifests(row.host, row.protocol, backend.address());
    }
    let proxy = Builder::new(driver)
        .flag("--access-log", "json")
        .flag("--log-level", "debug")
        .flag("--proxy-next-upstream-tries", 1)
        .flag("--proxy-read-timeout", 0.3)
        .manifests(text)
        .start();
    for (row, backend) in &backends {
        let mut client = proxy.client();
        let host = format!("{}.example", row.host);
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        client.read_until_close();
        check(&proxy, row.host, backend.address(), &row.told);
    }
    assert_eq!(proxy.get("refused.example", "/").status(), 502);
    check(&proxy, "refused", refused, &(502, Value::Null, "connect", "refused"));
    assert_eq!(proxy.get("whole.example", "/").status(), 200);
    assert_eq!(line_of(&proxy, "whole")["attempts"][0]["reason"], Value::Null);
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

fn a_rotated_file_loses_no_line(driver: Driver) {
    let backend = Backend::echo("a");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    fs::write(&path, "from before\n").expect("a file");
    let mut proxy = Builder::new(driver)
        .cores(2)
        .flag("--access-log", "json")
        .flag("--access-log-file", path.display())
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = proxy.client();
    let mut asked = 0;
    let mut ask = |count: usize| {
        for _ in 0..count {
            assert_eq!(client.get("a.example", "/").status(), 200);
        }
        asked += count;
    };
    let old: Vec<_> = (1..=3).map(|number| folder.path().join(format!("old.{number}"))).collect();
    for old in &old {
        ask(40);
        fs::rename(&path, old).expect("rename");
        ask(40);
        proxy.signal("USR1");
        wait_until("the new file", || path.exists());
    }
    // What cannot be opened leaves the old file in use.
    let last = folder.path().join("old.4");
    fs::rename(&path, &last).expect("rename");
    fs::create_dir(&path).expect("a folder in its place");
    proxy.signal("USR1");
    proxy.wait_for_output("its lines go to the old file");
    ask(10);
    wait_until("lines in the old file", || lines(&last) > 0);
    fs::remove_dir(&path).expect("an empty folder");
    proxy.signal("USR1");
    wait_until("the new file", || path.exists());
    ask(10);
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
    let counts: Vec<usize> = old.iter().chain([&last, &path]).map(|path| lines(path)).collect();
    assert_eq!(counts.iter().sum::<usize>(), asked + 1, "{counts:?}");
    // Which file a line is in is a matter of when its core handed it over; that it is whole is not.
    let whole =
        old.iter().chain([&last, &path]).map(|path| fs::read_to_string(path).expect("text"));
    let whole: String = whole.collect();
    let ours = whole.strip_prefix("from before\n").expect("what was there");
    assert!(ours.ends_with("}\n"), "{ours}");
    assert!(ours.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{ours}");
    assert!(!proxy.output().contains("\"status\":200"), "also on standard output");
}

fn a_file_that_cannot_be_opened_is_told(driver: Driver) {
    let folder = tempfile::tempdir().expect("a folder");
    let manifests = folder.path().to_str().expect("text");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    for path in [folder.path().join("none/access.log"), folder.path().to_owned(), pipe] {
        let path = path.to_str().expect("text");
        let (code, output) = run(&[
            "serve",
            "--manifests",
            manifests,
            "--driver",
            driver.flag(),
            "--http-bind",
            "127.0.0.1:0",
            "--https-bind",
            "127.0.0.1:0",
            "--admin-bind",
            "127.0.0.1:0",
            "--access-log",
            "json",
            "--access-log-file",
            path,
        ]);
        assert_eq!(code, 1, "{output}");
        let sentence = format!("{path} (--access-log-file) cannot be opened");
        assert!(output.contains(&sentence), "{output}");
    }
}
