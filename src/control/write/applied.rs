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
/// `addresses`: where clients reach this process; none: not known yet.
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
        Content::Class { conditions, features } => {
            let features: Vec<_> = features.iter().map(|name| json!({ "name": name })).collect();
            json!({
                "conditions": write.conditions(conditions, shown),
                "supportedFeatures": features,
            })
        }
        Content::Gateway { conditions, addresses, listeners, listener_sets } => {
            let addresses = match addresses {
                GatewayAddresses::Own(own) => own.iter().map(ip_address).collect(),
                GatewayAddresses::Published => {
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
        Content::Parents { controller, parents } => {
            let mut entries = Vec::new();
            let old: Vec<&Value> = list(shown, "parents").collect();
            let is_own = |entry: &&&Value| entry["controllerName"].as_str() == Some(controller);
            entries.extend(old.iter().filter(|entry| !is_own(entry)).map(|entry| (*entry).clone()));
            for parent in parents {
                let name = json!(parent.parent);
                let before = old.iter().filter(is_own).find(|entry| entry["parentRef"] == name);
                let before = before.map_or(&Value::Null, |entry| *entry);
                entries.push(json!({
                    "parentRef": name,
                    "controllerName": **controller,
                    "conditions": write.conditions(&parent.conditions, before),
                }));
            }
            json!({ "parents": entries })
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
