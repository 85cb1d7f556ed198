//! The project's own lints: what the compiler and clippy cannot check.
//!
//! Every rule is data at the top of its file. A failure names file and line and says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check that cannot read the tree has failed"
)]

#[path = "tidy/booleans.rs"]
mod booleans;
#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/map.rs"]
mod map;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/walks.rs"]
mod walks;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use code::{code_only, is_word, word_at};
use tree::{Findings, files, is_rust, root, sources, texts};

/// Where unsafe code may be allowed (`#![expect(unsafe_code, reason = …)]`), and why there.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("src/control/source/watch.rs", "a descriptor that Tokio waits for"),
    ("src/main.rs", "a function of the allocator"),
    ("src/proxy/rt/", "buffers that the kernel owns, system calls that std does not offer"),
    ("src/control/admin/door.rs", "a system call that std does not offer"),
    ("tests/cluster/harness/network.rs", "a network namespace for the process under test"),
    ("tests/cluster/harness/process.rs", "children that die with the test process"),
    ("tests/forbidden_uring.rs", "a seccomp filter for the process under test"),
    ("tests/table_alloc.rs", "an allocator that counts"),
    ("tests/zero_alloc.rs", "an allocator that counts"),
];

/// Below `src/proxy`, the only files that read the clock; all others are handed a time.
const CLOCK_FILES: &[&str] = &[
    "src/proxy/exchange/ask.rs",
    "src/proxy/exchange/attempts.rs",
    "src/proxy/exchange/conversation.rs",
    "src/proxy/core.rs",
    "src/proxy/client/head.rs",
    "src/proxy/exchange/serve.rs",
    "src/proxy/rt/",
    "src/proxy/upstream/call.rs",
    "src/proxy/upstream/until.rs",
];

/// What reads the clock.
const CLOCK_READS: &[&str] = &["Instant::now()", "SystemTime::now()", "process_nanos()"];

/// Words that must not reach the main branch, split so that this file passes its own check.
const FORBIDDEN_WORDS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
];

/// Absolute paths of somebody's machine, split for the same reason.
const FORBIDDEN_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Columns of a line of source or script; links are excepted.
const COLUMNS_MAX: usize = 100;

/// Bytes of a file of the repository.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Where an operator looks a flag or a metric up.
const OPERATOR_PAGES: &[&str] = &["README.md", "docs/operations.md"];

#[test]
fn every_source_file_says_what_it_is() {
    let mut findings = Findings::default();
    for file in sources() {
        if !file.text.starts_with("//!") {
            let text = "open the file with `//!`: what it is, and what it must never do";
            findings.add(&file.path, 1, text);
        }
    }
    findings.assert_none();
}

