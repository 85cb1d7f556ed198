//! The documentation page of all annotations, `docs/annotations.md`.

use super::group::Group;
use super::groups::GROUPS;
use super::row::{Guard, Invalid, Row, Scope, State};

const HEAD: &str = "# Annotations of ingress-nginx

Every annotation below `nginx.ingress.kubernetes.io/` and what it means here. *For*: the rules of
its Ingress (location), all rules of its hosts (host; of several Ingresses the oldest that sets it
counts), or the Services that it names (upstream). *Invalid*: what becomes of the rules if the value
cannot be understood; the owner is told in any case. **Guard**: it keeps clients out; as long as it
is not supported, what it protects is answered with status 503.

This page is made from the table that the controller reads by, and a test holds it current.
";

/// The page as it should be.
#[must_use]
pub fn page() -> String {
    let groups = GROUPS.iter().map(section);
    groups.fold(HEAD.to_owned(), |page, section| page + &section)
}

fn section(group: &Group) -> String {
    let title = group.title;
    let head = format!(
        "\n## {title}\n\n| Annotation | For | State | Invalid | Meaning |\n|---|---|---|---|---|\n"
    );
    group.rows.iter().map(line).fold(head, |section, line| section + &line)
}

fn line(row: &Row) -> String {
    let scope = match row.scope {
        Scope::Location => "location",
        Scope::Host => "host",
        Scope::Upstream => "upstream",
    };
    let state = match row.state {
        State::Supported => "supported".to_owned(),
        State::Partial(difference) => format!("partial: {difference}"),
        State::NotYet => "not yet".to_owned(),
        State::Refused => "no effect, nor in ingress-nginx".to_owned(),
    };
    let invalid = match row.invalid {
        Invalid::Ignored => "ignored",
        Invalid::Denied => "denied",
        Invalid::Refused => "refused",
    };
    let guard = match row.guard {
        Guard::No => "",
        Guard::Unless(_) => " **Guard**.",
        Guard::Snippet => " **Guard**, if a directive may turn clients away.",
    };
    let names = row.names.map(|kind| format!(" Names a {kind}.")).unwrap_or_default();
    let Row { name, doc, .. } = row;
    format!("| `{name}` | {scope} | {state} | {invalid} | {doc}{names}{guard} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RINGWAY_WRITE_DOCS=1 cargo test page` writes it.
    #[test]
    fn the_page_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/annotations.md");
        if std::env::var_os("RINGWAY_WRITE_DOCS").is_some() {
            std::fs::write(&path, page()).expect("the page can be written");
        }
        let stored = std::fs::read_to_string(&path).expect("the page is in the repository");
        assert_eq!(stored, page(), "run this test with RINGWAY_WRITE_DOCS=1");
    }

    #[test]
    fn every_annotation_is_documented() {
        for row in GROUPS.iter().flat_map(|group| group.rows) {
            assert!(row.doc.ends_with('.') && !row.doc.contains('|'), "{}", row.name);
        }
    }
}
