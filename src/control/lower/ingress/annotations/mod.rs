//! Annotations of the ingress-nginx dialect, one file per matter.

mod backend_protocol;
mod canary;
pub(in super::super) mod guards;
pub(in super::super) mod proxy_ssl;
pub(in super::super) mod regex_path;
mod snippet;
mod table;
pub(in super::super) mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::lower::secrets::secret_ref;
use crate::control::source::report::{Finding, Report};
use crate::model::{BackendProtocol, Dial, DialTls, ObjectRef};

/// What the names of all annotations of the dialect begin with.
const DIALECT: &str = "nginx.ingress.kubernetes.io/";

/// The annotations of one object.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a>(pub Option<&'a BTreeMap<String, String>>);

impl<'a> Texts<'a> {
    /// The value under `name`, which is without [`DIALECT`]; an empty one counts as absent.
    ///
    /// INVARIANT: the table of annotations has it as one that is read.
    fn get(self, name: &str) -> Option<&'a str> {
        debug_assert!(
            table::find(name).is_some_and(|known| known.support == table::Support::Read),
            "{name} is read, which its row in the table does not say"
        );
        let value = self.0?.get(&format!("{DIALECT}{name}"));
        value.map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// How the backends of one Ingress are spoken to, and what its paths mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dialect {
    /// It repeats hosts and paths of another Ingress, and has none of its own.
    pub is_canary: bool,
    /// Its paths are regular expressions.
    pub has_regex_paths: bool,
    protocol: Option<BackendProtocol>,
    tls: DialTls,
}

impl Dialect {
    /// Reads what the annotations of an Ingress in `namespace` say.
    pub(crate) fn parse(
        namespace: &Arc<str>,
        annotations: Option<&BTreeMap<String, String>>,
        report: &mut Report<'_>,
    ) -> Self {
        let texts = Texts(annotations);
        Self {
            is_canary: canary::parse(texts, report),
            has_regex_paths: regex_path::is_wanted(texts),
            protocol: backend_protocol::parse(texts, report),
            tls: proxy_ssl::parse(namespace, texts, report),
        }
    }

    /// The Secret for connections to backends, whether or not some of them use TLS.
    pub(crate) fn secret(&self) -> Option<ObjectRef> {
        let (namespace, name) = self.tls.secret.as_ref()?;
        Some(secret_ref(namespace, name))
    }

    /// What that means for one Service. Two that come to the same are equal, and share a pool.
    pub(crate) fn dial(&self, namespace: &str, service: &str) -> Dial {
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

/// The same, of the whole name.
pub(crate) fn field_of(key: &str) -> String {
    format!("metadata.annotations.{key}")
}

fn invalid(name: &str, value: &str, why: &str, advice: &str) -> Finding {
    Finding {
        reason: "InvalidAnnotation",
        field: field(name),
        message: format!("{value:?} cannot be used: {why}"),
        advice: advice.to_owned(),
    }
}

/// A value that ingress-nginx takes for another one.
fn taken_for(name: &str, value: &str, meaning: &str, advice: &str) -> Finding {
    Finding {
        message: format!("{value:?} is taken for {meaning}, as in ingress-nginx."),
        ..invalid(name, value, "", advice)
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
