//! A call says what it wants in words: functions outside tests take no `bool` and return none in a
//! tuple. What a function is asked is an enum, or the thing itself that the answer is read from.

use std::path::Path;

use super::code::{closing, line_of, word_at, words};
use super::imports::read;
use super::names::Source;
use super::tree::Findings;

/// Functions that take one all the same: file, name, and why.
const ALLOWED: &[(&str, &str, &str)] = &[("src/main.rs", "mi_collect", "of the allocator, in C")];

/// Functions outside tests with a naked boolean: name and line.
fn naked(file: &Source) -> Vec<(&str, usize)> {
    let is_named = |at: usize| file.code.as_bytes().get(at + 2) == Some(&b' ');
    let functions = words(&file.code)
        .filter(|(at, word)| *word == "fn" && is_named(*at) && !file.is_test_at(*at));
    let found = functions.filter_map(|(at, _)| {
        let name = word_at(&file.code, at + 3);
        let from = at + 3 + name.len();
        let open = from + parameters(file.code.get(from..)?)?;
        let close = closing(&file.code, open);
        let taken = &file.code[open + 1..close];
        let given = file.code[close + 1..].split(['{', ';']).next().unwrap_or_default();
        let is_naked = parts(taken).any(|part| is_bool(part.split_once(": ").map_or("", |p| p.1)))
            || given.match_indices('(').any(|(at, _)| {
                let inside = &given[at + 1..closing(given, at)];
                let is_call = given[..at].ends_with(|before: char| before.is_alphanumeric());
                !is_call && inside.contains(',') && parts(inside).any(is_bool)
            });
        (!name.is_empty() && is_naked).then(|| (name, line_of(&file.code, at)))
    });
    found.collect()
}

/// Where the parameters begin, behind those in angle brackets; `->` closes none.
fn parameters(behind_name: &str) -> Option<usize> {
    let mut depth = 0;
    let mut before = ' ';
    for (at, letter) in behind_name.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            '(' if depth == 0 => return Some(at),
            _ => {}
        }
        before = letter;
    }
    None
}

/// What stands between commas that are in no brackets.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let mut before = ' ';
    list.split(move |letter: char| {
        match letter {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' => depth -= 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        before = letter;
        letter == ',' && depth == 0
    })
}

fn is_bool(kind: &str) -> bool {
    let kind = kind.trim().trim_start_matches('&').trim_start_matches("mut ");
    kind == "bool" || kind == "Option<bool>"
}

#[test]
fn no_function_takes_a_naked_boolean() {
    let mut findings = Findings::default();
    let mut unused: Vec<_> = ALLOWED.iter().collect();
    for file in &read().files {
        for (name, line) in naked(file) {
            let is_entry =
                |entry: &&(&str, &str, &str)| file.path == Path::new(entry.0) && entry.1 == name;
            if ALLOWED.iter().any(|entry| is_entry(&entry)) {
                unused.retain(|entry| !is_entry(entry));
            } else {
                let text = format!("`{name}` takes or gives a naked boolean: make it an enum");
                findings.add(&file.path, line, &text);
            }
        }
    }
    findings.assert_none();
    assert!(unused.is_empty(), "take out of ALLOWED what is not there any more: {unused:?}");
}

#[test]
fn naked_booleans_are_told_from_answers() {
    use super::names::Sources;
    use super::tree::Text;

    let check = |path: &str, text: &str, expected: &[&str]| {
        let file = Text { path: path.into(), text: text.to_owned() };
        let sources = Sources::new(vec![file], [].into());
        let found: Vec<_> = naked(&sources.files[0]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, expected, "{text}");
    };
    let path = "src/a.rs";
    check(path, "fn f(&self, is_end: bool) {}", &["f"]);
    check(path, "fn f<'a, T: Fn(u8) -> bool>(\n    a: &mut bool,\n) {}", &["f"]);
    check(path, "fn f(a: Option<bool>) -> u8 {}", &["f"]);
    check(path, "fn f() -> Option<(bool, &str)> {}", &["f"]);
    check(path, "fn f(a: u8) -> (u8, bool);", &["f"]);
    check(path, "fn is_f(&self, a: &[Result<bool, E>]) -> bool { g(|a: bool| a) }", &[]);
    check(path, "fn f(a: impl Fn(u8, bool) -> bool) -> impl Fn(u8, bool) -> bool {}", &[]);
    check(path, "struct A { f: bool }\ntype F = fn(bool);", &[]);
    check(path, "#[cfg(test)]\nmod tests { fn f(a: bool) {} }", &[]);
    check("src/a/tests/b.rs", "fn f(a: bool) {}", &[]);
}
