//! Directives about traces.
//!
//! Source: the module of opentelemetry-cpp-contrib, which ingress-nginx loads.

use std::sync::Arc;

use super::meaning::Traced;
use super::reading::{Call, Reading};
use super::simple::switch;
use crate::control::lower::ingress::annotations::telemetry::read_name;
use crate::filter::{IncomingSpans, TracePlan};

impl Traced {
    /// What `inner` says, or else this.
    pub(super) fn around(&self, inner: &Self) -> Self {
        Self {
            is_on: inner.is_on.or(self.is_on),
            incoming: inner.incoming.or(self.incoming),
            name: inner.name.clone().or_else(|| self.name.clone()),
        }
    }

    /// The plan where this is said around a rule with a plan of its own. A rule that is traced says
    /// so itself, and what of its clients is believed, but its spans have a name of its own only
    /// where its owner gives one.
    pub(super) fn under(
        &self,
        rule: Option<&Arc<TracePlan>>,
        general: &TracePlan,
    ) -> Option<Arc<TracePlan>> {
        let Some(own) = rule else { return self.over(None, general) };
        let name = self.name.clone().filter(|_| own.name == general.name);
        Some(match name {
            Some(name) => Arc::new(TracePlan { name: Some(name), ..TracePlan::clone(own) }),
            None => Arc::clone(own),
        })
    }

    /// The plan where this is said within `before`; `general`: how what is not traced would be.
    pub(super) fn over(
        &self,
        before: Option<Arc<TracePlan>>,
        general: &TracePlan,
    ) -> Option<Arc<TracePlan>> {
        if *self == Self::default() {
            return before;
        }
        let is_on = self.is_on.unwrap_or_else(|| before.is_some());
        let base = before.as_deref().unwrap_or(general);
        let incoming = self.incoming.unwrap_or(base.incoming);
        let name = self.name.clone().or_else(|| base.name.clone());
        is_on.then(|| Arc::new(TracePlan { incoming, name }))
    }
}

pub(super) fn on(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    reading.snippet.traced.is_on = Some(switch(call)?);
    Ok(())
}

pub(super) fn incoming(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    reading.snippet.traced.incoming = Some(match switch(call)? {
        true => IncomingSpans::Continued,
        false => IncomingSpans::Ignored,
    });
    Ok(())
}

pub(super) fn name(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let name = read_name(call.word()?).map_err(|why| why.trim_end_matches('.').to_owned())?;
    reading.snippet.traced.name = Some(name);
    Ok(())
}

/// Backends are told of every trace.
pub(super) fn propagate(_: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match call.words[..] {
        [] | ["on"] => Ok(()),
        _ => Err("backends are told in the form of the W3C, and of B3 where clients use it".into()),
    }
}

/// Takes that no fields are put into spans.
pub(super) fn captures(_: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match switch(call)? {
        false => Ok(()),
        true => Err("fields are not put into spans".into()),
    }
}
