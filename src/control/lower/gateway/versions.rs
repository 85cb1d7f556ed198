//! Whether the Gateway API that is installed is the one that is known here.
//!
//! Source: Gateway API, `GatewayClassConditionStatusSupportedVersion`: definitions of the API say
//! of which release they are; one that does not, or says another one, is not supported. What is
//! known of it is served all the same.

use crate::control::conditions::Condition;
use crate::control::gateway_api::reference::BUNDLE_VERSION;
use crate::control::store::Store;
use crate::limits::VALUE_SHOWN_CHARACTERS_MAX;
use crate::model::{Kind, ObjectRef};

/// The release whose kinds and fields are known, in whatever patch.
const RELEASE: &str = "v1.6";

/// Groups of the API, as names of definitions end.
const GROUPS: [&str; 2] = [".gateway.networking.k8s.io", ".gateway.networking.x-k8s.io"];

/// Whether a definition is one of the API.
pub(super) fn is_of_api(definition: &ObjectRef) -> bool {
    definition.kind == Kind::CustomResourceDefinition
        && GROUPS.iter().any(|group| definition.name.ends_with(group))
}

/// The condition of a GatewayClass; `None`: no definition was seen.
pub(super) fn condition(store: &Store) -> Option<Condition> {
    let all = store.definitions.iter().filter(|(definition, _)| is_of_api(definition));
    let faults = all.map(|(definition, entry)| {
        let annotations = entry.object.metadata.annotations.as_ref();
        let version = annotations.and_then(|all| all.get(BUNDLE_VERSION));
        fault(&definition.name, version.map(String::as_str))
    });
    let worst = faults.max_by_key(Option::is_some)?;
    Some(match worst {
        None => Condition::holds(SUPPORTED, "SupportedVersion"),
        Some(text) => Condition::fails(SUPPORTED, "UnsupportedVersion", text),
    })
}

const SUPPORTED: &str = "SupportedVersion";

/// What is wrong with the version that a definition says it has.
fn fault(definition: &str, version: Option<&str>) -> Option<String> {
    let patch = version.and_then(|version| version.strip_prefix(RELEASE));
    if patch.is_some_and(|patch| patch.starts_with('.')) {
        return None;
    }
    let says = match version {
        Some(version) => format!("{definition} is of {}", shown(version)),
        None => format!("{definition} does not say its release ({BUNDLE_VERSION})"),
    };
    let what = format!("What {RELEASE} of the Gateway API says of it holds");
    Some(format!("{says}. {what}; install the definitions of that release."))
}

/// Annotations may be long, and have any characters.
fn shown(version: &str) -> String {
    version.chars().filter(|char| !char.is_control()).take(VALUE_SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_definition_says_is_shown_in_part() {
        let version = format!("v1.5\n{}", "é".repeat(VALUE_SHOWN_CHARACTERS_MAX));
        let said = fault("gateways.x", Some(&version)).expect("a fault");
        let expected =
            format!("gateways.x is of v1.5{}. ", "é".repeat(VALUE_SHOWN_CHARACTERS_MAX - 4));
        assert!(said.starts_with(&expected), "{said}");
    }

    #[test]
    fn a_definition_is_of_the_known_release_or_is_told() {
        for version in ["v1.6.0", "v1.6.1", "v1.6.0-rc.1"] {
            assert_eq!(fault("gateways.x", Some(version)), None, "{version}");
        }
        for (version, said) in [
            (Some("v1.5.1"), "gateways.x is of v1.5.1. "),
            (Some("v1.60.0"), "gateways.x is of v1.60.0. "),
            (Some("v0.0.0-dev"), "gateways.x is of v0.0.0-dev. "),
            (Some("1.6.0"), "gateways.x is of 1.6.0. "),
            (Some(""), "gateways.x is of . "),
            (None, "gateways.x does not say its release (gateway.networking.k8s.io/bundle-ver"),
        ] {
            let fault = fault("gateways.x", version).expect("a fault");
            assert!(fault.starts_with(said), "{fault}");
            assert!(fault.ends_with("install the definitions of that release."), "{fault}");
        }
    }
}
