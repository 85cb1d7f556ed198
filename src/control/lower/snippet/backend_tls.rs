//! Directives about TLS towards backends.

use super::meaning::Change;
use super::reading::{Call, Reading};
use super::simple::switch;
use crate::control::lower::ingress::annotations::backend_tls::parse_versions;
use crate::control::lower::ingress::annotations::cipher_list;

pub(super) fn name(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let name = call.word()?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_known) {
        return Err("it is no name of a host; variables are not supported there".into());
    }
    reading.snippet.changes.push(Change::TlsName(name.into()));
    Ok(())
}

pub(super) fn sends_name(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let sends = switch(call)?;
    reading.snippet.changes.push(Change::SendsTlsName(sends));
    Ok(())
}

/// Whom to believe is said by proxy-ssl-secret: without it nothing can be verified.
pub(super) fn verify(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let verifies = switch(call)?;
    reading.snippet.changes.push(Change::VerifiesTls(verifies));
    Ok(())
}

pub(super) fn depth(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let depth = call.word()?.parse().ok().ok_or("it is no number up to 255")?;
    reading.snippet.changes.push(Change::TlsDepth(depth));
    Ok(())
}

pub(super) fn protocols(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let known = ["TLSv1.2", "TLSv1.3"];
    let old = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"];
    let spoken = call.words.iter().copied().filter(|word| !old.contains(word));
    let spoken: Vec<_> = spoken.collect();
    if spoken.is_empty() || !spoken.iter().all(|word| known.contains(word)) {
        return Err("it names neither TLSv1.2 nor TLSv1.3, or something else".into());
    }
    let version = parse_versions(&spoken.join(" ")).ok_or("it has other words than versions")?;
    reading.snippet.changes.push(Change::TlsVersion(version));
    Ok(())
}

pub(super) fn ciphers(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let suites = cipher_list::suites(call.word()?);
    if suites.is_empty() {
        return Err("there is none of these suites".into());
    }
    reading.snippet.changes.push(Change::TlsSuites(suites.into()));
    Ok(())
}

/// Files are no business of authors.
pub(super) fn file(_: &mut Reading<'_>, _: &Call<'_>) -> Result<(), String> {
    Err("certificates are named by proxy-ssl-secret".into())
}
