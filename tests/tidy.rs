//! The project's own lints: what the compiler and clippy cannot check.
//!
//! Every rule is data at the top of this file. A failure names file and line and says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check that cannot read the tree has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What one part of `src/` may name. The longest matching `path` decides.
struct Imports {
    /// File or folder below `src/`.
    path: &'static str,
    /// Modules of this crate, `module` or `module::child`. A module may always name itself.
    modules: &'static [&'static str],
    /// External crates, by their name in code.
    crates: &'static [&'static str],
}

/// The import table. Adding an entry is a reviewed change to the architecture: argue for it in the
/// commit and in ARCHITECTURE.md.
const IMPORTS: &[Imports] = &[
    Imports { path: "limits", modules: &[], crates: &[] },
    Imports {
        path: "model",
        modules: &["limits", "filter", "tls"],
        crates: &["regex", "thiserror"],
    },
    Imports { path: "filter", modules: &[], crates: &["itoa", "thiserror"] },
    Imports {
        path: "table",
        modules: &["model", "filter", "limits", "tls"],
        crates: &["foldhash", "memchr"],
    },
    Imports {
        path: "http1",
        modules: &["limits"],
        crates: &["httparse", "itoa", "memchr", "thiserror"],
    },
    Imports {
        path: "tls",
        modules: &["limits"],
        crates: &[
            "aws_lc_rs",
            "rcgen",
            "rustls",
            "rustls_native_certs",
            "thiserror",
            "x509_parser",
        ],
    },
    Imports {
        path: "http2",
        modules: &["limits", "http1"],
        crates: &["bytes", "h2", "http", "thiserror", "tokio"],
    },
    Imports {
        path: "publish",
        modules: &["table", "model", "limits"],
        crates: &["crossbeam_channel", "libc", "socket2"],
    },
    Imports {
        path: "telemetry",
        modules: &["limits", "table", "model", "config"],
        crates: &["crossbeam_channel", "itoa", "libc", "tracing"],
    },
    Imports {
        path: "config",
        modules: &["limits", "model"],
        crates: &["clap", "ipnet", "rustix", "thiserror"],
    },
    Imports {
        path: "listen",
        modules: &["limits", "config"],
        crates: &["libc", "socket2", "thiserror"],
    },
    Imports {
        path: "control",
        modules: &["limits", "model", "table", "publish", "telemetry", "tls"],
        crates: &[
            "bytes",
            "futures_util",
            "http_body_util",
            "hyper",
            "hyper_util",
            "k8s_openapi",
            "kube",
            "libc",
            "prometheus_client",
            "rcgen",
            "rustix",
            "rustls",
            "saphyr_parser",
            "serde",
            "serde_ignored",
            "serde_json",
            "serde_path_to_error",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
    },
    Imports {
        path: "proxy",
        modules: &[
            "limits",
            "model",
            "filter",
            "table",
            "publish",
            "telemetry",
            "config",
            "listen",
            "http1",
            "http2",
            "tls",
            "proxy_protocol",
        ],
        crates: &["bytes", "h2", "http", "httpdate", "rustix", "libc", "thiserror"],
    },
    Imports { path: "proxy_protocol", modules: &["limits"], crates: &["thiserror"] },
    // The only place of the data-plane runtime: small enough to be replaced.
    Imports {
        path: "proxy/rt",
        modules: &["limits"],
        crates: &["io_uring", "libc", "monoio", "socket2"],
    },
    Imports {
        path: "cli",
        modules: &[
            "limits",
            "model",
            "table",
            "publish",
            "telemetry",
            "config",
            "listen",
            "control",
            "proxy",
        ],
        crates: &[
            "anyhow",
            "clap",
            "kube",
            "rustix",
            "thiserror",
            "tokio",
            "tracing",
            "tracing_subscriber",
        ],
    },
    Imports { path: "lib", modules: &[], crates: &[] },
    Imports { path: "main", modules: &[], crates: &["mimalloc", "ringway"] },
];

/// Crates that unit tests may name anywhere.
const TEST_CRATES: &[&str] = &["proptest", "tempfile"];

/// Crates that files of unit tests (`tests.rs`, `tests/`) may name besides.
const TEST_FILE_CRATES: &[&str] = &["rcgen", "serde_json"];

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
    "src/proxy/exchange/attempts.rs",
    "src/proxy/exchange/conversation.rs",
    "src/proxy/core.rs",
    "src/proxy/client/downstream.rs",
    "src/proxy/exchange/serve.rs",
    "src/proxy/rt/",
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

/// Findings of one check.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, file: &Path, line: usize, text: &str) {
        self.0.push(format!("{}:{line}: {text}", file.display()));
    }

    #[track_caller]
    fn assert_none(self) {
        let mut report = String::new();
        for finding in &self.0 {
            report += &format!("{finding}\n");
        }
        assert!(self.0.is_empty(), "{} finding(s):\n{report}", self.0.len());
    }
}

