//! States of objects whose status is made of conditions: what they are to show, as plain data.
//!
//! Source: Gateway API, types of `apis/v1` and `metav1.Condition`. When a state came about is no
//! part of it; who writes it compares it with what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::gateway_api::reference::ParentReference;
use crate::model::Kind;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Such as `Accepted`.
    pub name: &'static str,
    /// Whether it holds.
    pub truth: Truth,
    /// CamelCase word.
    pub reason: &'static str,
    /// For people: what is wrong, and what to write. Empty: nothing.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
}

impl Condition {
    /// A condition that holds.
    #[must_use]
    pub fn holds(name: &'static str, reason: &'static str) -> Self {
        Self { name, truth: Truth::True, reason, message: String::new() }
    }

    /// A condition that does not hold.
    #[must_use]
    pub fn fails(name: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { name, truth: Truth::False, reason, message: message.into() }
    }

    /// Whether it holds.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.truth == Truth::True
    }
}

/// What an object is to show of the version that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStatus {
    /// `metadata.generation`; 0: the object is not of an API server.
    pub generation: i64,
    /// The rest.
    pub content: Content,
}

impl ObjectStatus {
    /// Whether it has something to show of some parent.
    #[must_use]
    pub fn has_parents(&self) -> bool {
        matches!(&self.content, Content::Parents { parents, .. } if !parents.is_empty())
    }
}

/// What an object is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Of a GatewayClass.
    Class {
        /// Conditions.
        conditions: Vec<Condition>,
        /// `supportedFeatures`, sorted.
        features: Vec<&'static str>,
        /// Decides on its finalizer.
        used: ClassUse,
    },
    /// Of a Gateway.
    Gateway {
        /// Conditions.
        conditions: Vec<Condition>,
        /// Where clients reach it.
        addresses: GatewayAddresses,
        /// One for each listener, in order.
        listeners: Vec<ListenerStatus>,
        /// ListenerSets that are attached and accepted.
        listener_sets: u32,
        /// What leads clients there; `None`: nothing is made for it.
        service: Option<Arc<GatewayService>>,
    },
    /// Of a ListenerSet.
    ListenerSet {
        /// Conditions.
        conditions: Vec<Condition>,
        /// One for each listener, in order.
        listeners: Vec<ListenerStatus>,
    },
    /// Of a route or a policy, on each way through a Gateway.
    Parents {
        /// Which of both.
        list: ParentList,
        /// Whose entries these are; others' are left alone.
        controller: Arc<str>,
        /// In order.
        parents: Vec<ParentStatus>,
    },
}

/// Whether Gateways use a GatewayClass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassUse {
    /// Some do.
    Used,
    /// None does, as far as is known.
    Unused,
}

/// What the list of an object's parents is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentList {
    /// `parents`, of a route.
    Parents,
    /// `ancestors`, of a policy.
    Ancestors,
}

impl ParentList {
    /// The field of the list, and that of its elements which names the parent.
    #[must_use]
    pub const fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Parents => ("parents", "parentRef"),
            Self::Ancestors => ("ancestors", "ancestorRef"),
        }
    }
}

/// Addresses of a Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAddresses {
    /// These.
    Own(Vec<IpAddr>),
    /// Those of the whole process, as the status of Ingresses has them.
    Published,
    /// Those of its Service.
    OfService,
}

/// A Service that is made for a Gateway.
///
/// Source: Gateway API, `GatewayInfrastructure`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayService {
    /// GatewayClass.
    pub class: Box<str>,
    /// What the Gateway wants its labels to be.
    pub labels: BTreeMap<String, String>,
    /// The same of annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where its listeners are; at least one.
    pub ports: BTreeSet<(u16, Carrier)>,
}

/// What carries the traffic of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerStatus {
    /// `name`.
    pub name: Box<str>,
    /// Kinds of routes that it takes.
    pub kinds: Vec<Kind>,
    /// `attachedRoutes`.
    pub attached: u32,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// What became of a route at one parent, or of a policy on one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentStatus {
    /// As the route has it.
    pub parent: ParentReference,
    /// Conditions.
    pub conditions: Vec<Condition>,
}
