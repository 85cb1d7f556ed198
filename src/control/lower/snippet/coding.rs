//! Directives about the compression of answers.
//!
//! Source: nginx, module `ngx_http_gzip_filter_module`; `ngx_brotli`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::meaning::{CodingEdits, Codings};
use super::reading::{Call, Reading};
use super::simple::{size, switch};
use crate::control::lower::configmap::compression::media_types;
use crate::control::lower::regex_path::{self, Case};
use crate::filter::{CodingPolicy, MediaTypes};
use crate::limits::USER_AGENT_PATTERN_BYTES_MAX;
use crate::model::CompressionPolicy;

/// What a directive is about.
fn edits<'r>(reading: &'r mut Reading<'_>, call: &Call<'_>) -> &'r mut CodingEdits {
    let Codings { gzip, brotli, .. } = &mut reading.snippet.codings;
    if call.name.starts_with("brotli") { brotli } else { gzip }
}

pub(super) fn on(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    edits(reading, call).is_on = Some(switch(call)?);
    Ok(())
}

pub(super) fn level(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let range: RangeInclusive<u8> = if call.name.starts_with("brotli") { 0..=11 } else { 1..=9 };
    let level = call.word()?.parse().ok().filter(|level| range.contains(level));
    let (least, most) = (range.start(), range.end());
    edits(reading, call).level =
        Some(level.ok_or_else(|| format!("it is no number from {least} to {most}"))?);
    Ok(())
}

pub(super) fn length(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    edits(reading, call).bytes_min = Some(size(call.word()?)?);
    Ok(())
}

pub(super) fn types(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    edits(reading, call).types = Some(media_types(&call.words.join(" "))?);
    Ok(())
}

pub(super) fn disable(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let text = call.words.join("|");
    if text.is_empty() || text.len() > USER_AGENT_PATTERN_BYTES_MAX {
        return Err(format!("it takes expressions of {USER_AGENT_PATTERN_BYTES_MAX} octets"));
    }
    let text = text.replace("msie6", r"MSIE [4-6]\.");
    let pattern = regex_path::somewhere(&text, Case::Ignored).map_err(|why| why.to_string())?;
    reading.snippet.codings.gzip_refused = Some(pattern);
    Ok(())
}

impl Codings {
    /// What `inner` says, or else these.
    pub(super) fn around(&self, inner: &Self) -> Self {
        let one = |outer: &CodingEdits, inner: &CodingEdits| CodingEdits {
            is_on: inner.is_on.or(outer.is_on),
            level: inner.level.or(outer.level),
            bytes_min: inner.bytes_min.or(outer.bytes_min),
            types: inner.types.clone().or_else(|| outer.types.clone()),
        };
        Self {
            gzip: one(&self.gzip, &inner.gzip),
            brotli: one(&self.brotli, &inner.brotli),
            gzip_refused: inner.gzip_refused.clone().or_else(|| self.gzip_refused.clone()),
        }
    }

    /// What they make of what holds for all; `None`: nothing.
    pub(super) fn over(&self, base: &CompressionPolicy) -> Option<Arc<CompressionPolicy>> {
        if *self == Self::default() {
            return None;
        }
        let mut policy = base.clone();
        self.gzip.put(&mut policy.codings.gzip, 1);
        self.brotli.put(&mut policy.codings.brotli, 6);
        policy.gzip_refused = self.gzip_refused.clone().or(policy.gzip_refused);
        Some(Arc::new(policy))
    }
}

/// Shortest body that nginx compresses.
const SHORTEST: u64 = 20;

impl CodingEdits {
    /// Puts it over `policy`. Of a coding that is off nothing was said: nginx has its own defaults,
    /// and not those of ingress-nginx.
    fn put(&self, policy: &mut CodingPolicy, level: u8) {
        if !policy.is_on {
            *policy = CodingPolicy {
                is_on: false,
                level,
                bytes_min: SHORTEST,
                types: MediaTypes::new([]),
            };
        }
        policy.is_on = self.is_on.unwrap_or(policy.is_on);
        policy.level = self.level.unwrap_or(policy.level);
        policy.bytes_min = self.bytes_min.unwrap_or(policy.bytes_min);
        if let Some(types) = &self.types {
            policy.types = types.clone();
        }
    }
}
