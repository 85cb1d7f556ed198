//! The documentation page of all annotations, `docs/annotations.md`.

use super::group::Group;
use super::groups::GROUPS;
use super::row::{Guard, Invalid, Row, Scope};
use crate::page::{Section, markdown};

const HEAD: &str = "# Annotations of ingress-nginx

Every annotation below `nginx.ingress.kubernetes.io/` and what it means here. *For*: the rules of
its Ingress (location), all rules of its hosts (host; of several Ingresses the oldest that sets it
counts), or the Services that it names (upstream). *Invalid*: what becomes of the rules if the value
cannot be understood; the owner is told in any case. **Guard**: it keeps clients out; as long as it
is not supported, what it protects is answered with status 503. *Risk*: how much depends on it; an
Ingress with an annotation above `annotations-risk-level` of the ConfigMap (by default High) is not
served.

This page is made from the table that the controller reads by, and a test holds it current.
";

/// The page as it should be.
#[must_use]
pub fn page() -> String {
    markdown(HEAD, GROUPS.iter().map(section))
}

fn section(group: &Group) -> Section {
    Section {
        title: group.title,
        columns: &["Annotation", "For", "State", "Invalid", "Risk", "Meaning"],
        rows: group.rows.iter().map(line).collect(),
    }
}

fn line(row: &Row) -> Vec<String> {
    let scope = match row.scope {
        Scope::Location => "location",
        Scope::Host => "host",
        Scope::Upstream => "upstream",
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
    let Row { name, state, risk, doc, .. } = row;
    let meaning = format!("{doc}{names}{guard}");
    let (name, risk) = (format!("`{name}`"), risk.as_str().to_lowercase());
    vec![name, scope.into(), state.words(), invalid.into(), risk, meaning]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::assert_current;

    #[test]
    fn the_page_is_current() {
        assert_current("docs/annotations.md", &page());
    }

    #[test]
    fn every_annotation_is_documented() {
        for row in GROUPS.iter().flat_map(|group| group.rows) {
            assert!(row.doc.ends_with('.') && !row.doc.contains('|'), "{}", row.name);
        }
    }
}
