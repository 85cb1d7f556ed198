//! `ringway check` as a user runs it: the built binary, real files, exact output.
//!
//! Each directory of `tests/cases` holds manifests and `expected.txt`.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    check_as(case, "expected.txt", arguments, exit_code);
}

#[track_caller]
fn check_as(case: &str, expected: &str, arguments: &[&str], exit_code: i32) {
    let output = ringway(&[&["check", case][..], arguments].concat());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case).join(expected);
    let expected = std::fs::read_to_string(file).expect("the expected output");
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
fn the_examples_have_no_problems() {
    let output = ringway(&["check", "../../deploy/examples"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.ends_with(": no problems\n"), "{said}");
}

#[test]
fn conflicts_name_both_sides() {
    check("conflicts", &[], 1);
}

#[test]
fn every_broken_document_is_told_once_at_its_line() {
    check("broken", &[], 1);
}

/// By itself, with the reason; it is not missing besides.
#[test]
fn a_refused_object_is_told_once() {
    let output = ringway(&["check", "refused"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for name in ["default/shop-tls", "default/partners", "default/front"] {
        assert_eq!(text.matches(name).count(), 1, "{name}: {text}");
    }
    assert!(text.contains("3 errors, 0 warnings") && !text.contains("there is no"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn routes_that_lead_nowhere_are_told() {
    check("backends", &[], 1);
}

#[test]
fn guards_that_are_not_supported_are_told() {
    check("guards", &[], 1);
}

#[test]
fn what_an_api_server_refuses_is_an_error() {
    check("api-server", &[], 1);
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
fn files_that_are_no_manifests_are_skipped_with_the_reason() {
    check("skipped", &[], 0);
    // Nothing else is there.
    check_as("skipped/chart", "../expected-chart.txt", &[], 2);
}

#[test]
fn ingresses_of_other_classes_are_told_and_can_be_checked() {
    for (expected, arguments, exit_code) in [
        ("expected-none.txt", &[][..], 2),
        ("expected-one.txt", &["--ingress-class", "nginx"], 0),
        ("expected-two.txt", &["--ingress-class", "nginx,traefik"], 0),
        ("expected-two.txt", &["--ingress-class", "nginx", "--ingress-class", "traefik"], 0),
        // Two classes may have the same path.
        ("expected-all.txt", &["--ingress-class", "all"], 0),
    ] {
        check_as("classes", expected, arguments, exit_code);
    }
    let output = ringway(&["check", "classes", "--ingress-class", ""]);
    assert_eq!(output.status.code(), Some(2));
}

/// The flag that the note names is one that helps.
#[test]
fn the_note_on_ingresses_that_were_not_checked_says_what_to_do() {
    let ingress = |class: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\nspec: \
             {{ingressClassName: \"{class}\", rules: [{{host: a.example}}]}}\n"
        )
    };
    let foreign = "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: \
                   ringway}\nspec: {controller: example.com/other}\n";
    for (input, told) in [
        (
            ingress(""),
            "1 Ingress whose class is an empty text. Name a class, or leave ingressClassName out.",
        ),
        (
            ingress("ringway") + foreign,
            "1 Ingress of class \"ringway\", whose IngressClass names another controller. To check \
             it, say --controller-class with that name, or --ingress-class all.",
        ),
    ] {
        let output = ringway_reads(input.as_bytes(), &["check", "-"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("<stdin>:4: note: not checked: {told} [RW1101]\n")),
            "{text}"
        );
    }
}

#[test]
fn what_controllers_will_make_need_not_be_there() {
    check("offline", &[], 1);
}

#[test]
fn messages_are_in_words_of_yaml_and_kubernetes() {
    check("messages", &[], 1);
}

fn ringway_reads(input: &[u8], arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn standard_input_is_a_file_like_others() {
    let shop =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/clean/shop.yaml"));
    let shop = shop.expect("a case");
    for paths in [&["-"][..], &["-", "-"], &["/dev/stdin"]] {
        let output = ringway_reads(&shop, &[&["check"][..], paths].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.ends_with(" objects in 1 file: no problems\n"), "{paths:?}: {text}");
        assert_eq!(output.status.code(), Some(0), "{paths:?}");
    }
    let output = ringway_reads(&shop, &["check", "-", "clean/slices.json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5 objects in 2 files: no problems\n");
    let broken = "---\n# Source: web/templates/a.yaml\nkind: Ingres\napiVersion: \
                  networking.k8s.io/v1\nmetadata: {name: a}\n";
    let output = ringway_reads(broken.as_bytes(), &["check", "-"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("<stdin>:3: error: Ingress default/a: kind: "), "{text}");
    assert_eq!(output.status.code(), Some(1));
    for (input, message) in [
        (&b" \n"[..], "ringway: standard input is empty\n"),
        (b"\xff", "ringway: <stdin> cannot be read: it is not UTF-8 text\n"),
    ] {
        let output = ringway_reads(input, &["check", "-"]);
        assert_eq!(String::from_utf8_lossy(&output.stderr), message);
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn one_unreadable_file_of_a_directory_is_a_problem_and_no_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    std::os::unix::fs::symlink("nowhere", file("a.yaml")).expect("linked");
    std::fs::write(file("b.yaml"), b"a: \xff").expect("written");
    std::fs::create_dir(file("sub")).expect("made");
    std::os::unix::fs::symlink("..", file("sub/loop")).expect("linked");
    std::fs::write(file("sub/c.yaml"), "kind: Service\napiVersion: v1\nmetadata: {name: c}\n")
        .expect("written");
    let output = ringway(&["check", &directory.path().to_string_lossy()]);
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.replace(&format!("{}/", directory.path().display()), "");
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "a.yaml:1: error: the file cannot be used: it is a symbolic link that leads nowhere. \
             Restore what it leads to, or remove it. [RW1001]",
            "b.yaml:1: error: the file cannot be used: it is not UTF-8 text. Save it as UTF-8. \
             [RW1001]",
            "sub/loop:1: warning: the link leads to a folder that it stands in; it is not \
             followed. Remove it. [RW1003]",
            "1 object in 3 files: 2 errors, 1 warning",
        ]
    );
    assert_eq!(output.status.code(), Some(1));
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

#[test]
fn severities_decide_the_exit_code_as_is_asked() {
    let note = "replicas: 2\n";
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";
    let warning = format!("{service}---\n{service}spic: {{}}\n").replacen("a}", "b}", 1);
    let error = format!("{service}---\nkind: Service\n");
    let foreign = format!(
        "{warning}---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\n\
         spec: {{ingressClassName: other, rules: [{{host: a.example}}]}}\n"
    );
    for (input, fail_on, exit_code) in [
        (service, "warning", 0),
        (&warning, "warning", 1),
        (&warning, "error", 0),
        (&warning, "never", 0),
        (&error, "warning", 1),
        (&error, "error", 1),
        (&error, "never", 0),
        (note, "error", 2),
        (note, "never", 2),
        // Whatever else was found.
        (&foreign, "error", 2),
        (&foreign, "warning", 2),
        (&foreign, "never", 2),
    ] {
        let output = ringway_reads(input.as_bytes(), &["check", "--fail-on", fail_on, "-"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(exit_code), "{fail_on}: {text}");
    }
}

#[test]
fn programs_can_read_what_is_found() {
    for (format, expected) in [
        ("json", "\"code\": \"RW1301\""),
        ("sarif", "\"ruleId\": \"RW1301\""),
        (
            "github",
            "::warning file=backends/all.yaml,line=12,title=RW1301 ServiceMissing::Ingress ",
        ),
        ("text", "[RW1301]\n"),
    ] {
        let output = ringway(&["check", "--format", format, "backends"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(expected), "{format}: {text}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// Types made from the official schema take it and lose nothing of it: each field is of theirs.
#[test]
fn sarif_is_what_its_schema_says() {
    for (arguments, results) in [
        (&["clean"][..], 0),
        (&["backends"], 1),
        (&["conflicts"], 1),
        (&["backends", "conflicts", "clean"], 2),
        (&["/no/such/folder"], 0),
        (&["tls", "--default-ssl-certificate", "default/none"], 4),
    ] {
        let output = ringway(&[&["check", "--format", "sarif"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        if text.is_empty() {
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            continue;
        }
        let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let read: serde_sarif::sarif::Sarif = serde_json::from_str(&text).expect("SARIF");
        let kept = serde_json::to_value(&read).expect("JSON");
        assert_eq!(kept, said, "{arguments:?}");
        let found = read.runs.iter().filter_map(|run| run.results.as_ref()).map(Vec::len);
        assert!(found.sum::<usize>() >= results, "{arguments:?}: {text}");
    }
}

/// Code scanning takes no result that has no place.
#[test]
fn what_has_no_place_is_no_result_of_sarif() {
    let flags = ["--default-ssl-certificate", "default/none", "--format", "sarif"];
    let output = ringway(&[&["check", "tls"][..], &flags].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let run = &value["runs"][0];
    let results = run["results"].as_array().expect("results");
    assert!(results.iter().all(|it| it["locations"][0].is_object()), "{text}");
    let notifications = &run["invocations"][0]["toolConfigurationNotifications"];
    let notifications = notifications.as_array().expect("notifications");
    let [of_flag] = &notifications[..] else { panic!("{text}") };
    assert_eq!((&*of_flag["associatedRule"]["id"].to_string(), results.len()), ("\"RW1401\"", 4));
}

/// Whoever wants the first line alone is not told of an error.
#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(["check", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let stdin = child.stdin.take();
    stdin
        .expect("piped")
        .write_all(b"kind: Service\n---\napiVersion: v1\nkind: Service\n")
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_examples_of_its_help_run_as_printed() {
    let help = ringway(&["check", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout);
    let examples: Vec<_> =
        help.lines().filter(|line| line.starts_with("  ringway check ")).collect();
    assert_eq!(examples.len(), 3, "{help}");
    let folder = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"),
        folder.path().join("deploy"),
    )
    .expect("linked");
    let programs = Path::new(env!("CARGO_BIN_EXE_ringway")).parent().expect("a folder");
    for example in examples {
        let output = Command::new("/bin/sh")
            .args(["-c", example])
            .current_dir(folder.path())
            .env("PATH", programs)
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{example}: {output:?}");
    }
}

#[test]
fn a_code_that_there_is_not_is_told() {
    refuse(
        &["check", "--explain", "RW9999"],
        "ringway: there is no code \"RW9999\"; docs/problems.md lists them\n",
    );
}
