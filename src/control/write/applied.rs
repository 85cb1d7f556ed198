//! What is to be written so that the status of an object shows what became of it; nothing where it
//! shows that already.
//!
//! Of lists that several controllers share, others' entries stay as they are. A condition keeps the
//! time at which it came about for as long as it says the same.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::addresses::Addresses;
use crate::control::conditions::{
    Condition, Content, GatewayAddresses, ListenerStatus, ObjectStatus, Truth,
};
use crate::control::gateway_api::reference::GROUP;
use crate::control::observed::{Address, Shown};
use crate::control::outcomes::Outcome;
use crate::model::Kind;

/// Field manager of what we apply, shown in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "ringway";

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    /// To an Ingress; none: taken back.
    Addresses(Addresses),
    /// `status` as it will be, and the version of the object that it was made from, where others'
    /// entries in it must not be lost.
    Status(Value, Option<Box<str>>),
}

/// What is to be written; `None`: nothing.
///
/// `addresses`: where clients reach this process, or the Service of a Gateway; none: not known yet.
pub(super) fn due(
    outcome: &Outcome,
    addresses: &Addresses,
    shown: &Shown,
    now: Timestamp,
) -> Option<Written> {
    let is_known = !addresses.is_empty();
    match (outcome, shown) {
        (Outcome::Served, Shown::Addresses(shown)) if is_known && shown != addresses => {
            Some(Written::Addresses(addresses.clone()))
        }
        (Outcome::Withdrawn, Shown::Addresses(shown)) if is_known && !shown.is_empty() => {
            Some(Written::Addresses(Addresses::from([])))
        }
        (Outcome::Status(status), Shown::Status(shown, version)) => {
            let wanted = wanted(status, addresses, shown, now);
            let is_shared = matches!(status.content, Content::Parents { .. });
            let version = version.clone();
            (!shows(shown, &wanted)).then(|| Written::Status(wanted, is_shared.then_some(version)))
        }
        _ => None,
    }
}

/// The status as it should be, made from the one that is shown.
fn wanted(status: &ObjectStatus, published: &Addresses, shown: &Value, now: Timestamp) -> Value {
    let write = Writing { generation: status.generation, now };
    match &status.content {
        Content::Class { conditions, features, used: _ } => {
            let features: Vec<_> = features.iter().map(|name| json!({ "name": name })).collect();
            json!({
                "conditions": write.conditions(conditions, shown),
                "supportedFeatures": features,
            })
        }
        Content::Gateway { conditions, addresses, listeners, listener_sets, service: _ } => {
            let addresses = match addresses {
                GatewayAddresses::Own(own) => own.iter().map(ip_address).collect(),
                GatewayAddresses::Published | GatewayAddresses::OfService => {
                    published.iter().filter_map(address).collect::<Vec<_>>()
                }
            };
            let mut conditions = conditions.clone();
            if addresses.is_empty() {
                conditions.iter_mut().for_each(await_address);
            }
            json!({
                "addresses": addresses,
                "conditions": write.conditions(&conditions, shown),
                "listeners": write.listeners(listeners, shown),
                "attachedListenerSets": listener_sets,
            })
        }
        Content::ListenerSet { conditions, listeners } => json!({
            "conditions": write.conditions(conditions, shown),
            "listeners": write.listeners(listeners, shown),
        }),
        Content::Parents { list: name, controller, parents } => {
            let (field, reference) = name.fields();
            let mut entries = Vec::new();
            let old: Vec<&Value> = list(shown, field).collect();
            let is_own = |entry: &&&Value| entry["controllerName"].as_str() == Some(controller);
            entries.extend(old.iter().filter(|entry| !is_own(entry)).map(|entry| (*entry).clone()));
            for parent in parents {
                let name = json!(parent.parent);
                let before = old.iter().filter(is_own).find(|entry| entry[reference] == name);
                let before = before.map_or(&Value::Null, |entry| *entry);
                entries.push(json!({
                    reference: name,
                    "controllerName": **controller,
                    "conditions": write.conditions(&parent.conditions, before),
                }));
            }
            json!({ field: entries })
        }
    }
}

/// Nobody reaches a Gateway that has no address.
fn await_address(condition: &mut Condition) {
    if condition.name == "Programmed" && condition.is_true() {
        *condition = Condition::fails(
            condition.name,
            "AddressNotAssigned",
            "There is no address yet; see --publish-service, or say --gateway-addresses.",
        );
    }
}

fn address(address: &Address) -> Option<Value> {
    match address {
        Address::Ip(ip) => Some(ip_address(ip)),
        Address::Name(name) => Some(json!({ "type": "Hostname", "value": **name })),
        Address::Foreign => None,
    }
}

fn ip_address(ip: &std::net::IpAddr) -> Value {
    json!({ "type": "IPAddress", "value": ip })
}

/// Elements of a list; none where there is no list.
fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> + Clone + use<'v> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// What every condition has.
struct Writing {
    generation: i64,
    now: Timestamp,
}

