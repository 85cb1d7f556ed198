//! An ingress-nginx in a cluster, asked once: what runs it, and what it serves, for `ringway
//! migrate`. No Secret is read, and nothing is written.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::lower::LowerOptions;
use super::source::manifest::Workload;
use super::source::object::Stored;
use super::survey::{Reading, Unanswered, list, source};
use crate::model::{Kind, ObjectRef};

/// What makes pods, and what says how many.
#[derive(Debug, Default)]
pub struct Workloads {
    /// In no order.
    pub all: Vec<Workload>,
    /// Kinds that could not be read in full, and why.
    pub unread: Vec<(&'static str, Unanswered)>,
}

/// Reads Deployments and DaemonSets that `is_wanted`, and what scales or guards pods.
pub async fn workloads(client: &Client, is_wanted: fn(&Value) -> bool) -> Workloads {
    let mut found = Workloads::default();
    found.read::<Deployment>(client, is_wanted).await;
    found.read::<DaemonSet>(client, is_wanted).await;
    found.read::<HorizontalPodAutoscaler>(client, |_| true).await;
    found.read::<PodDisruptionBudget>(client, |_| true).await;
    found
}

impl Workloads {
    async fn read<K>(&mut self, client: &Client, is_wanted: fn(&Value) -> bool)
    where
        K: Resource<DynamicType = ()> + k8s_openapi::Resource + Serialize,
        K: Clone + Debug + DeserializeOwned,
    {
        let keep = |mut object: K| {
            object.meta_mut().managed_fields = None;
            let object = serde_json::to_value(object).ok().filter(is_wanted)?;
            Some(Workload { kind: K::KIND, position: None, object })
        };
        match list(Api::<K>::all(client.clone()), &ListParams::default(), keep).await {
            Ok(found) => self.all.extend(found),
            Err(error) => self.unread.push((K::KIND, error)),
        }
    }
}

/// Reads Ingresses, their classes, Services, and the ConfigMaps that flags, the ConfigMap of the
/// controller and Ingresses name.
pub async fn objects(client: &Client, options: &LowerOptions) -> Reading {
    let mut reading = Reading::default();
    whole::<IngressClass>(client, &mut reading).await;
    whole::<Ingress>(client, &mut reading).await;
    whole::<Service>(client, &mut reading).await;
    let is_map = |object: &ObjectRef| object.kind == Kind::ConfigMap;
    reading.follow(client, options, is_map).await;
    reading
}

/// With all that is written in them: values of a chart are made of it.
async fn whole<K: Stored>(client: &Client, reading: &mut Reading) {
    let keep = |mut object: K| {
        object.meta_mut().managed_fields = None;
        source(object)
    };
    match list(Api::<K>::all(client.clone()), &ListParams::default(), keep).await {
        Ok(found) => reading.objects.extend(found),
        Err(error) => reading.unread.push((K::KIND, error)),
    }
}
