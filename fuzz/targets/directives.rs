//! Texts of nginx directives.

#![allow(unreachable_pub, reason = "part of the fuzz crate and of tests")]

use ringway::directives::{Block, Directive, Position, parse};
use ringway::limits::{DIRECTIVE_DEPTH_MAX, DIRECTIVES_MAX};

/// A text is read or refused; what is read stands in order, within its bounds, and means the same
/// when it is written anew.
pub fn directives(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(found) = parse(text) else { return };
    let mut last = Position { line: 1, column: 0 };
    let count = check(&found, 0, &mut last);
    assert!(count <= DIRECTIVES_MAX);
    let mut written = String::new();
    if write(&found, &mut written) {
        let again = parse(&written).expect("our own text");
        assert!(is_same(&found, &again), "{text:?} {written:?}");
    }
}

/// How many there are.
fn check(directives: &[Directive], depth: usize, last: &mut Position) -> usize {
    assert!(depth <= DIRECTIVE_DEPTH_MAX);
    let mut count = directives.len();
    for directive in directives {
        for word in [&directive.name].into_iter().chain(&directive.arguments) {
            assert!(word.at > *last, "{} {last}", word.at);
            *last = word.at;
        }
        if let Block::Directives(inner) = &directive.block {
            count += check(inner, depth + 1, last);
        }
    }
    count
}

/// Each word in quotes. False: it cannot be written.
fn write(directives: &[Directive], out: &mut String) -> bool {
    directives.iter().all(|directive| {
        for word in [&directive.name].into_iter().chain(&directive.arguments) {
            let text = word.text.replace('\\', "\\\\").replace('"', "\\\"");
            *out += &format!("\"{text}\" ");
        }
        match &directive.block {
            Block::Absent => {
                *out += ";";
                true
            }
            Block::Directives(inner) => {
                *out += "{";
                let is_written = write(inner, out);
                *out += "}";
                is_written
            }
            Block::Foreign => false,
        }
    })
}

fn is_same(one: &[Directive], other: &[Directive]) -> bool {
    let words = |directive: &Directive| {
        let words = [&directive.name].into_iter().chain(&directive.arguments);
        words.map(|word| word.text.clone()).collect::<Vec<_>>()
    };
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            words(one) == words(other)
                && match (&one.block, &other.block) {
                    (Block::Directives(one), Block::Directives(other)) => is_same(one, other),
                    (one, other) => one == other,
                }
        })
}