impl Writing {
    fn conditions(&self, conditions: &[Condition], shown: &Value) -> Vec<Value> {
        let one = |Condition { name, truth, reason, message }: &Condition| {
            let status = match truth {
                Truth::True => "True",
                Truth::False => "False",
            };
            let before = list(shown, "conditions").find(|before| before["type"] == *name);
            let before = before.filter(|before| before["status"] == status);
            let since = before.and_then(|before| before["lastTransitionTime"].as_str());
            json!({
                "type": name,
                "status": status,
                "reason": reason,
                "message": message,
                "observedGeneration": self.generation,
                "lastTransitionTime":
                    since.map_or_else(|| format!("{:.0}", self.now), str::to_owned),
            })
        };
        conditions.iter().map(one).collect()
    }

    fn listeners(&self, listeners: &[ListenerStatus], shown: &Value) -> Vec<Value> {
        let one = |listener: &ListenerStatus| {
            let ListenerStatus { name, kinds, attached, conditions } = listener;
            let before = list(shown, "listeners").find(|before| before["name"] == **name);
            let kinds: Vec<_> = kinds.iter().map(kind).collect();
            json!({
                "name": **name,
                "supportedKinds": kinds,
                "attachedRoutes": attached,
                "conditions": self.conditions(conditions, before.unwrap_or(&Value::Null)),
            })
        };
        listeners.iter().map(one).collect()
    }
}

fn kind(kind: &Kind) -> Value {
    json!({ "group": GROUP, "kind": kind.name() })
}

/// Conditions that we set and take away again. Those of other types are somebody else's.
const PASSING: [&str; 4] =
    ["Conflicted", "InsecureFrontendValidationMode", "OverlappingTLSConfig", "PartiallyInvalid"];

/// Whether what is shown is what is wanted. An empty list and no list are the same, and so are 0
/// and no number.
fn shows(shown: &Value, wanted: &Value) -> bool {
    match (shown, wanted) {
        (Value::Object(shown), Value::Object(wanted)) => shows_fields(shown, wanted),
        (Value::Array(shown), Value::Array(wanted)) => {
            shown.len() == wanted.len() && shown.iter().zip(wanted).all(|(s, w)| shows(s, w))
        }
        (Value::Null, Value::Object(wanted)) => wanted.values().all(|w| shows(&Value::Null, w)),
        (Value::Null, Value::Array(wanted)) => wanted.is_empty(),
        (Value::Null, Value::Number(wanted)) => wanted.as_u64() == Some(0),
        (shown, wanted) => shown == wanted,
    }
}