/// A text file, path relative to the repository.
struct Text {
    path: PathBuf,
    text: String,
}

impl Text {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository that is not build output, sorted.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("readable folder") {
            let path = entry.expect("readable entry").path();
            let name = path.file_name().expect("named").to_string_lossy().into_owned();
            let is_skipped = matches!(
                name.as_str(),
                ".git" | "target" | "out" | "artifacts" | "ringway-demo" | "__pycache__"
            );
            if is_skipped {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort();
    assert!(found.len() > 20, "the tree could not be read: {found:?}");
    found
}

fn texts(is_wanted: impl Fn(&Path) -> bool) -> Vec<Text> {
    files()
        .into_iter()
        .filter(|path| is_wanted(path))
        .filter_map(|path| {
            let bytes = fs::read(root().join(&path)).expect("readable file");
            String::from_utf8(bytes).ok().map(|text| Text { path, text })
        })
        .collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn sources() -> Vec<Text> {
    texts(|path| path.starts_with("src") && is_rust(path))
}

/// Replaces comments and literals by blanks, keeping line breaks, so that only code is left.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_or_comment_end(bytes, at);
        if end > at {
            code.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            code.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// End of the comment or literal that begins at `at`; `at` itself when none does.
fn literal_or_comment_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let is_after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        let end = rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |p| p + 2);
        return at + end;
    }
    if !is_after_word && (rest.starts_with(b"r\"") || rest.starts_with(b"r#")) {
        return raw_string_end(bytes, at);
    }
    if !is_after_word && (rest.starts_with(b"br\"") || rest.starts_with(b"br#")) {
        return raw_string_end(bytes, at + 1);
    }
    match rest[0] {
        b'"' => quoted_end(bytes, at, b'"'),
        b'\'' if is_char_literal(rest) => quoted_end(bytes, at, b'\''),
        _ => at,
    }
}

/// Not a lifetime: escaped, or closed behind one character.
fn is_char_literal(rest: &[u8]) -> bool {
    let width = match rest.get(1) {
        Some(b'\\') => return true,
        Some(&first) if first.is_ascii() => 1,
        _ => rest[1..].iter().take_while(|byte| !byte.is_ascii()).count(),
    };
    rest.get(1 + width) == Some(&b'\'')
}

fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// `at` is the `r`; a raw identifier (`r#type`) is left alone.
fn raw_string_end(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return at;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = at + 2 + hashes;
    bytes[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |found| body + found + close.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    let end = rest.bytes().position(|b| !is_word(b)).unwrap_or(rest.len());
    &rest[..end]
}

/// Offsets of the words that begin a path: not behind `::`, `.` or another word character.
fn path_starts(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = code.as_bytes();
    (0..bytes.len()).filter_map(move |at| {
        let is_start = is_word(bytes[at])
            && !bytes[at].is_ascii_digit()
            && (at == 0 || !is_word(bytes[at - 1]) && bytes[at - 1] != b'$');
        // Only a start is a safe place to cut: code may hold non-ASCII text.
        let is_path_start = is_start && !code[..at].trim_end().ends_with("::");
        is_path_start.then(|| (at, word_at(code, at)))
    })
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The paths named at `at` (behind `crate::`), groups expanded, two segments deep at most.
fn expand_paths(code: &str, at: usize) -> Vec<String> {
    let rest = &code[at..];
    if !rest.starts_with('{') {
        let first = word_at(code, at);
        let after = &rest[first.len()..];
        let second = after.strip_prefix("::").map(|_| word_at(code, at + first.len() + 2));
        return vec![match second {
            Some(second) if !second.is_empty() => format!("{first}::{second}"),
            _ => first.to_owned(),
        }];
    }
    let mut depth = 0;
    let mut paths = Vec::new();
    for (offset, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (byte == b'{' || byte == b',') {
            let next = at + offset + 1;
            let blanks = code[next..].len() - code[next..].trim_start().len();
            if is_word(code.as_bytes()[next + blanks]) {
                paths.extend(expand_paths(code, next + blanks));
            }
        }
    }
    paths
}

/// Path below `src/` without extension and `mod`: `proxy/rt` for `src/proxy/rt/mod.rs`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").expect("under src").with_extension("");
    let below = below.to_string_lossy().into_owned();
    below.strip_suffix("/mod").map(str::to_owned).unwrap_or(below)
}

fn imports_of(module: &str) -> Option<&'static Imports> {
    IMPORTS
        .iter()
        .filter(|entry| {
            module
                .strip_prefix(entry.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|entry| entry.path.len())
}

/// Names in code of every crate in Cargo.toml's dependency tables.
fn dependency_names() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut names = BTreeSet::from(["ringway".to_owned()]);
    let mut is_in_table = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_in_table = line.contains("dependencies]");
        } else if is_in_table && let Some((name, _)) = line.split_once('=') {
            let name = name.trim();
            if !name.starts_with('#') {
                names.insert(name.replace('-', "_"));
            }
        }
    }
    assert!(names.contains("monoio"), "no dependencies found in Cargo.toml");
    names
}

