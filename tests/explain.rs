//! `ringway explain` as a user runs it: the built binary, real files, exact output.
//!
//! The examples of `docs/explain.md` are run as they stand there; `RINGWAY_WRITE_DOCS=1` writes
//! what they print.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PAGE: &str = "docs/explain.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ringway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .output()
        .expect("the binary runs")
}

/// Words of a command line of the page: quotes stand around single words.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().expect("one").push(letter),
        }
    }
    words
}

/// The page with what its commands print.
fn run(page: &str) -> String {
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out += &format!("{line}\n");
        let Some(command) = line.strip_prefix("$ ringway ") else { continue };
        let words = words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = ringway(&words);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        out += &String::from_utf8_lossy(&output.stdout);
        let end = lines.by_ref().find(|line| line.starts_with("```")).expect("an end");
        out += &format!("{end}\n");
    }
    out
}

#[test]
fn the_examples_of_the_page_run_as_printed() {
    let page = fs::read_to_string(root().join(PAGE)).expect("the page");
    let current = run(&page);
    if std::env::var_os("RINGWAY_WRITE_DOCS").is_some() {
        return fs::write(root().join(PAGE), &current).expect("the page is written");
    }
    assert!(current == page, "{PAGE} is not current; RINGWAY_WRITE_DOCS=1 writes it:\n{current}");
    assert!(page.contains("$ ringway "));
}

#[test]
fn no_secret_is_printed() {
    for json in [&[][..], &["--json"]] {
        let output = ringway(
            &[
                &["explain", "--manifests", "deploy/examples"],
                json,
                &["--", "curl", "-u", "me:hidden-word", "-H", "X-Api-Key: another-secret"],
                &["-b", "sid=0123456789", "http://shop.example.com/?token=0123456789"],
            ]
            .concat(),
        );
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("shop/front:http"), "{text}");
        for secret in ["bWU6aGlkZGVuLXdvcmQ", "hidden-word", "another-secret", "0123456789"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn what_cannot_be_asked_is_told() {
    for (arguments, code, message) in [
        (&["--manifests", "tests/none", "http://a/"][..], 2, "tests/none cannot be read"),
        (&["--manifests", "deploy/examples", "ftp://a/"], 2, "ftp: only http and https"),
        (&["--manifests", "deploy/examples", "a", "b"], 2, "one request at a time: \"b\""),
        (&["--manifests", "deploy/examples", "--", "curl", "-F", "x", "a"], 2, "curl's -F says"),
        (&["--admin", "127.0.0.1:1", "http://a/"], 1, "no admin listener answers at 127.0.0.1:1"),
    ] {
        let output = ringway(&[&["explain"], arguments].concat());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(message), "{arguments:?}: {told}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    }
}
