//! The import table: which part of `src` may name which, and which crates.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

use super::code::line_of;
use super::names::{Name, Source, Sources, Target, is_within, module_of};
use super::tree::{Findings, Text, root, sources};

/// What one part of `src/` may name. The longest matching `path` decides.
struct Imports {
    /// File or folder below `src/`.
    path: &'static str,
    /// Modules of this crate, `module` or `module::child`. What `path` covers may name itself.
    modules: &'static [&'static str],
    /// External crates, by their name in code.
    crates: &'static [&'static str],
}

/// The import table. Adding an entry is a reviewed change to the architecture: argue for it in the
/// commit and in ARCHITECTURE.md.
const IMPORTS: &[Imports] = &[
    Imports { path: "limits", modules: &[], crates: &[] },
    Imports { path: "page", modules: &[], crates: &[] },
    Imports { path: "protobuf", modules: &[], crates: &[] },
    Imports { path: "ext_authz", modules: &["limits", "protobuf"], crates: &[] },
    Imports { path: "model", modules: &["limits", "filter"], crates: &["regex", "thiserror"] },
    Imports {
        path: "filter",
        // Of http1 the syntax of fields, which is one for what is edited and what is parsed.
        modules: &["http1::fields", "limits", "passwords"],
        crates: &["itoa", "regex_automata", "regex_syntax", "thiserror"],
    },
    // What is told of a request is plain data, of which everybody between a core and a person has a
    // part: the core that says it, the channel, the admin listener and the command.
    Imports {
        path: "explain",
        modules: &["limits", "model", "filter"],
        crates: &["base64ct", "serde", "serde_json", "thiserror"],
    },
    Imports { path: "directives", modules: &["limits"], crates: &["thiserror"] },
    Imports {
        path: "coding",
        modules: &["filter", "limits"],
        crates: &["brotli", "flate2", "thiserror", "zstd"],
    },
    Imports {
        path: "passwords",
        modules: &["limits"],
        crates: &["aws_lc_rs", "base64ct", "bcrypt", "md5", "sha_crypt", "thiserror"],
    },
    Imports {
        path: "table",
        modules: &["explain", "model", "filter", "limits", "tls"],
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
        crates: &["http", "memchr", "thiserror"],
    },
    Imports {
        path: "publish",
        modules: &["explain", "table", "model", "limits", "passwords"],
        crates: &["crossbeam_channel", "libc", "socket2", "thiserror"],
    },
    Imports {
        path: "telemetry",
        modules: &["limits", "table", "model", "config", "filter", "protobuf"],
        // Of tokio the channel that spans leave by, whose other end waits for other things, too.
        crates: &["crossbeam_channel", "itoa", "libc", "tokio", "tracing"],
    },
    Imports {
        path: "config",
        modules: &["limits", "model", "page"],
        crates: &["clap", "ipnet", "rustix", "thiserror"],
    },
    Imports {
        path: "listen",
        modules: &["limits", "config"],
        crates: &["libc", "socket2", "thiserror"],
    },
    Imports {
        path: "control",
        modules: &[
            "directives",
            "explain",
            "filter",
            "limits",
            "listen",
            "model",
            "page",
            "passwords",
            "protobuf",
            "table",
            "publish",
            "telemetry",
            "tls",
        ],
        crates: &[
            "aws_lc_rs",
            "bytes",
            "futures_util",
            "http_body_util",
            "hyper",
            "hyper_util",
            "k8s_openapi",
            "kube",
            "libc",
            "md5",
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
            "explain",
            "model",
            "filter",
            "table",
            "publish",
            "telemetry",
            "coding",
            "config",
            "ext_authz",
            "http1",
            "http2",
            "tls",
            "proxy_protocol",
            "passwords",
            "quota",
        ],
        crates: &["httpdate", "rustix", "libc", "thiserror"],
    },
    // What operators are told before they change controllers: by lowering alone, without a core.
    Imports {
        path: "migrate",
        modules: &["control", "explain", "filter", "http1", "limits", "model", "table"],
        crates: &["k8s_openapi", "regex", "serde", "serde_json"],
    },
    // What the cores share: as little as that takes.
    Imports { path: "quota", modules: &["filter", "limits"], crates: &[] },
    Imports { path: "proxy_protocol", modules: &["limits"], crates: &["thiserror"] },
    // The only place of the data-plane runtime: small enough to be replaced.
    Imports {
        path: "proxy/rt",
        modules: &["limits"],
        crates: &["io_uring", "libc", "monoio", "rustix", "socket2"],
    },
    Imports {
        path: "cli",
        modules: &[
            "limits",
            "explain",
            "model",
            "table",
            "publish",
            "telemetry",
            "config",
            "listen",
            "control",
            "migrate",
            "page",
            "proxy",
        ],
        crates: &[
            "anyhow",
            "clap",
            "clap_complete",
            "clap_mangen",
            "kube",
            "rustix",
            "serde_json",
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
const TEST_FILE_CRATES: &[&str] = &["bytes", "h2", "rcgen", "serde_json", "tokio"];

/// Which room may name which in a top-level module with many, tests left out.
struct House {
    path: &'static str,
    /// Files and folders of the second level, the house's own `mod.rs` as "". Each names rooms of
    /// rows below its own alone, so that the rows are an order: who calls stands above who is
    /// called.
    rooms: Rooms<'static>,
}

type Rooms<'r> = &'r [(&'r str, &'r [&'r str])];

const HOUSES: &[House] = &[
    House {
        path: "control",
        rooms: &[
            (
                "",
                &["cluster", "control_loop", "controller", "error", "own_thread", "seats", "state"],
            ),
            (
                "admin",
                &[
                    "cluster",
                    "conditions",
                    "explain",
                    "host_certificate",
                    "own_thread",
                    "seats",
                    "served",
                    "source",
                    "state",
                    "traces",
                    "write",
                ],
            ),
            ("inventory", &["lower", "source", "survey"]),
            ("survey", &["calls", "kinds", "lower", "source"]),
            (
                "control_loop",
                &[
                    "acks",
                    "admission",
                    "cluster",
                    "controller",
                    "error",
                    "explain",
                    "feed",
                    "resolve",
                ],
            ),
            ("cluster", &["admission", "client", "observed", "outcomes", "source", "write"]),
            (
                "controller",
                &[
                    "admission",
                    "explain",
                    "lower",
                    "openings",
                    "outcomes",
                    "resolve",
                    "source",
                    "state",
                    "store",
                ],
            ),
            ("feed", &["error", "source"]),
            ("admission", &["calls", "own_thread", "seats", "source"]),
            ("client", &[]),
            ("explain", &["host_certificate", "lower", "source", "store"]),
            ("error", &["acks"]),
            (
                "lower",
                &[
                    "conditions",
                    "endpoint_slice",
                    "gateway_api",
                    "host_certificate",
                    "outcomes",
                    "resolve",
                    "source",
                    "store",
                ],
            ),
            ("openings", &[]),
            ("state", &["host_certificate", "served", "source"]),
            ("served", &["conditions", "outcomes"]),
            (
                "write",
                &["calls", "conditions", "gateway_api", "kinds", "observed", "outcomes", "source"],
            ),
            ("acks", &[]),
            ("outcomes", &["conditions"]),
            ("conditions", &["gateway_api"]),
            ("traces", &["own_thread"]),
            ("own_thread", &[]),
            ("password_threads", &[]),
            ("resolve", &[]),
            ("seats", &[]),
            ("store", &["definition", "endpoint_slice", "gateway_api", "source"]),
            (
                "source",
                &["calls", "definition", "endpoint_slice", "gateway_api", "kinds", "observed"],
            ),
            ("calls", &[]),
            ("kinds", &["definition", "endpoint_slice", "gateway_api"]),
            ("observed", &[]),
            ("definition", &[]),
            ("endpoint_slice", &[]),
            ("gateway_api", &[]),
            ("host_certificate", &[]),
        ],
    },
    House {
        path: "proxy",
        rooms: &[
            ("", &["start"]),
            ("start", &["affinity", "rt", "worker"]),
            ("worker", &["affinity", "client", "core", "exchange", "rt"]),
            ("affinity", &[]),
            ("client", &["core", "exchange", "rt", "transport", "upstream"]),
            (
                "exchange",
                &[
                    "auth_answers",
                    "compressors",
                    "core",
                    "noted",
                    "passwords",
                    "rt",
                    "transport",
                    "upstream",
                ],
            ),
            (
                "core",
                &[
                    "auth_answers",
                    "compressors",
                    "drainable",
                    "noted",
                    "passwords",
                    "rt",
                    "tasks",
                    "upstream",
                ],
            ),
            ("auth_answers", &[]),
            ("compressors", &["rt"]),
            ("noted", &[]),
            ("passwords", &["drainable"]),
            ("drainable", &[]),
            ("upstream", &["rt", "tasks", "transport"]),
            ("tasks", &["rt"]),
            ("transport", &["rt"]),
            ("rt", &[]),
        ],
    },
];

/// Names in code of every crate in Cargo.toml's dependency tables.
pub(crate) fn dependency_names() -> BTreeSet<String> {
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

/// All of `src`, and the crates that it may name at all.
pub(crate) fn read() -> &'static Sources {
    static SOURCES: LazyLock<Sources> =
        LazyLock::new(|| Sources::new(sources(), dependency_names()));
    &SOURCES
}

/// The entry of a file, if there is one.
fn entry_of(file: &Source) -> Option<&'static Imports> {
    let module = module_of(&file.path).replace('/', "::");
    IMPORTS
        .iter()
        .filter(|entry| is_within(&module, &as_module(entry.path)))
        .max_by_key(|entry| entry.path.len())
}

fn as_module(path: &str) -> String {
    path.replace('/', "::")
}

/// What of `file` the table has to allow.
fn edges(file: &Source) -> impl Iterator<Item = &Name> {
    let house = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    file.names.iter().filter(move |name| match &name.target {
        Target::Own(target) => {
            !(name.is_through_use || name.in_test && house(target) == house(&file.module))
        }
        Target::Crate(_) => true,
    })
}

/// Why `file` may not name `target`, if it may not.
fn refusal(file: &Source, entry: &Imports, target: &Target) -> Option<String> {
    let module = module_of(&file.path);
    match target {
        Target::Own(target) => {
            let is_allowed = is_within(target, &as_module(entry.path))
                || entry.modules.iter().any(|allowed| is_within(target, allowed));
            (!is_allowed).then(|| {
                format!(
                    "`{module}` names `crate::{target}`, an edge that the import table of \
                     tests/tidy does not have for `{}`; move the code, or argue for a new entry",
                    entry.path
                )
            })
        }
        Target::Crate(name) => {
            let name = name.as_str();
            let is_test_file = module.split('/').any(|part| part == "tests");
            let is_allowed = entry.crates.contains(&name)
                || TEST_CRATES.contains(&name)
                || is_test_file && TEST_FILE_CRATES.contains(&name);
            (!is_allowed).then(|| {
                format!(
                    "`{module}` names the crate `{name}`, which the import table of tests/tidy \
                     does not allow for `{}`; move the code to a module that may, or argue for a \
                     new entry",
                    entry.path
                )
            })
        }
    }
}

/// Findings of the import table in one file.
fn check(file: &Source, findings: &mut Findings) {
    let Some(entry) = entry_of(file) else {
        let module = module_of(&file.path);
        let advice = format!("`{module}` is not in the import table of tests/tidy; add it");
        findings.add(&file.path, 1, &advice);
        return;
    };
    for name in edges(file) {
        if let Some(text) = refusal(file, entry, &name.target) {
            findings.add(&file.path, line_of(&file.code, name.at), &text);
        }
    }
}

/// The room of a house that defines `path`; `None`: it is in another house.
fn room_of<'s>(sources: &'s Sources, house: &str, path: &str) -> Option<&'s str> {
    let module = sources.files[sources.file_of(path)?].module.as_str();
    let room = module.strip_prefix(house).filter(|_| is_within(module, house))?;
    Some(room.trim_start_matches("::").split("::").next().unwrap_or_default())
}

/// Findings in one file of a house; `unused` loses the edges that it needs.
fn check_room<'r>(
    sources: &Sources,
    file: &Source,
    (house, rooms): (&str, Rooms<'r>),
    unused: &mut BTreeSet<(&'r str, &'r str)>,
    findings: &mut Findings,
) {
    let Some(own) = room_of(sources, house, &file.module).filter(|_| !file.is_test) else { return };
    let Some((_, allowed)) = rooms.iter().find(|(room, _)| *room == own) else {
        let text = format!("`{house}` has no row for `{own}` in tests/tidy; say what it may name");
        return findings.add(&file.path, 1, &text);
    };
    for name in file.names.iter().filter(|name| !name.in_test) {
        let Target::Own(target) = &name.target else { continue };
        let Some(room) = room_of(sources, house, target).filter(|room| *room != own) else {
            continue;
        };
        unused.retain(|edge| *edge != (own, room));
        if !allowed.contains(&room) {
            let text = format!(
                "`{own}` names `{room}`, an edge that `{house}` does not have in tests/tidy; move \
                 the code, or argue for it"
            );
            findings.add(&file.path, line_of(&file.code, name.at), &text);
        }
    }
}

fn all_edges<'r>(rooms: Rooms<'r>) -> BTreeSet<(&'r str, &'r str)> {
    rooms.iter().flat_map(|(room, named)| named.iter().map(move |named| (*room, *named))).collect()
}

/// Edges that lead to a row above, or to none.
fn edges_upwards<'r>(rooms: Rooms<'r>) -> Vec<(&'r str, &'r str)> {
    let row = |room: &str| rooms.iter().position(|(other, _)| *other == room);
    all_edges(rooms).into_iter().filter(|(from, to)| row(to) <= row(from)).collect()
}

#[test]
fn rooms_name_only_rooms_below_them() {
    let sources = read();
    let mut findings = Findings::default();
    for House { path, rooms } in HOUSES {
        let mut unused = all_edges(rooms);
        for file in &sources.files {
            check_room(sources, file, (path, rooms), &mut unused, &mut findings);
        }
        assert!(
            unused.is_empty(),
            "remove from the rooms of `{path}` what is not used: {unused:?}"
        );
        let upwards = edges_upwards(rooms);
        assert!(upwards.is_empty(), "these lead to no row below in `{path}`: {upwards:?}");
    }
    findings.assert_none();
}

#[test]
fn edges_between_rooms_are_found() {
    let rooms: Rooms<'_> = &[("", &["top"]), ("top", &["low"]), ("low", &[])];
    let check = |path: &str, text: &str, expected: (usize, usize)| {
        let file = |path: &str, text: &str| Text { path: path.into(), text: text.to_owned() };
        let others = ["mod", "top/mod", "top/x", "top/y", "low"].map(|at| format!("src/h/{at}.rs"));
        let texts = others.iter().filter(|other| *other != path).map(|other| file(other, ""));
        let texts = std::iter::once(file(path, text)).chain(texts).collect();
        let sources = Sources::new(texts, BTreeSet::new());
        let (mut unused, mut findings) = (all_edges(rooms), Findings::default());
        check_room(&sources, &sources.files[0], ("h", rooms), &mut unused, &mut findings);
        assert_eq!((findings.0.len(), unused.len()), expected, "{path}: {text}: {:?}", findings.0);
    };
    check("src/h/top/x.rs", "use crate::h::low::L; use super::y;", (0, 1));
    check("src/h/top/x.rs", "fn f() { crate::h::low::f(); crate::other::f() }", (0, 1));
    check("src/h/mod.rs", "mod top; pub use top::x::X;", (0, 1));
    check("src/h/low.rs", "use super::top::x::X;", (1, 2));
    check("src/h/low.rs", "use crate::h::Item;", (1, 2));
    check("src/h/low.rs", "#[cfg(test)]\nmod tests { use crate::h::top::x; }", (0, 2));
    check("src/h/new.rs", "", (1, 2));
    check("src/g/new.rs", "use crate::h::Item;", (0, 2));
    assert_eq!(edges_upwards(&[("a", &["b", "c"]), ("b", &["a"])]), [("a", "c"), ("b", "a")]);
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let sources = read();
    let mut findings = Findings::default();
    for file in &sources.files {
        check(file, &mut findings);
    }
    findings.assert_none();
}

#[test]
fn the_import_table_allows_nothing_that_nobody_uses() {
    let sources = read();
    let mut idle: BTreeSet<(&str, &str)> = IMPORTS
        .iter()
        .flat_map(|entry| entry.modules.iter().chain(entry.crates).map(|name| (entry.path, *name)))
        .collect();
    for file in &sources.files {
        let Some(entry) = entry_of(file) else { continue };
        for name in edges(file) {
            idle.retain(|(path, allowed)| {
                let is_used = match &name.target {
                    Target::Own(target) => is_within(target, allowed),
                    Target::Crate(used) => used == allowed,
                };
                *path != entry.path || !is_used
            });
        }
    }
    assert!(idle.is_empty(), "remove from the import table what nobody needs: {idle:?}");
}

#[test]
fn import_check_finds_every_way_to_name_a_module_or_crate() {
    let check = |path: &str, text: &str, expected: usize| {
        let file = Text { path: path.into(), text: text.to_owned() };
        let sources = Sources::new(vec![file], dependency_names());
        let mut findings = Findings::default();
        check(&sources.files[0], &mut findings);
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
    check("src/proxy/rt/mod.rs", "use crate::proxy::worker;", 1);
    check("src/proxy/rt/mod.rs", "use super::worker; use stream::Stream;", 1);
    check("src/proxy/rt/mod.rs", "#[cfg(test)]\nmod tests { use crate::proxy::worker; }", 0);
}
