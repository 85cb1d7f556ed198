//! What a watch tells of one object.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;

use crate::control::observed::Shown;
use crate::control::source::object::{Object, Stored};
use crate::model::{Kind, ObjectRef};

/// An object.
#[derive(Clone, PartialEq)]
pub(super) struct Item {
    /// Kind, namespace, name.
    pub reference: ObjectRef,
    /// The rest.
    pub content: Content,
}

/// What is kept of an object. No `Debug`: it may hold a private key.
#[derive(Clone, PartialEq)]
pub(super) enum Content {
    /// For the store, and what its status shows.
    Object(Object, Shown),
    /// An object of this `metadata.resourceVersion` exists.
    Version(Box<str>),
}

/// A type that a watch tells of.
pub(super) trait Watched:
    kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind.
    const KIND: Kind;

    /// What is kept.
    fn content(self) -> Content;

    /// Kind, namespace, name; `None`: it has no name, which no server sends.
    fn reference(&self) -> Option<ObjectRef> {
        let ObjectMeta { name, namespace, .. } = self.meta();
        let name = name.as_deref().filter(|name| !name.is_empty())?;
        let namespace = namespace.as_deref().unwrap_or_default();
        Some(ObjectRef { kind: Self::KIND, namespace: namespace.into(), name: name.into() })
    }

    /// All of it.
    fn item(self) -> Option<Item> {
        Some(Item { reference: self.reference()?, content: self.content() })
    }
}

impl<K: Stored> Watched for K {
    const KIND: Kind = <K as Stored>::KIND;

    fn content(mut self) -> Content {
        let shown = self.take_shown();
        Content::Object(Self::wrap(Arc::new(self.trim())), shown)
    }
}

/// Of kinds of which only what others name is read.
impl<K: Stored> Watched for PartialObjectMeta<K> {
    const KIND: Kind = <K as Stored>::KIND;

    fn content(self) -> Content {
        Content::Version(self.metadata.resource_version.unwrap_or_default().into())
    }
}
