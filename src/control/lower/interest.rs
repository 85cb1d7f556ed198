//! What a source has to know of an object before it is lowered: whether it is ours, and which other
//! objects it is to bring along.
//!
//! Sources name no lowering: they are handed this by who starts them.

use std::collections::BTreeSet;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::IngressClass;

use super::backends::slices;
use super::ingress::class::Classes;
use super::ingress::spec;
use super::options::LowerOptions;
use crate::control::source::Object;
use crate::model::ObjectRef;

/// Follows the IngressClasses of the source, and judges its other objects by them.
#[derive(Debug, Clone)]
pub struct Interest {
    options: LowerOptions,
    classes: Classes,
}

impl Interest {
    /// No IngressClass is known yet.
    #[must_use]
    pub fn new(options: LowerOptions) -> Self {
        Self { classes: Classes::of([], &options), options }
    }

    /// Takes all IngressClasses that there are. Whether other objects may be ours now.
    pub fn set_classes<'a>(
        &mut self,
        classes: impl IntoIterator<Item = (&'a ObjectRef, &'a IngressClass)>,
    ) -> bool {
        let classes = Classes::of(classes, &self.options);
        let is_changed = classes != self.classes;
        self.classes = classes;
        is_changed
    }

    /// Every object that lowering `object` may read because it is named there; none if it is not
    /// ours. A name that no object can have is left out: it is for the author to correct, and goes
    /// into no request.
    #[must_use]
    pub fn needs(&self, reference: &ObjectRef, object: &Object) -> BTreeSet<ObjectRef> {
        match object {
            Object::Ingress(ingress) if spec::is_ours(ingress, &self.classes, &self.options) => {
                spec::secret_references(reference, ingress)
            }
            _ => BTreeSet::new(),
        }
    }

    /// Whether nothing of `object`, which is ours, can be used: its last good version stays in
    /// force, and needs what it needed.
    #[must_use]
    pub fn leaves_last_good(&self, reference: &ObjectRef, object: &Object) -> bool {
        match object {
            Object::Ingress(ingress) => {
                spec::is_ours(ingress, &self.classes, &self.options)
                    && !spec::is_usable(reference, ingress)
            }
            _ => false,
        }
    }

    /// Whether requests must be kept from an address that they may reach by `old`, so that `new`
    /// cannot wait.
    #[must_use]
    pub fn is_urgent(old: Option<&EndpointSlice>, new: Option<&EndpointSlice>) -> bool {
        slices::removes_endpoints(old, new)
    }
}
