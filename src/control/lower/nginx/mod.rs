//! Annotations of the ingress-nginx dialect, one file per matter.

pub(super) mod tls;

/// What the names of all annotations of the dialect begin with.
pub(super) const DIALECT: &str = "nginx.ingress.kubernetes.io/";

/// Whether some file here reads the annotation; `name` is without [`DIALECT`].
pub(super) fn is_known(name: &str) -> bool {
    tls::NAMES.contains(&name)
}

/// A truth value as Go's `strconv.ParseBool` has it.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
