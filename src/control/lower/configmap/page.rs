//! The documentation page of all keys of the controller's ConfigMap, `docs/configmap.md`.

use super::groups::{GROUPS, Group};
use super::row::{Guards, Key};
use crate::page::{Section, markdown};

const HEAD: &str = "# Keys of the controller's ConfigMap

`--configmap NAMESPACE/NAME` names a ConfigMap with settings that hold for all Ingresses, as
`--configmap` of ingress-nginx does: in a cluster and in a directory of manifests. What it says
counts before flags; what an annotation of an Ingress says counts before it. A change is live: no
connection is cut and nothing is loaded anew.

All values are texts. Truth values are `true`, `True`, `TRUE`, `t`, `T`, `1` and the same of false;
`yes` and `on` are none, nor are they in ingress-nginx. An empty value is as if the key were not
there. What is wrong is told on the ConfigMap, and harms that key alone: a name that is not known
(`KeyNotSupported`, with the one that is probably meant) has no effect; of a value that cannot be
understood (`InvalidValue`) the last good one of its key stays in force; at first start, and for
keys that permit more to authors, it is as if the key were not there.
A **guard** keeps clients out: if none of its values was ever understood, requests get status 503,
and so they do while a ConfigMap that could never be read may have guards. If the ConfigMap is
deleted, what it said last stays in force until the next start.

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
        columns: &["Key", "Default", "State", "Meaning"],
        rows: group.keys.iter().map(line).collect(),
    }
}

fn line(key: &Key) -> Vec<String> {
    let Key { name, default, state, guards, doc, .. } = key;
    let default = match *default {
        "" => String::new(),
        default => format!("`{default}`"),
    };
    let guard = match guards {
        Guards::Nobody | Guards::Grants => "",
        Guards::Clients => " **Guard**.",
    };
    vec![format!("`{name}`"), default, state.words(), format!("{doc}{guard}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::lower::configmap::row::Effect;
    use crate::control::lower::ingress::annotations::row::State;
    use crate::page::assert_current;

    #[test]
    fn the_page_is_current() {
        assert_current("docs/configmap.md", &page());
    }

    #[test]
    fn every_key_is_documented_and_read_as_its_row_says() {
        for key in GROUPS.iter().flat_map(|group| group.keys) {
            let Key { name, doc, .. } = key;
            assert!(doc.ends_with('.') && !doc.contains('|'), "{name}");
            let is_read = !matches!(key.effect, Effect::Unread);
            let is_said = matches!(key.state, State::Supported | State::Partial(_));
            assert!(is_read == is_said || !is_read && matches!(key.state, State::Partial(_)));
        }
    }
}
