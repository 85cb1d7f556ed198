//! What the backends of an Ingress speak, as an annotation says it.

use super::{Texts, invalid};
use crate::control::source::report::Report;
use crate::model::BackendProtocol;

const BACKEND_PROTOCOL: &str = "backend-protocol";

/// Reads the annotation; `None`: it is absent, so the Service port says. As in ingress-nginx, case
/// does not matter and what is not known is HTTP.
pub(crate) fn parse(texts: Texts<'_>, report: &mut Report<'_>) -> Option<BackendProtocol> {
    let text = texts.get(BACKEND_PROTOCOL)?;
    Some(match text.to_ascii_uppercase().as_str() {
        "HTTP" | "AUTO_HTTP" => BackendProtocol::Http,
        "HTTPS" => BackendProtocol::Https,
        "GRPC" => BackendProtocol::Grpc,
        "GRPCS" => BackendProtocol::Grpcs,
        _ => {
            let advice = "Write HTTP, HTTPS, GRPC or GRPCS; until then HTTP is spoken.";
            report.error(invalid(BACKEND_PROTOCOL, text, "it is not supported.", advice));
            BackendProtocol::Http
        }
    })
}
