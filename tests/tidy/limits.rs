//! Bounds live in `src/limits.rs`. What reads as one elsewhere is moved there, or listed with what
//! it is instead.

use std::path::Path;

use super::code::{line_of, path_starts, word_at, words};
use super::imports::read;
use super::names::Source;
use super::tree::Findings;

/// Last words of a constant's name that make it a bound; so does the type `Duration`.
const BOUND_WORDS: &[&str] = &[
    "MAX", "MIN", "LIMIT", "TIMEOUT", "PAUSE", "GRACE", "DELAY", "INTERVAL", "LIFETIME", "PERIOD",
    "PATIENCE", "POLL", "KEPT", "BACKLOG",
];

/// Where bounds belong.
const LIMITS: &str = "src/limits.rs";

/// Constants that only read as bounds: file, name, and what it is.
const NO_BOUNDS: &[(&str, &str, &str)] = &[
    ("src/cli/doctor/machine.rs", "EARLIEST", "a date"),
    ("src/control/source/manifest/sealed.rs", "SEALED_LENGTH_MIN", "how sealed values look"),
    ("src/http1/chunked.rs", "DIGITS_MAX", "of `CHUNK_BYTES_MAX`, with room"),
    ("src/http1/encode.rs", "CHUNK_HEAD_BYTES_MAX", "what is written"),
    ("src/http1/framing.rs", "DIGITS_MAX", "of `CONTENT_LENGTH_MAX`"),
    ("src/http2/frame.rs", "WINDOW_MAX", "RFC 9113 section 6.9.1"),
    ("src/http2/hpack/fields.rs", "PSEUDO_FIELDS_MAX", "RFC 9113 section 8.3.1, RFC 8441"),
    ("src/http2/hpack/huffman.rs", "BITS_MAX", "of the code of RFC 7541"),
    ("src/http2/hpack/integer.rs", "MORE_MAX", "octets of 32 bits"),
    ("src/http2/hpack/statics.rs", "CANDIDATES_MAX", "of the table of RFC 7541"),
    ("src/http2/hpack/statics.rs", "NAME_BYTES_MAX", "of the table of RFC 7541"),
    ("src/proxy/transport/http2_inflow.rs", "CHUNK_BYTES_MAX", "what is written around a chunk"),
    ("src/proxy/transport/tls.rs", "SEAL_BYTES_MAX", "what a record adds"),
    ("src/table/paths.rs", "LINEAR_PATHS_MAX", "where a tree begins to be faster"),
];

/// Constants outside tests that read as bounds: name and line.
fn bounds(file: &Source) -> Vec<(&str, usize)> {
    let constants = path_starts(&file.code).filter(|(_, word)| *word == "const");
    let found = constants.filter_map(|(at, word)| {
        let from = at + word.len() + 1;
        let name = word_at(file.code.get(from..)?, 0);
        let (kind, _) = file.code[from + name.len()..].strip_prefix(": ")?.split_once(" =")?;
        let is_amount = matches!(kind, "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64");
        let is_named = name.rsplit('_').next().is_some_and(|last| BOUND_WORDS.contains(&last));
        let is_bound = kind.ends_with("Duration") || is_amount && is_named;
        (is_bound && !file.is_test_at(at)).then(|| (name, line_of(&file.code, at)))
    });
    found.collect()
}

#[test]
fn bounds_live_in_one_file() {
    let mut findings = Findings::default();
    let mut unused: Vec<_> = NO_BOUNDS.iter().collect();
    for file in read().files.iter().filter(|file| file.path != Path::new(LIMITS)) {
        for (name, line) in bounds(file) {
            let is_entry =
                |entry: &&(&str, &str, &str)| file.path == Path::new(entry.0) && entry.1 == name;
            if NO_BOUNDS.iter().any(|entry| is_entry(&entry)) {
                unused.retain(|entry| !is_entry(entry));
            } else {
                let text = format!("`{name}` is a bound: move it to {LIMITS}, or say what it is");
                findings.add(&file.path, line, &text);
            }
        }
    }
    findings.assert_none();
    assert!(unused.is_empty(), "take out of NO_BOUNDS what is not there any more: {unused:?}");
}

/// Constants of `limits` that no code names, their own definitions left out.
fn idle<'a>(limits: &'a Source, files: &[Source]) -> Vec<&'a str> {
    let constants = path_starts(&limits.code).filter(|(_, word)| *word == "const");
    let names = constants.map(|(at, word)| word_at(&limits.code, at + word.len() + 1));
    let mut idle: Vec<&str> = names.filter(|name| *name != "_").collect();
    for file in files {
        for (at, word) in words(&file.code).filter(|(at, _)| !file.is_test_at(*at)) {
            let is_definition = file.code[..at].ends_with("const ");
            idle.retain(|name| *name != word || is_definition);
        }
    }
    idle
}

#[test]
fn every_limit_is_kept_by_somebody() {
    let files = &read().files;
    let limits = files.iter().find(|file| file.path == Path::new(LIMITS)).expect("limits");
    let idle = idle(limits, files);
    assert!(idle.is_empty(), "nobody keeps these limits; take them out: {idle:?}");
}

#[test]
fn limits_that_nobody_keeps_are_found() {
    use super::names::Sources;
    use super::tree::Text;

    let check = |other: &str, expected: &[&str]| {
        let limits =
            "pub const A: usize = 1;\npub const B: usize = A;\nconst _: () = assert!(A < 2);";
        let file = |path: &str, text: &str| Text { path: path.into(), text: text.to_owned() };
        let texts = vec![file(LIMITS, limits), file("src/a.rs", other)];
        let sources = Sources::new(texts, [].into());
        assert_eq!(idle(&sources.files[0], &sources.files), expected, "{other}");
    };
    check("", &["B"]);
    check("use crate::limits::B;", &[]);
    check("fn f() -> usize { limits::B }", &[]);
    check("const B: usize = 1; // B", &["B"]);
    check("#[cfg(test)]\nmod tests { use crate::limits::B; }", &["B"]);
}

#[test]
fn bounds_are_told_from_other_constants() {
    use super::names::Sources;
    use super::tree::Text;

    let check = |text: &str, expected: &[&str]| {
        let file = Text { path: "src/a.rs".into(), text: text.to_owned() };
        let sources = Sources::new(vec![file], [].into());
        let found: Vec<_> = bounds(&sources.files[0]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, expected, "{text}");
    };
    check("const BYTES_MAX: usize = 1;", &["BYTES_MAX"]);
    check("pub(super) const LEAST: Duration = Duration::from_secs(1);", &["LEAST"]);
    check("fn f() {\n    const MIN: u64 = 1;\n}", &["MIN"]);
    check(
        "const BYTES_KEPT: u32 = 1; const WAIT: std::time::Duration = X;",
        &["BYTES_KEPT", "WAIT"],
    );
    check("const MAXIMAL: usize = 1; const MAX_FRAME_SIZE: u16 = 5;", &[]);
    check("const NAME_MAX: &str = \"\"; const fn max() -> u32 { 1 }", &[]);
    check("#[cfg(test)]\nmod tests { const BYTES_MAX: usize = 1; }", &[]);
    check("use crate::limits::BYTES_MAX;", &[]);
}
