//! What the sessions of a rule are: the path of their cookie, and what they call its backend.

use std::sync::Arc;

use md5::{Digest, Md5};

use crate::filter::{Binding, SessionCookie};
use crate::model::{BackendKey, BackendTarget, WeightedBackend};

/// What binds the requests of a rule whose path is written so. As in ingress-nginx a cookie is for
/// that path, be it an expression, where nothing else is said.
pub(super) fn of_rule(binding: &Arc<Binding>, path: &str) -> Arc<Binding> {
    match &**binding {
        Binding::Session(cookie) if cookie.path.is_none() => {
            let is_usable = path.bytes().all(|b| b.is_ascii_graphic() && b != b';');
            let path = if is_usable { path } else { "/" };
            let cookie = SessionCookie { path: Some(path.into()), ..cookie.clone() };
            Arc::new(Binding::Session(cookie))
        }
        Binding::Session(_) | Binding::Header(_) | Binding::Hash(_) => Arc::clone(binding),
    }
}

/// All requests of a rule go to `target`, by which name its sessions may call it.
pub(super) fn tagged(target: BackendTarget, binding: Option<&Binding>) -> WeightedBackend {
    let tag = target.key().and_then(|key| tag(binding, key));
    WeightedBackend { tag, ..WeightedBackend::only(target) }
}

/// What cookies call a backend, as in ingress-nginx, so that theirs are known.
pub(super) fn tag(binding: Option<&Binding>, key: &BackendKey) -> Option<Arc<str>> {
    binding.filter(|binding| binding.is_session())?;
    let name = format!("{}-{}-{}", key.namespace, key.service, key.port);
    Some(digest(&(digest(&name) + &name)).into())
}

fn digest(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{OnFailure, Secure, SessionMode};
    use crate::model::{Dial, PortRef};

    fn session(path: Option<&str>) -> Arc<Binding> {
        Arc::new(Binding::Session(SessionCookie {
            name: "route".into(),
            mode: SessionMode::Balanced,
            on_failure: OnFailure::Kept,
            path: path.map(Into::into),
            domain: None,
            expires: None,
            max_age: None,
            secure: Secure::OverHttps,
            same_site: None,
        }))
    }

    #[test]
    fn a_cookie_is_for_the_path_of_its_rule() {
        for (said, path, expected) in [
            (None, "/", "/"),
            (None, "/shop", "/shop"),
            (None, "/shop(/|$)(.*)", "/shop(/|$)(.*)"),
            (None, "/a;b", "/"),
            (None, "/a b", "/"),
            (None, "/\u{e4}", "/"),
            (Some("/said"), "/shop", "/said"),
        ] {
            assert_eq!(*of_rule(&session(said), path), *session(Some(expected)), "{path}");
        }
    }

    /// Made by the formula of the source in another language.
    #[test]
    fn backends_are_called_as_in_ingress_nginx() {
        let mut key = BackendKey {
            namespace: "default".into(),
            service: "web".into(),
            port: PortRef::Number(80),
            dial: Dial::default(),
        };
        let tag = |key: &BackendKey| tag(Some(&session(None)), key).map(|tag| tag.to_string());
        assert_eq!(tag(&key).as_deref(), Some("6cde5721ec2c7e2bce07cff7d0e4ac37"));
        key.port = PortRef::Name("http".into());
        assert_ne!(tag(&key).as_deref(), Some("6cde5721ec2c7e2bce07cff7d0e4ac37"));
    }
}
