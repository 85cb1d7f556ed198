//! Names of files, and the documents that say where things are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tree::{Findings, files, is_rust, texts};

/// Words that say nothing about a file. CONTRIBUTING.md has them too.
const AVOIDED_WORDS: &[&str] =
    &["utils", "util", "helper", "helpers", "manager", "handler", "common", "misc", "base"];

/// The document whose table has every room.
const MAP: &str = "ARCHITECTURE.md";

/// Documents in which every path must exist.
const GUIDES: &[&str] = &[MAP, "CONTRIBUTING.md"];

/// The words of `path` that are to be avoided in it.
fn avoided_words(path: &Path) -> Vec<&'static str> {
    let path = path.with_extension("");
    let text = path.to_string_lossy();
    let words: BTreeSet<&str> = text.split(['/', '_', '-', '.']).collect();
    AVOIDED_WORDS.iter().copied().filter(|word| words.contains(word)).collect()
}

/// Folders of the first and second level of `src` and files of the first, as the map has them:
/// `src/a.rs`, `src/a/`, `src/a/b/`. Tests are no rooms.
fn rooms(files: &[PathBuf]) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for path in files.iter().filter(|path| path.starts_with("src") && is_rust(path)) {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.iter().any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        match &parts[1..] {
            [file] => drop(rooms.insert(format!("src/{file}"))),
            [room, _] => drop(rooms.insert(format!("src/{room}/"))),
            [room, inner, ..] => {
                rooms.insert(format!("src/{room}/"));
                rooms.insert(format!("src/{room}/{inner}/"));
            }
            [] => {}
        }
    }
    rooms
}

/// Paths in the first column of the tables of a document.
fn mapped(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split('`')).map(str::to_owned).collect()
}

/// Rooms that the map does not name. A file `src/a.rs` and its folder are one.
fn unmapped(files: &[PathBuf], document: &str) -> Vec<String> {
    let mapped = mapped(document);
    let is_named = |room: &String| {
        let twin = match room.strip_suffix(".rs") {
            Some(stem) => format!("{stem}/"),
            None => format!("{}.rs", room.trim_end_matches('/')),
        };
        mapped.contains(room) || mapped.contains(&twin)
    };
    rooms(files).into_iter().filter(|room| !is_named(room)).collect()
}

/// What stands in backticks on a line and reads as a path of the repository.
fn paths_in(line: &str) -> Vec<&str> {
    let is_path = |text: &&str| {
        text.contains('/')
            && !text.starts_with(['/', '-'])
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-*".contains(c))
    };
    line.split('`').skip(1).step_by(2).filter(is_path).collect()
}

/// Whether `path` is there, from the root or from any folder; modules have no ending.
fn exists(files: &[PathBuf], path: &str) -> bool {
    let fixed = path.split('*').next().unwrap_or_default().trim_matches('/');
    let wanted = format!("/{fixed}");
    files.iter().any(|file| {
        let file = format!("/{}", file.display());
        file.match_indices(&wanted).any(|(at, _)| {
            let rest = &file[at + wanted.len()..];
            rest.is_empty() || rest.starts_with('/') || rest == ".rs"
        })
    })
}

#[test]
fn names_of_files_say_something() {
    let mut findings = Findings::default();
    for path in files().iter().filter(|path| is_rust(path)) {
        for word in avoided_words(path) {
            let text = format!("`{word}` says nothing; name the file after what it is for");
            findings.add(path, 1, &text);
        }
    }
    findings.assert_none();
    let guide = texts(|path| path == Path::new("CONTRIBUTING.md")).remove(0).text;
    for word in AVOIDED_WORDS {
        assert!(guide.contains(&format!("`{word}`")), "CONTRIBUTING.md does not say `{word}`");
    }
}

#[test]
fn the_map_has_every_room_and_the_guides_name_what_is_there() {
    let files = files();
    let mut findings = Findings::default();
    for guide in texts(|path| GUIDES.iter().any(|guide| path == Path::new(guide))) {
        for (number, line) in guide.lines() {
            for path in paths_in(line).into_iter().filter(|path| !exists(&files, path)) {
                findings.add(&guide.path, number, &format!("`{path}` is not there; correct it"));
            }
        }
        if guide.path == Path::new(MAP) {
            for room in unmapped(&files, &guide.text) {
                let text = format!("the code map does not have `{room}`; add a row");
                findings.add(&guide.path, 1, &text);
            }
        }
    }
    findings.assert_none();
}

#[test]
fn words_to_avoid_are_found_in_folders_and_files() {
    let rows: &[(&str, &[&str])] = &[
        ("src/proxy/utils.rs", &["utils"]),
        ("tests/common/mod.rs", &["common"]),
        ("src/error_handler.rs", &["handler"]),
        ("src/base.rs", &["base"]),
        ("src/database.rs", &[]),
        ("src/proxy/mod.rs", &[]),
    ];
    for (path, expected) in rows {
        assert_eq!(avoided_words(Path::new(path)), *expected, "{path}");
    }
}

#[test]
fn what_the_map_lacks_is_found() {
    let files = ["src/a.rs", "src/b/mod.rs", "src/b/c.rs", "src/b/d/e/f.rs", "src/b/tests/x.rs"];
    let files = files.map(PathBuf::from);
    let check = |document: &str, expected: &[&str]| {
        assert_eq!(unmapped(&files, document), expected, "{document}");
    };
    check("", &["src/a.rs", "src/b/", "src/b/d/"]);
    check("see `src/a.rs`\n| `src/b/` | B |", &["src/a.rs", "src/b/d/"]);
    check("| `src/a/` | A |\n| `src/b/`, `src/b/d/` | B |", &[]);
    check("| `src/a.rs` | `src/b/` |\n| `src/b/d.rs` | D |", &["src/b/"]);
}

#[test]
fn paths_of_a_guide_that_are_not_there_are_found() {
    let files = ["src/a/b.rs", "tests/it/cases/x.txt"].map(PathBuf::from);
    let check = |line: &str, expected: &[&str]| {
        let missing = paths_in(line).into_iter().filter(|path| !exists(&files, path));
        assert_eq!(missing.collect::<Vec<_>>(), expected, "{line}");
    };
    check("`src/a/b.rs`, `src/a/`, `a/`, `a/b`, `a/b.rs` and `tests/it/cases/*.txt`", &[]);
    check("`src/a/c.rs`, `a/c`, `tests/unit/*.txt`", &["src/a/c.rs", "a/c", "tests/unit/*.txt"]);
    check("`rc/a/`, `src/a/b/`", &["rc/a/"]);
    check("`/healthz`, `a::b`, `https://a/b`, `a b/c`, `b.rs`", &[]);
}