/// Problem with one name used in `module`, if it is not in the table.
fn check_crate(module: &str, entry: &Imports, name: &str) -> Option<String> {
    let is_test_file = module.split('/').any(|part| part == "tests");
    let is_allowed = entry.crates.contains(&name)
        || TEST_CRATES.contains(&name)
        || is_test_file && TEST_FILE_CRATES.contains(&name);
    (!is_allowed).then(|| {
        format!(
            "`{module}` names the crate `{name}`, which the import table of tests/tidy.rs does not \
             allow for `{}`; move the code to a module that may, or argue for a new entry",
            entry.path
        )
    })
}

fn check_module(module: &str, entry: &Imports, target: &str) -> Option<String> {
    let top = |path: &str| path.split(['/', ':']).next().unwrap_or_default().to_owned();
    let is_own = top(module) == top(target);
    let is_allowed = entry
        .modules
        .iter()
        .any(|allowed| target == *allowed || target.starts_with(&format!("{allowed}::")));
    (!is_own && !is_allowed).then(|| {
        format!(
            "`{module}` names `crate::{target}`, an edge that the import table of tests/tidy.rs \
             does not have for `{}`; move the code, or argue for a new entry",
            entry.path
        )
    })
}

/// Findings of the import table in one file.
fn check_imports(file: &Text, dependencies: &BTreeSet<String>, findings: &mut Findings) {
    let module = module_of(&file.path);
    let Some(entry) = imports_of(&module) else {
        let advice = format!("`{module}` is not in the import table of tests/tidy.rs; add it");
        findings.add(&file.path, 1, &advice);
        return;
    };
    let code = code_only(&file.text);
    for (at, named) in names(&code, dependencies) {
        let text = match named {
            Named::Module(target) => check_module(&module, entry, &target),
            Named::Crate(name) => check_crate(&module, entry, name),
            Named::Above(path) => climbs_to_sibling(&module, path).then(|| {
                "`super::` leaves the top-level module; write `crate::…` so that the import table \
                 sees it"
                    .to_owned()
            }),
        };
        if let Some(text) = text {
            findings.add(&file.path, line_of(&code, at), &text);
        }
    }
}