fn shows_fields(shown: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(name, wanted)| {
        let shown = shown.get(name).unwrap_or(&Value::Null);
        match (&**name, shown, wanted) {
            ("conditions", Value::Array(shown), Value::Array(wanted)) => {
                let of = |all: &[Value], name: &Value| {
                    all.iter().find(|condition| condition["type"] == *name).cloned()
                };
                let are_there = |condition: &Value| {
                    of(shown, &condition["type"]).is_some_and(|shown| shows(&shown, condition))
                };
                let is_over = |condition: &&Value| {
                    PASSING.iter().any(|name| condition["type"] == *name)
                        && of(wanted, &condition["type"]).is_none()
                };
                wanted.iter().all(are_there) && !shown.iter().any(|shown| is_over(&shown))
            }
            ("listeners", Value::Array(shown), Value::Array(wanted)) => {
                let is_there = |listener: &Value| {
                    let shown = shown.iter().find(|shown| shown["name"] == listener["name"]);
                    shown.is_some_and(|shown| shows(shown, listener))
                };
                shown.len() == wanted.len() && wanted.iter().all(is_there)
            }
            _ => shows(shown, wanted),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::conditions::{ParentList, ParentStatus};
    use crate::control::gateway_api::reference::ParentReference;

    const EARLIER: &str = "2026-01-01T00:00:00Z";

    fn listener(attached: u32) -> ListenerStatus {
        let conditions = vec![Condition::holds("Accepted", "Accepted")];
        ListenerStatus { name: "http".into(), kinds: vec![Kind::HTTPRoute], attached, conditions }
    }

    fn gateway(generation: i64, conditions: Vec<Condition>, attached: u32) -> Outcome {
        let content = Content::Gateway {
            conditions,
            addresses: GatewayAddresses::Own(vec!["192.0.2.1".parse().expect("an address")]),
            listeners: vec![listener(attached)],
            listener_sets: 0,
            service: None,
        };
        Outcome::Status(Arc::new(ObjectStatus { generation, content }))
    }

    fn accepted() -> Vec<Condition> {
        vec![Condition::holds("Accepted", "Accepted"), Condition::holds("Programmed", "Programmed")]
    }

    /// The status that is written; `None`: nothing is.
    fn written(outcome: &Outcome, shown: &Value) -> Option<Value> {
        let shown = Shown::Status(Arc::new(shown.clone()), "5".into());
        match due(outcome, &Addresses::from([]), &shown, Timestamp::UNIX_EPOCH)? {
            Written::Status(status, _) => Some(status),
            Written::Addresses(_) => panic!("an Ingress"),
        }
    }

    #[test]
    fn what_is_shown_is_not_written_again() {
        let outcome = gateway(1, accepted(), 2);
        let mut shown = written(&outcome, &Value::Null).expect("nothing is shown");
        assert_eq!(written(&outcome, &shown), None);
        // An API server leaves out what is empty, and others have conditions of their own.
        shown.as_object_mut().expect("fields").remove("attachedListenerSets");
        let list = |shown: &mut Value| shown["conditions"].as_array().expect("a list").clone();
        let foreign = json!({"type": "example.com/Other", "status": "True"});
        let mut conditions = list(&mut shown);
        conditions.insert(0, foreign);
        shown["conditions"] = conditions.into();
        assert_eq!(written(&outcome, &shown), None);
        for other in [
            gateway(2, accepted(), 2),
            gateway(1, accepted(), 3),
            gateway(1, vec![Condition::fails("Accepted", "Invalid", "no")], 2),
        ] {
            assert!(written(&other, &shown).is_some(), "{other:?}");
        }
        // What is over goes.
        let passing = json!({"type": "Conflicted", "status": "True"});
        let mut conditions = list(&mut shown);
        conditions.push(passing);
        shown["conditions"] = conditions.into();
        assert!(written(&outcome, &shown).is_some());
    }

    #[test]
    fn a_condition_keeps_its_time_as_long_as_it_says_the_same() {
        let mut shown = written(&gateway(1, accepted(), 2), &Value::Null).expect("a status");
        for condition in shown["conditions"].as_array_mut().expect("a list") {
            condition["lastTransitionTime"] = json!(EARLIER);
        }
        let one_fails =
            vec![Condition::holds("Accepted", "Other"), Condition::fails("Programmed", "No", "no")];
        let status = written(&gateway(2, one_fails, 2), &shown).expect("another status");
        let times = |n: usize| status["conditions"][n]["lastTransitionTime"].clone();
        assert_eq!([times(0), times(1)], [json!(EARLIER), json!("1970-01-01T00:00:00Z")]);
        assert_eq!(status["conditions"][0]["observedGeneration"], 2);
    }

    #[test]
    fn a_gateway_without_address_waits_for_one() {
        let content = Content::Gateway {
            conditions: accepted(),
            addresses: GatewayAddresses::Published,
            listeners: Vec::new(),
            listener_sets: 0,
            service: None,
        };
        let status = ObjectStatus { generation: 1, content };
        let programmed = |published: &[Address]| {
            let published = Addresses::from(published.to_vec());
            let status = wanted(&status, &published, &Value::Null, Timestamp::UNIX_EPOCH);
            (status["conditions"][1]["reason"].clone(), status["addresses"].clone())
        };
        assert_eq!(programmed(&[]), (json!("AddressNotAssigned"), json!([])));
        let name = Address::Name("lb.test".into());
        let addresses = json!([{"type": "Hostname", "value": "lb.test"}]);
        assert_eq!(programmed(&[name]), (json!("Programmed"), addresses));
    }

    #[test]
    fn entries_of_others_stay_as_they_are() {
        for list in [ParentList::Parents, ParentList::Ancestors] {
            check_entries(list);
        }
    }

    #[track_caller]
    fn check_entries(list: ParentList) {
        let (field, reference) = list.fields();
        let foreign = json!({
            reference: {"name": "theirs"}, "controllerName": "example.com/other",
            "conditions": [{"type": "Accepted", "status": "True"}],
        });
        let stale = json!({
            reference: {"name": "old"}, "controllerName": "ringway.dev/gateway", "conditions": [],
        });
        let shown = json!({ field: [stale, foreign] });
        let parent = ParentReference { name: "ours".into(), ..ParentReference::default() };
        let conditions = vec![Condition::holds("Accepted", "Accepted")];
        let parents = |parents| {
            let controller = "ringway.dev/gateway".into();
            let content = Content::Parents { list, controller, parents };
            Outcome::Status(Arc::new(ObjectStatus { generation: 1, content }))
        };
        let ours = parents(vec![ParentStatus { parent, conditions }]);
        let status = written(&ours, &shown).expect("a status");
        assert_eq!(status[field].as_array().map(Vec::len), Some(2));
        assert_eq!(status[field][0], foreign);
        assert_eq!(status[field][1][reference], json!({"name": "ours"}));
        assert_eq!(written(&ours, &status), None);
        let status = written(&parents(Vec::new()), &status).expect("taken back");
        assert_eq!(status, json!({ field: [foreign] }));
        assert_eq!(written(&parents(Vec::new()), &status), None);
        assert_eq!(written(&parents(Vec::new()), &Value::Null), None);
        // Whoever else wrote meanwhile must not lose it.
        let shown = Shown::Status(Arc::new(Value::Null), "5".into());
        let due = due(&ours, &Addresses::from([]), &shown, Timestamp::UNIX_EPOCH);
        assert!(matches!(due, Some(Written::Status(_, Some(version))) if *version == *"5"));
    }
}
