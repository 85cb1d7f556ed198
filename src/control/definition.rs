//! `CustomResourceDefinition` as it is read: its metadata, which says of what release it is.

use std::borrow::Cow;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, Resource as _};
use serde::Deserialize;

type Whole = v1::CustomResourceDefinition;

/// A kind that was added to an API server (`apiextensions.k8s.io/v1`). Its schema is most of it,
/// and is not even asked for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct CustomResourceDefinition {
    /// `metadata`.
    pub metadata: ObjectMeta,
}

impl k8s_openapi::Resource for CustomResourceDefinition {
    const API_VERSION: &'static str = Whole::API_VERSION;
    const GROUP: &'static str = Whole::GROUP;
    const KIND: &'static str = Whole::KIND;
    const VERSION: &'static str = Whole::VERSION;
    const URL_PATH_SEGMENT: &'static str = Whole::URL_PATH_SEGMENT;
    type Scope = ClusterResourceScope;
}

// That of all types of `k8s_openapi` asks for whole objects.
impl kube::Resource for CustomResourceDefinition {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(_none: &()) -> Cow<'_, str> {
        Whole::KIND.into()
    }

    fn group(_none: &()) -> Cow<'_, str> {
        Whole::GROUP.into()
    }

    fn version(_none: &()) -> Cow<'_, str> {
        Whole::VERSION.into()
    }

    fn plural(_none: &()) -> Cow<'_, str> {
        Whole::URL_PATH_SEGMENT.into()
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