/// One mention of something outside the file.
enum Named<'c> {
    /// Behind `crate::`, two segments deep at most.
    Module(String),
    Crate(&'c str),
    /// A path that begins with `super::`.
    Above(&'c str),
}

fn names<'c>(code: &'c str, dependencies: &BTreeSet<String>) -> Vec<(usize, Named<'c>)> {
    let mut found = Vec::new();
    for (at, word) in path_starts(code) {
        let after = &code[at + word.len()..];
        let is_path = after.starts_with("::");
        let is_use = code[..at].trim_end().ends_with("use") && after.starts_with([';', ' ']);
        if word == "crate" && is_path {
            let targets = expand_paths(code, at + word.len() + 2);
            found.extend(targets.into_iter().map(|target| (at, Named::Module(target))));
        } else if (is_path || is_use) && dependencies.contains(word) {
            found.push((at, Named::Crate(word)));
        } else if word == "super" && is_path {
            found.push((at, Named::Above(&code[at..])));
        }
    }
    found
}

/// Whether a chain of `super::` reaches another top-level module.
fn climbs_to_sibling(module: &str, path: &str) -> bool {
    let mut rest = path;
    let mut climbs = 0;
    while let Some(after) = rest.strip_prefix("super::") {
        rest = after;
        climbs += 1;
    }
    let target = word_at(rest, 0);
    let depth = module.split('/').count();
    let own = module.split('/').next().unwrap_or_default();
    let is_top_level = IMPORTS.iter().any(|entry| entry.path == target);
    climbs >= depth && is_top_level && target != own
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let dependencies = dependency_names();
    let mut findings = Findings::default();
    for file in sources() {
        check_imports(&file, &dependencies, &mut findings);
    }
    findings.assert_none();
}

#[test]
fn the_import_table_allows_nothing_that_nobody_uses() {
    let dependencies = dependency_names();
    let mut idle: BTreeSet<(&str, &str)> = IMPORTS
        .iter()
        .flat_map(|entry| entry.modules.iter().chain(entry.crates).map(|name| (entry.path, *name)))
        .collect();
    for file in sources() {
        let Some(entry) = imports_of(&module_of(&file.path)) else { continue };
        for (_, named) in names(&code_only(&file.text), &dependencies) {
            idle.retain(|(path, name)| {
                let is_used = match &named {
                    Named::Module(target) => {
                        target == name || target.starts_with(&format!("{name}::"))
                    }
                    Named::Crate(used) => used == name,
                    Named::Above(_) => false,
                };
                *path != entry.path || !is_used
            });
        }
    }
    assert!(idle.is_empty(), "remove from the import table what nobody needs: {idle:?}");
}

#[test]
fn import_check_finds_every_way_to_name_a_module_or_crate() {
    let dependencies = dependency_names();
    let check = |path: &str, text: &str, expected: usize| {
        let file = Text { path: path.into(), text: text.to_owned() };
        let mut findings = Findings::default();
        check_imports(&file, &dependencies, &mut findings);
        assert_eq!(findings.0.len(), expected, "{path}: {text}: {:?}", findings.0);
    };
    check("src/table/id.rs", "use crate::model::Rule;", 0);
    check("src/table/id.rs", "use crate::control::Store;", 1);
    check("src/table/id.rs", "use crate::{model::{Host, Rule}, control, proxy::worker};", 2);
    check("src/table/id.rs", "fn f() { crate::proxy::run() }", 1);
    check("src/table/id.rs", "use super::super::proxy::run;", 1);
    check("src/table/id.rs", "use super::compile::Compiler;", 0);
    check("src/table/id.rs", "// use crate::proxy;\nconst A: &str = \"crate::proxy::x\";", 0);
    check("src/filter/mod.rs", "use crate::http1::head::Head;", 1);
    check("src/proxy/worker.rs", "use monoio::io;", 1);
    check("src/proxy/rt/mod.rs", "use monoio::io;", 0);
    check("src/proxy/worker.rs", "let x = tokio::spawn(f);", 1);
    check("src/model/mod.rs", "use regex::bytes::Regex;", 0);
    check("src/model/mod.rs", "use bytes::Bytes;", 1);
    check("src/stranger.rs", "", 1);
    check("src/table/id.rs", "let c = 'ü'; let d = '\\''; let e = '\"'; use crate::cli;", 1);
    check("src/table/id.rs", "fn f<'a>(x: &'a str) { let ü = r#\"crate::cli::x\"#; }", 0);
}

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
