//! IngressClass → which Ingresses are ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::lower::options::LowerOptions;
use crate::control::source::report::{Finding, Report};
use crate::control::store::{Entries, Entry};
use crate::model::{ObjectRef, Problem, reason};

/// Marks the class of Ingresses that name none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// What the IngressClass objects come to. Two that are equal make the same Ingresses ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Classes {
    /// The classes that exist, by name, and whether each is ours.
    known: BTreeMap<Arc<str>, bool>,
    /// An Ingress without a class is ours.
    classless_are_ours: bool,
}

impl Classes {
    /// Reads the IngressClass objects.
    ///
    /// Without a class an Ingress belongs to the default class, whatever its name, if it is ours.
    /// Where no IngressClass exists at all, `adopt_classless` decides: a directory of manifests
    /// seldom holds one.
    pub fn of<'a>(
        classes: impl IntoIterator<Item = (&'a ObjectRef, &'a IngressClass)>,
        options: &LowerOptions,
    ) -> Self {
        let mut known = BTreeMap::new();
        let mut classless_are_ours = options.watch_without_class;
        for (reference, class) in classes {
            let is_ours = is_class_ours(&reference.name, class, options);
            classless_are_ours |= is_ours && is_default(&class.metadata);
            known.insert(Arc::clone(&reference.name), is_ours);
        }
        classless_are_ours |= known.is_empty() && options.adopt_classless;
        Self { known, classless_are_ours }
    }

    /// Whether an Ingress is ours. The field counts before the older annotation.
    ///
    /// A class that is not known, be it deleted or hidden from us, counts by its name: what is
    /// served must not stop because an object of the whole cluster cannot be read. The annotation
    /// is older than IngressClass and means a name first.
    pub(crate) fn is_ours(
        &self,
        class_name: Option<&str>,
        annotation: Option<&str>,
        options: &LowerOptions,
    ) -> bool {
        let is_named = |name: &str| options.class_by_name && name == options.ingress_class;
        let known = |name| self.known.get(name).map(|is_ours| *is_ours || is_named(name));
        match (class_name, annotation.filter(|name| !name.is_empty())) {
            (Some(name), _) => known(name).unwrap_or(name == options.ingress_class),
            (None, Some(name)) => name == options.ingress_class || known(name) == Some(true),
            (None, None) => self.classless_are_ours,
        }
    }
}

/// Whether Ingresses of the class are ours: its controller decides. A directory has no API server
/// that asks for one; there the name decides where it is left out.
fn is_class_ours(name: &str, class: &IngressClass, options: &LowerOptions) -> bool {
    match controller(class) {
        "" if options.adopt_classless => *name == *options.ingress_class,
        controller => *controller == *options.controller_class,
    }
}

fn controller(class: &IngressClass) -> &str {
    class.spec.as_ref().and_then(|spec| spec.controller.as_deref()).unwrap_or_default()
}

fn is_default(metadata: &ObjectMeta) -> bool {
    default_annotation(metadata) == Some("true")
}

fn default_annotation(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(DEFAULT_CLASS).map(String::as_str)
}

/// What is wrong with each IngressClass. Those of other controllers are told only what keeps our
/// Ingresses from being served.
pub(crate) fn check<'a>(
    classes: &'a Entries<IngressClass>,
    options: &LowerOptions,
) -> impl Iterator<Item = (&'a ObjectRef, Vec<Arc<Problem>>)> {
    let is_ours = |reference: &ObjectRef, entry: &Entry<IngressClass>| {
        is_class_ours(&reference.name, &entry.object, options)
    };
    let defaults = || classes.iter().filter(|(_, entry)| is_default(&entry.object.metadata));
    let concerns_us = defaults().any(|(reference, entry)| is_ours(reference, entry));
    let names: Vec<_> = defaults().filter(|_| concerns_us).map(|(r, _)| &*r.name).collect();
    classes.iter().map(move |(reference, entry)| {
        let mut report = Report::new(reference, entry.provenance.as_ref());
        if is_ours(reference, entry) {
            check_ours(&entry.object, &mut report);
        } else if *reference.name == *options.ingress_class {
            report.warning(controller_mismatch(&entry.object, options));
        }
        if is_default(&entry.object.metadata) && names.len() > 1 {
            report.warning(several_default_classes(&names));
        }
        (reference, report.finish())
    })
}

fn check_ours(class: &IngressClass, report: &mut Report<'_>) {
    let IngressClass { metadata, spec } = class;
    if let Some(value) = default_annotation(metadata)
        && !matches!(value, "true" | "false")
    {
        report.warning(Finding {
            reason: reason!("InvalidAnnotation"),
            field: format!("metadata.annotations.{DEFAULT_CLASS}"),
            message: format!("{value:?} does not make it the default class."),
            advice: "Write \"true\" or \"false\".".into(),
        });
    }
    if let Some(IngressClassSpec { controller: _, parameters: Some(_) }) = spec {
        report.warning(Finding {
            reason: reason!("ParametersNotSupported"),
            field: "spec.parameters".into(),
            message: "parameters of a class are not supported and have no effect.".into(),
            advice: "Remove them; use flags.".into(),
        });
    }
}

fn controller_mismatch(class: &IngressClass, options: &LowerOptions) -> Finding {
    Finding {
        reason: reason!("ControllerMismatch"),
        field: "spec.controller".into(),
        message: format!(
            "it is the class of --ingress-class, but its controller is {:?} and ours is {:?}; \
             Ingresses that name it in spec.ingressClassName are not served.",
            controller(class),
            options.controller_class,
        ),
        advice: "Make a class with our controller, or start Ringway with --controller-class and \
                 the value that stands here, if no other controller uses it."
            .into(),
    }
}

fn several_default_classes(names: &[&str]) -> Finding {
    // Enough to find the others.
    let shown = names.get(..8).unwrap_or(names).join(", ");
    Finding {
        reason: reason!("SeveralDefaultClasses"),
        field: format!("metadata.annotations.{DEFAULT_CLASS}"),
        message: format!(
            "{} classes are marked as the default ({shown}); several controllers may serve an \
             Ingress without a class.",
            names.len(),
        ),
        advice: "Leave the mark on one of them.".into(),
    }
}
