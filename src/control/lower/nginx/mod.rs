//! Annotations of the ingress-nginx dialect, one file per matter.

mod backend_protocol;
pub(super) mod proxy_ssl;
pub(super) mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::secret::secret_ref;
use crate::control::source::report::{Finding, Report};
use crate::model::{BackendProtocol, Dial, DialTls, ObjectRef};

/// What the names of all annotations of the dialect begin with.
pub(super) const DIALECT: &str = "nginx.ingress.kubernetes.io/";

/// Whether some file here reads the annotation; `name` is without [`DIALECT`].
pub(super) fn is_known(name: &str) -> bool {
    let matters = [&tls::NAMES[..], &backend_protocol::NAMES, &proxy_ssl::NAMES];
    matters.iter().any(|names| names.contains(&name))
}

/// The annotations of one object.
#[derive(Clone, Copy)]
struct Texts<'a>(Option<&'a BTreeMap<String, String>>);

impl<'a> Texts<'a> {
    /// The value under `name`, which is without [`DIALECT`]; an empty one counts as absent.
    fn get(self, name: &str) -> Option<&'a str> {
        let value = self.0?.get(&format!("{DIALECT}{name}"));
        value.map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// How the backends of one Ingress are spoken to.
#[derive(Debug, Clone, Default)]
pub(super) struct Dialect {
    protocol: Option<BackendProtocol>,
    tls: DialTls,
}

impl Dialect {
    /// Reads what the annotations of an Ingress in `namespace` say.
    pub(super) fn parse(
        namespace: &Arc<str>,
        annotations: Option<&BTreeMap<String, String>>,
        report: &mut Report<'_>,
    ) -> Self {
        let texts = Texts(annotations);
        let protocol = backend_protocol::parse(texts, report);
        Self { protocol, tls: proxy_ssl::parse(namespace, texts, report) }
    }

    /// The Secret for connections to backends, whether or not some of them use TLS.
    pub(super) fn secret(&self) -> Option<ObjectRef> {
        let (namespace, name) = self.tls.secret.as_ref()?;
        Some(secret_ref(namespace, name))
    }

    /// What that means for one Service. Two that come to the same are equal, and share a pool.
    pub(super) fn dial(&self, namespace: &str, service: &str) -> Dial {
        let is_clear = self.protocol.is_some_and(|protocol| !protocol.is_tls());
        let mut tls = self.tls.clone();
        if !tls.verify && !tls.sends_server_name {
            tls.server_name = None;
        } else if tls.server_name.is_none() {
            tls.server_name = Some(format!("{service}.{namespace}.svc").into());
        }
        let says_nothing = is_clear || tls == DialTls::default();
        Dial { protocol: self.protocol, tls: (!says_nothing).then(|| Arc::new(tls)) }
    }
}

/// The field of an annotation, for problems.
fn field(name: &str) -> String {
    format!("metadata.annotations.{DIALECT}{name}")
}

fn invalid(name: &str, value: &str, why: &str, advice: &str) -> Finding {
    Finding {
        reason: "InvalidAnnotation",
        field: field(name),
        message: format!("{value:?} cannot be used: {why}"),
        advice: advice.to_owned(),
    }
}

/// A truth value as Go's `strconv.ParseBool` has it.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
