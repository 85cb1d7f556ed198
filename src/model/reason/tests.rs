//! The table is whole, and each of its rows is met by a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::page::Example;
use super::*;

#[test]
fn codes_and_words_are_unique_and_in_order() {
    let (mut last, mut words) = (0, BTreeSet::new());
    for group in GROUPS {
        let first = group.pages.first().expect("a page").code;
        assert!(first % 100 == 1 && last < first, "{}", group.title);
        for page in group.pages {
            assert!(page.code > last && page.code / 100 == first / 100, "{}", page.code);
            assert!(words.insert(page.word), "{}", page.word);
            last = page.code;
        }
    }
}

#[test]
fn pages_are_written_alike() {
    for reason in Reason::all() {
        let Page { word, severities, title, meaning, remedy, example, .. } = reason.page();
        assert!(word.bytes().all(|b| b.is_ascii_alphanumeric()), "{word}");
        assert!(!severities.is_empty() && !title.ends_with('.'), "{word}");
        assert!([meaning, remedy].iter().all(|text| text.ends_with(['.', '…'])), "{word}");
        if let Example::Elsewhere(place) = example {
            assert!(place.ends_with('.'), "{word}");
        }
    }
}

#[test]
fn a_code_is_found_as_people_write_it() {
    for (text, word) in [
        ("RW1009", Some("InvalidYaml")),
        ("rw1009", Some("InvalidYaml")),
        ("1009", Some("InvalidYaml")),
        ("RW0", None),
        ("RW99999999", None),
        ("", None),
        ("WR1009", None),
    ] {
        assert_eq!(Reason::of_code(text).map(Reason::word), word, "{text}");
    }
}

/// Pages without an example that runs are those of tests that have what no manifest can.
#[test]
fn every_reason_without_manifest_is_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = String::new();
    for folder in ["src/cli", "src/control", "tests"] {
        read_tests(&root.join(folder), &mut tests);
    }
    let missing: Vec<_> = Reason::all()
        .filter(|reason| matches!(reason.page().example, Example::Elsewhere(_)))
        .filter(|reason| {
            let is_found = |word: &str| {
                tests.match_indices(word).any(|(at, _)| {
                    let behind = tests.get(at + word.len()..).and_then(|rest| rest.chars().next());
                    !behind.is_some_and(char::is_alphanumeric)
                })
            };
            !is_found(reason.word()) && !is_found(&format!("[{}]", reason.code()))
        })
        .collect();
    assert_eq!(missing, [""; 0]);
}

/// Adds the text of all that is test below `folder`.
fn read_tests(folder: &Path, tests: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_tests(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let is_test = path.components().any(|part| part.as_os_str() == "tests")
                || path.file_name().is_some_and(|name| name == "tests.rs");
            let part = if is_test { 0 } else { text.find("mod tests {").unwrap_or(text.len()) };
            tests.push_str(text.get(part..).unwrap_or_default());
        }
    }
}
