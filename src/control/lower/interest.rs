//! What a source has to know of an object before it is lowered: whether it is ours, and which other
//! objects it is to bring along.
//!
//! Sources name no lowering: they are handed this by who starts them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::backends::slices;
use super::configmap::InForce;
use super::configmap::globals::Globals;
use super::gateway::{backend_tls, parents};
use super::ingress::class::Classes;
use super::ingress::spec;
use super::options::LowerOptions;
use crate::control::endpoint_slice::EndpointSlice;
use crate::control::source::interest::{self as source, Choice};
use crate::control::source::object::Object;
use crate::model::ObjectRef;

/// Follows classes and the controller's ConfigMap, and judges its other objects by them.
#[derive(Debug, Clone)]
pub struct Interest {
    options: LowerOptions,
    classes: Classes,
    gateway_classes: BTreeSet<Arc<str>>,
    globals: Globals,
    in_force: InForce,
}

impl Interest {
    /// Neither is known yet.
    #[must_use]
    pub fn new(options: LowerOptions) -> Self {
        Self {
            classes: Classes::of([], &options),
            gateway_classes: BTreeSet::new(),
            globals: Globals::default(),
            in_force: InForce::default(),
            options,
        }
    }
}

impl source::Interest for Interest {
    fn choose(&mut self, choosers: &[(&ObjectRef, &Object)]) -> Choice {
        let classes = choosers.iter().filter_map(|(reference, object)| match object {
            Object::IngressClass(class) => Some((*reference, &**class)),
            _ => None,
        });
        let classes = Classes::of(classes, &self.options);
        let ours = choosers.iter().filter_map(|(reference, object)| match object {
            Object::GatewayClass(class) => {
                parents::is_class(class, &self.options).then(|| Arc::clone(&reference.name))
            }
            _ => None,
        });
        let gateway_classes = ours.collect();
        let globals = self.in_force.globals_of(choosers.iter().copied(), &self.options);
        let is_changed = classes != self.classes
            || gateway_classes != self.gateway_classes
            || !globals.is_same_for_objects(&self.globals);
        (self.classes, self.globals) = (classes, globals);
        self.gateway_classes = gateway_classes;
        if is_changed { Choice::Changed } else { Choice::Same }
    }

    /// A name that no object can have is left out: it is for the author to correct, and goes into
    /// no request.
    fn needs(&self, reference: &ObjectRef, object: &Object) -> BTreeSet<ObjectRef> {
        match object {
            Object::Ingress(ingress) if spec::is_ours(ingress, &self.classes, &self.options) => {
                spec::needs(reference, ingress, &self.globals)
            }
            Object::ConfigMap(_) if Some(reference) == self.options.config_map.as_ref() => {
                self.globals.field_maps.named().cloned().collect()
            }
            Object::Gateway(gateway)
                if self.gateway_classes.contains(&*gateway.spec.gateway_class_name) =>
            {
                parents::gateway_needs(&gateway.spec, &reference.namespace)
            }
            Object::BackendTLSPolicy(policy) if !self.gateway_classes.is_empty() => {
                backend_tls::needs(reference, policy).collect()
            }
            // Of which Gateway it is, its own object says.
            Object::ListenerSet(set) if !self.gateway_classes.is_empty() => {
                parents::needs(&set.spec.listeners, &reference.namespace)
            }
            _ => BTreeSet::new(),
        }
    }

    fn leaves_last_good(&self, reference: &ObjectRef, object: &Object) -> bool {
        match object {
            Object::Ingress(ingress) => {
                spec::is_ours(ingress, &self.classes, &self.options)
                    && !spec::is_usable(reference, ingress, &self.globals)
            }
            _ => false,
        }
    }

    fn is_urgent(&self, old: Option<&Object>, new: Option<&Object>) -> bool {
        slices::removes_endpoints(old.and_then(slice), new.and_then(slice))
    }
}

fn slice(object: &Object) -> Option<&EndpointSlice> {
    match object {
        Object::EndpointSlice(slice) => Some(slice),
        _ => None,
    }
}
