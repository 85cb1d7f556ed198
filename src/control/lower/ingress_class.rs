//! IngressClass → which Ingresses are ours.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::LowerOptions;
use crate::control::source::report::{Finding, Report};
use crate::control::store::{Entries, Entry};
use crate::model::{ObjectRef, Problem};

/// Marks the class of Ingresses that name none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// What the IngressClass objects say about Ingresses that name no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Classes {
    /// An Ingress without a class is ours.
    pub classless_are_ours: bool,
}

impl Classes {
    /// Without a class an Ingress belongs to the default class. Where no IngressClass exists at
    /// all, `adopt_classless` decides: a directory of manifests seldom holds one.
    ///
    /// The class's `spec.controller` is not compared: the name decides, as `--ingress-class` says.
    pub(super) fn of(classes: &Entries<IngressClass>, options: &LowerOptions) -> Self {
        let ours = |(reference, entry): (&ObjectRef, &Entry<IngressClass>)| {
            *reference.name == *options.ingress_class && is_default(&entry.object.metadata)
        };
        let classless_are_ours = match classes.is_empty() {
            true => options.adopt_classless,
            false => classes.iter().any(ours),
        };
        Self { classless_are_ours }
    }

    /// Whether an Ingress is ours. The field counts before the older annotation.
    pub(super) fn is_ours(
        self,
        class_name: Option<&str>,
        annotation: Option<&str>,
        options: &LowerOptions,
    ) -> bool {
        match class_name.or_else(|| annotation.filter(|name| !name.is_empty())) {
            Some(name) => name == options.ingress_class,
            None => self.classless_are_ours,
        }
    }
}

fn is_default(metadata: &ObjectMeta) -> bool {
    default_annotation(metadata) == Some("true")
}

fn default_annotation(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(DEFAULT_CLASS).map(String::as_str)
}

/// What is wrong with an IngressClass.
pub(super) fn check(
    reference: &ObjectRef,
    entry: &Entry<IngressClass>,
    options: &LowerOptions,
) -> Vec<Arc<Problem>> {
    let IngressClass { metadata, spec } = &*entry.object;
    let mut report = Report::new(reference, entry.provenance.as_ref());
    if let Some(value) = default_annotation(metadata)
        && !matches!(value, "true" | "false")
    {
        report.warning(Finding {
            reason: "InvalidAnnotation",
            field: format!("metadata.annotations.{DEFAULT_CLASS}"),
            message: format!("{value:?} does not make it the default class."),
            advice: "Write \"true\" or \"false\".".into(),
        });
    }
    if let Some(IngressClassSpec { controller: _, parameters: Some(_) }) = spec
        && *reference.name == *options.ingress_class
    {
        report.warning(Finding {
            reason: "ParametersNotSupported",
            field: "spec.parameters".into(),
            message: "parameters of a class are not supported and have no effect.".into(),
            advice: "Remove them; use flags.".into(),
        });
    }
    report.finish()
}
