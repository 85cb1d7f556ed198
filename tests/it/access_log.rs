//! The access log as a file: what is written where when it is rotated.

use std::fs;
use std::path::Path;

use crate::for_each_driver;
use crate::harness::proxy::run;
use crate::harness::{Backend, Builder, Driver, manifest, wait_until};

for_each_driver!(a_rotated_file_loses_no_line, a_file_that_cannot_be_opened_is_told);

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