#[test]
fn lines_fit_the_screen() {
    let mut findings = Findings::default();
    let is_wanted =
        |path: &Path| is_rust(path) || path.starts_with("loadtest") && path.extension().is_none();
    for file in texts(is_wanted) {
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX && !line.contains("://") {
                let text = format!("{columns} columns; break the line at {COLUMNS_MAX}");
                findings.add(&file.path, number, &text);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn nothing_unfinished_is_committed() {
    let mut findings = Findings::default();
    for file in texts(is_rust) {
        for (number, line) in file.lines() {
            for word in FORBIDDEN_WORDS {
                if line.contains(word) {
                    findings.add(&file.path, number, &format!("`{word}`: finish it or delete it"));
                }
            }
        }
    }
    findings.assert_none();
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let mut findings = Findings::default();
    for file in texts(|path| path != Path::new("Cargo.lock")) {
        for (number, line) in file.lines() {
            for path in FORBIDDEN_PATHS {
                let is_absolute = line.match_indices(path).any(|(at, _)| {
                    at == 0 || !is_word(line.as_bytes()[at - 1]) && line.as_bytes()[at - 1] != b'.'
                });
                if is_absolute {
                    let text = format!("`{path}`: write a path relative to the repository");
                    findings.add(&file.path, number, &text);
                }
            }
        }
    }
    findings.assert_none();
}

#[test]
fn unsafe_code_stays_in_its_modules() {
    let mut findings = Findings::default();
    for file in texts(is_rust) {
        let is_listed = UNSAFE_FILES.iter().any(|(allowed, _)| file.path.starts_with(allowed));
        for (number, line) in file.lines() {
            let is_opt_in = line.trim_start().starts_with('#') && line.contains("(unsafe_code");
            if is_opt_in && !is_listed {
                let text = "unsafe code outside the modules of UNSAFE_FILES in tests/tidy.rs";
                findings.add(&file.path, number, text);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn the_data_plane_reads_the_clock_in_one_place() {
    let mut findings = Findings::default();
    for file in sources().into_iter().filter(|file| file.path.starts_with("src/proxy")) {
        if CLOCK_FILES.iter().any(|allowed| file.path.starts_with(allowed)) {
            continue;
        }
        let code = code_only(&file.text);
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if CLOCK_READS.iter().any(|read| line.contains(read)) {
                let text = "reads the clock; be handed the time by one of CLOCK_FILES instead";
                findings.add(&file.path, number + 1, text);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn no_large_file_enters_the_repository() {
    let mut findings = Findings::default();
    for path in files() {
        let bytes = fs::metadata(root().join(&path)).expect("file").len();
        if bytes > FILE_BYTES_MAX {
            let text = format!("{bytes} bytes, at most {FILE_BYTES_MAX}: generate it, or cut it");
            findings.add(&path, 1, &text);
        }
    }
    findings.assert_none();
}

#[test]
fn every_integration_test_module_is_part_of_the_binary() {
    let mut findings = Findings::default();
    for path in files() {
        let targets = ["tests/it", "tests/cluster"].map(Path::new);
        let Some(target) = targets.into_iter().find(|target| path.starts_with(target)) else {
            continue;
        };
        if !is_rust(&path) || path.ends_with("main.rs") {
            continue;
        }
        let stem = path.file_stem().expect("named").to_string_lossy().into_owned();
        let folder = path.parent().expect("below the target");
        let (name, parent) = if stem == "mod" {
            (folder.file_name().expect("named").to_string_lossy().into_owned(), folder.parent())
        } else {
            (stem, Some(folder))
        };
        let parent = parent.expect("below tests");
        let list = if parent == target { "main.rs" } else { "mod.rs" };
        let list = parent.join(list);
        let text = fs::read_to_string(root().join(&list)).unwrap_or_default();
        let is_listed = text.lines().any(|line| line.trim().ends_with(&format!("mod {name};")));
        if !is_listed {
            findings.add(&path, 1, &format!("never runs: add `mod {name};` to {}", list.display()));
        }
    }
    findings.assert_none();
}

/// Long names of the flags that clap derives from `text`.
fn flag_names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("#[arg(") {
        let Some(end) = text[at..].find(")]") else { continue };
        let attribute = &text[at..at + end];
        let Some((_, option)) = attribute.split_once("long") else { continue };
        let explicit = option.trim_start().strip_prefix('=').map(str::trim_start);
        if let Some(quoted) = explicit.and_then(|value| value.strip_prefix('"')) {
            names.extend(quoted.split('"').next().map(str::to_owned));
        } else {
            let field = text[at + end..].lines().skip(1).find(|line| line.contains(':'));
            let field = field.unwrap_or_default().trim().trim_start_matches("pub ");
            let field = field.trim_start_matches("pub(crate) ");
            names.extend(field.split(':').next().map(|name| name.trim().replace('_', "-")));
        }
    }
    names
}

/// Exported names of the metrics in `text`: whole literals (`"ringway_…"`), and the rows of the
/// counter and gauge tables, which leave prefix and suffix to the encoder.
fn metric_names(text: &str) -> BTreeSet<String> {
    let literals = text.match_indices("\"ringway_").map(|(at, _)| word_at(text, at + 1).to_owned());
    let counters = table_names(text, "Counter::").map(|name| format!("ringway_{name}_total"));
    let gauges = table_names(text, "Gauge::").map(|name| format!("ringway_{name}"));
    literals.chain(counters).chain(gauges).collect()
}

/// Literals behind a variant of the enum `opening`: `Counter::Panics, "panics", …`.
fn table_names<'a>(text: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(opening).filter_map(move |(at, _)| {
        let rest = &text[at + opening.len()..];
        let rest = rest[word_at(rest, 0).len()..].strip_prefix(',')?;
        Some(word_at(rest.trim_start().strip_prefix('"')?, 0))
    })
}

#[test]
fn metrics_are_found_in_every_form_that_the_source_has() {
    let text = r#"
        name("ringway_build_info", x);
        (Counter::Panics, "panics", "Help."),
        (
            Gauge::ConnectionsOpen,
            "connections_open",
            "Help.",
        ),
        core.counter(Counter::Panics)
    "#;
    let expected = ["ringway_build_info", "ringway_connections_open", "ringway_panics_total"];
    assert_eq!(metric_names(text), BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn operators_can_look_every_flag_and_metric_up() {
    let pages = texts(|path| OPERATOR_PAGES.iter().any(|page| path == Path::new(page)));
    let pages: String = pages.into_iter().map(|page| page.text).collect();
    let mut findings = Findings::default();
    for file in sources() {
        for flag in flag_names(&file.text) {
            if !pages.contains(&format!("`--{flag}")) {
                let text = format!("the flag --{flag} is not in docs/operations.md; describe it");
                findings.add(&file.path, 1, &text);
            }
        }
        for metric in metric_names(&file.text) {
            if !pages.contains(&metric) {
                let text = format!("the metric {metric} is not in docs/operations.md; describe it");
                findings.add(&file.path, 1, &text);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn flags_are_found_in_every_form_that_clap_knows() {
    let text = r#"
        #[arg(long)]
        pub cores: usize,
        #[arg(long, env = "RINGWAY_PIN")]
        /// Doc.
        pub pool_total: usize,
        #[arg(short, long = "other-name", default_value = "x")]
        name: String,
        #[arg(value_name = "DIR")]
        dir: String,
    "#;
    let expected = ["cores", "other-name", "pool-total"].map(str::to_owned);
    assert_eq!(flag_names(text), BTreeSet::from(expected));
}
