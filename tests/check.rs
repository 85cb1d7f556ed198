//! `ringway check` as a user runs it: the built binary, real files, exact output.
//!
//! Each directory of `tests/cases` holds manifests and `expected.txt`.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Command, Output};

fn ringway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"))
        .env_clear()
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn check(case: &str, arguments: &[&str], exit_code: i32) {
    let output = ringway(&[&["check", case][..], arguments].concat());
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case);
    let expected = std::fs::read_to_string(expected.join("expected.txt")).expect("expected.txt");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(exit_code));
}

#[track_caller]
fn refuse(arguments: &[&str], message: &str) {
    let output = ringway(arguments);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), message);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_clean_directory_has_no_problems() {
    check("clean", &[], 0);
}

#[test]
fn conflicts_name_both_sides() {
    check("conflicts", &[], 1);
}

#[test]
fn every_broken_document_is_told_once_at_its_line() {
    check("broken", &[], 1);
}

#[test]
fn routes_that_lead_nowhere_are_told() {
    check("backends", &[], 1);
}

#[test]
fn annotations_without_effect_are_told() {
    check("dialect", &["--ingress-class", "nginx"], 1);
}

#[test]
fn certificates_that_cannot_be_served_are_told() {
    check("tls", &["--default-ssl-certificate", "default/none"], 1);
}

#[test]
fn files_are_read_as_one_set() {
    let output = ringway(&["check", "clean/shop.yaml", "clean/slices.json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5 objects in 2 files: no problems\n");
}

#[test]
fn nothing_to_read_is_exit_code_2() {
    refuse(
        &["check", "nowhere"],
        "ringway: nowhere cannot be read: No such file or directory (os error 2)\n",
    );
    let empty = tempfile::tempdir().expect("a directory");
    let path = empty.path().to_string_lossy();
    refuse(&["check", &path], "ringway: there is no *.yaml, *.yml or *.json file to read\n");
}

#[test]
fn unusable_flags_of_serve_are_one_sentence_and_exit_code_2() {
    refuse(
        &["serve", "--manifests", "clean", "--cores", "0"],
        "ringway: --cores must be from 1 to 1024, not 0\n",
    );
}
