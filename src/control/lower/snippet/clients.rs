//! Directives about whose a request is, where a proxy in front says it.
//!
//! Source: nginx, module `ngx_http_realip_module`.

use std::sync::Arc;

use super::meaning::Forwarded;
use super::reading::{Call, Reading};
use super::simple::switch;
use crate::filter::{AddressRanges, Believed, FieldEdits, ForwardedPolicy, ListReach};

pub(super) fn real_ip_header(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let name = call.word()?.to_ascii_lowercase();
    if name == "proxy_protocol" {
        reading.idle(call, "whose word of that kind counts is said by the ConfigMap");
        return Ok(());
    }
    FieldEdits::new([], [], [&*name]).map_err(|error| error.to_string())?;
    reading.snippet.forwarded.field = Some(name.into());
    Ok(())
}

pub(super) fn set_real_ip_from(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let ranges = AddressRanges::parse(call.word()?).map_err(|error| error.to_string())?;
    let trusted = reading.snippet.forwarded.trusted.get_or_insert_default();
    *trusted = trusted.and(&ranges);
    Ok(())
}

pub(super) fn real_ip_recursive(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let reach = if switch(call)? { ListReach::Whole } else { ListReach::Last };
    reading.snippet.forwarded.reach = Some(reach);
    Ok(())
}

impl Forwarded {
    /// What `inner` says, or else this.
    pub(super) fn around(&self, inner: &Self) -> Self {
        Self {
            field: inner.field.clone().or_else(|| self.field.clone()),
            trusted: inner.trusted.clone().or_else(|| self.trusted.clone()),
            reach: inner.reach.or(self.reach),
        }
    }

    /// What it makes of what holds for all; `None`: nothing.
    pub(super) fn over(&self, base: &ForwardedPolicy) -> Option<Arc<ForwardedPolicy>> {
        if *self == Self::default() {
            return None;
        }
        let mut policy = base.clone();
        // Where nothing was believed, nothing was said: then nginx has its own defaults.
        if policy.believed == Believed::Nothing {
            policy.believed = Believed::Address;
            policy.trusted = AddressRanges::default();
            policy.field = "x-real-ip".into();
            policy.reach = ListReach::Last;
        }
        policy.trusted = self.trusted.clone().unwrap_or(policy.trusted);
        policy.field = self.field.clone().unwrap_or(policy.field);
        policy.reach = self.reach.unwrap_or(policy.reach);
        Some(Arc::new(policy))
    }
}
