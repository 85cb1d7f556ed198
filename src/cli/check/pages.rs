//! What is told of a code: `ringway check --explain`, and the page `docs/problems.md`.

use std::fmt::Write as _;

use crate::model::Reason;
use crate::model::reason::GROUPS;
use crate::model::reason::page::{Example, Page};

/// Columns of text for terminals.
const COLUMNS: usize = 80;

const HEAD: &str = "# Problems

What `ringway check` tells, and what a running controller tells by its log and by Events of the same
objects. Each kind of problem has a code that does not change; `ringway check --explain CODE`
prints its part of this page.

Errors: an object, or the part that is named, has no effect, or an API server would not store it.
Warnings: it works, but probably not as meant. Notes: nothing is wrong.

This page is made from the table that the program goes by, and a test holds it current; another one
runs the examples.
";

/// A code's part of the page, for terminals.
pub(super) fn text(reason: Reason) -> String {
    let Page { word, title, meaning, remedy, example, .. } = reason.page();
    let mut text = format!("{} {word} ({}): {title}\n\n", reason.code(), severities(reason.page()));
    text += &wrapped(meaning);
    text += &wrapped(&format!("What to do: {remedy}"));
    text += &match fragment(example) {
        Ok(fragment) => fragment.lines().fold("Example:\n\n".to_owned(), |mut all, line| {
            _ = writeln!(all, "  {line}");
            all
        }),
        Err(place) => wrapped(&format!("Example: {place}")).trim_end().to_owned() + "\n",
    };
    text
}

/// The page as it should be.
#[must_use]
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for group in GROUPS {
        _ = write!(text, "\n## {}\n", group.title);
        for page in group.pages {
            let Page { code, word, title, meaning, remedy, example, .. } = page;
            _ = write!(text, "\n### RW{code:04} {word}\n\n{title} ({}).\n", severities(page));
            _ = write!(text, "{meaning}\n\nWhat to do: {remedy}\n\n");
            text += &match fragment(example) {
                Ok(fragment) => format!("```yaml\n{}\n```\n", fragment.trim_end()),
                Err(place) => format!("Example: {place}\n"),
            };
        }
    }
    text
}

fn severities(page: &Page) -> String {
    let all: Vec<_> = page.severities.iter().map(ToString::to_string).collect();
    all.join(" or ")
}

/// What of a manifest has the problem; or where it is met, as a sentence.
fn fragment(example: &Example) -> Result<String, &'static str> {
    let below = |head: &str, indent: usize, lines: &str| {
        lines.lines().fold(head.to_owned(), |mut all, line| {
            _ = writeln!(all, "{:indent$}{line}", "");
            all
        })
    };
    match example {
        Example::Manifest(text) => Ok((*text).to_owned()),
        Example::Annotations(lines) => Ok(below("metadata:\n  annotations:\n", 4, lines)),
        Example::Spec(lines) => Ok(below("spec:\n", 2, lines)),
        Example::Keys(lines) => Ok(below("data:\n", 2, lines)),
        Example::Elsewhere(place) => Err(place),
    }
}

/// A paragraph, and an empty line.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_full = |line: &String| !line.is_empty() && line.len() + word.len() >= COLUMNS;
        if lines.last().is_none_or(is_full) {
            lines.push(String::new());
        }
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n") + "\n\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reason;
    use crate::page::assert_current;

    #[test]
    fn the_page_is_current() {
        assert_current("docs/problems.md", &markdown());
    }

    #[test]
    fn a_code_is_explained_in_lines_that_fit() {
        let text = text(reason!("ServiceMissing"));
        assert!(text.starts_with("RW1301 ServiceMissing (warning): A Service does not exist\n\n"));
        assert!(text.contains("\nWhat to do: Create it, or correct the name.\n\n"), "{text}");
        assert!(
            text.ends_with(
                "\n\n  spec:\n    ingressClassName: ringway\n    defaultBackend: \
                                {service: {name: wbe, port: {number: 80}}}\n"
            ),
            "{text}"
        );
        for reason in Reason::all() {
            let lines = super::text(reason);
            let prose = lines.lines().take_while(|line| !line.starts_with("Example"));
            assert!(prose.skip(1).all(|line| line.len() <= COLUMNS), "{lines}");
        }
    }
}
