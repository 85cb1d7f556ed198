//! `ExternalAuth` of HTTPRoutes → whom each request of a rule is asked about.
//!
//! What cannot be asked as it is written lets nobody in.

use std::sync::Arc;

use super::meaning::Refused;
use super::references::References;
use super::rules::unsupported;
use super::speech::{Speaker, Speech};
use crate::control::gateway_api::http_route::{
    ExternalAuthFilter, ForwardBody, GrpcAuth, HttpAuth,
};
use crate::filter::{
    AuthProtocol, ExternalAuth, SentFields, Statuses, Text, Unnamed, Variable, is_own_field,
    is_token,
};
use crate::limits::{AUTH_NAMES_MAX, COLLECTED_BODY_BYTES_MAX, PATH_BYTES_MAX};
use crate::model::{BackendTarget, ExternalAuthPolicy};

/// Who says whether requests pass.
#[derive(Debug)]
pub(super) enum Doorkeeper {
    /// This server.
    Asked(ExternalAuthPolicy),
    /// Nobody can be asked, which the reference tells: none passes.
    Missing,
}

/// Reads the filter that stands at `field`.
///
/// Source: Gateway API, `HTTPExternalAuthFilter` (GEP-1494).
pub(super) fn read(
    speaker: &Speaker<'_>,
    filter: &ExternalAuthFilter,
    field: &str,
    references: &mut References,
) -> Result<Doorkeeper, Refused> {
    let ExternalAuthFilter { protocol, backend_ref, grpc, http, forward_body } = filter;
    let name = &backend_ref.name;
    let namespace = backend_ref.namespace.as_deref();
    let namespace = namespace.unwrap_or(&speaker.lowering.reference.namespace);
    let host = format!("{name}.{namespace}");
    let (speech, question) = match &**protocol {
        "HTTP" if grpc.is_none() => {
            let config = http.clone().unwrap_or_default();
            (Speech::Http, of_http(&config, &format!("{field}.http"))?)
        }
        "GRPC" if http.is_none() => {
            let config = grpc.clone().unwrap_or_default();
            (Speech::Grpc, of_grpc(&config, &host, &format!("{field}.grpc"))?)
        }
        "HTTP" | "GRPC" => return Err(unsupported(field, "Write http or grpc, as protocol says.")),
        other => {
            let text = format!("{other} is not supported; write HTTP or GRPC.");
            return Err(unsupported(format!("{field}.protocol"), text));
        }
    };
    let body = forward_body.as_ref().and_then(|ForwardBody { max_size }| *max_size);
    let body_bytes_max = usize::try_from(body.unwrap_or_default()).unwrap_or(usize::MAX);
    if body_bytes_max > COLLECTED_BODY_BYTES_MAX {
        let text = format!("It is {COLLECTED_BODY_BYTES_MAX} at most.");
        return Err(unsupported(format!("{field}.forwardBody.maxSize"), text));
    }
    let question = Arc::new(ExternalAuth { body_bytes_max, ..question });
    let field = format!("{field}.backendRef");
    let speaker = Speaker { speech, ..*speaker };
    Ok(match speaker.backend(references, backend_ref, &field) {
        BackendTarget::Service(server) => {
            Doorkeeper::Asked(ExternalAuthPolicy { question, server })
        }
        _ => Doorkeeper::Missing,
    })
}

fn of_http(config: &HttpAuth, field: &str) -> Result<ExternalAuth, Refused> {
    let HttpAuth { path, allowed_headers, allowed_response_headers } = config;
    let prefix = prefix(path.as_deref().unwrap_or_default(), &format!("{field}.path"))?;
    let mut sent = names(allowed_headers, &format!("{field}.allowedHeaders"))?;
    // It goes along whatever is said.
    sent.push("authorization".into());
    let response_field = format!("{field}.allowedResponseHeaders");
    let response_names = names(allowed_response_headers, &response_field)?;
    if let Some(own) = response_names.iter().find(|name| is_own_field(name)) {
        let text = format!("No other server has a say in {own}; remove it.");
        return Err(unsupported(response_field, text));
    }
    let unnamed = match response_names.is_empty() {
        true => Unnamed::Passed,
        false => Unnamed::Withheld,
    };
    Ok(ExternalAuth {
        protocol: AuthProtocol::Http,
        target: Text::literal(&prefix),
        signin: None,
        response_names: response_names.into(),
        unnamed,
        sent: SentFields::Listed(sent.into()),
        body_bytes_max: 0,
        remembered: Box::default(),
        fields: [("Host".into(), Text::of(Variable::Authority))].into(),
        cookies: Statuses::Any,
        cache: None,
    })
}

fn of_grpc(config: &GrpcAuth, host: &str, field: &str) -> Result<ExternalAuth, Refused> {
    let GrpcAuth { allowed_headers } = config;
    let sent = match names(allowed_headers, &format!("{field}.allowedHeaders"))? {
        none if none.is_empty() => SentFields::All,
        listed => SentFields::Listed(listed.into()),
    };
    Ok(ExternalAuth {
        protocol: AuthProtocol::Check,
        target: Text::literal(""),
        signin: None,
        response_names: Box::default(),
        unnamed: Unnamed::Withheld,
        sent,
        body_bytes_max: 0,
        remembered: Box::default(),
        fields: [("Host".into(), Text::literal(host))].into(),
        cookies: Statuses::Any,
        cache: None,
    })
}

/// What stands in front of the paths of requests, which begin with a slash.
fn prefix(path: &str, field: &str) -> Result<String, Refused> {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(c);
    let mut pieces = path.split('%');
    let is_plain = pieces.next().is_some_and(|first| first.chars().all(is_sign));
    let is_encoded = pieces.all(|piece| {
        let digits = piece.get(..2).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        digits && piece.chars().all(is_sign)
    });
    let is_way = path.split('/').all(|part| !matches!(part, "." | ".."));
    if path.len() > PATH_BYTES_MAX || !is_plain || !is_encoded || !is_way {
        return Err(unsupported(field, format!("{path:?} is no path; write one such as /check.")));
    }
    match path.trim_matches('/') {
        "" => Ok(String::new()),
        _ => Ok(format!("/{}", path.trim_end_matches('/').trim_start_matches('/'))),
    }
}

/// Names of fields, in lower case.
fn names(list: &[String], field: &str) -> Result<Vec<Box<str>>, Refused> {
    if list.len() > AUTH_NAMES_MAX {
        return Err(unsupported(field, format!("It has {AUTH_NAMES_MAX} elements at most.")));
    }
    match list.iter().find(|name| !is_token(name.as_bytes())) {
        Some(other) => Err(unsupported(field, format!("{other:?} is no name of a field."))),
        None => Ok(list.iter().map(|name| name.to_ascii_lowercase().into()).collect()),
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use serde_json::{Value, json};

    use super::super::http_route::tests::{http, rules};
    use super::super::meaning::Meaning;
    use super::*;
    use crate::filter::Refusal;
    use crate::model::BackendProtocol;

    fn lowered(mut filter: Value) -> Meaning {
        if filter.get("backendRef").is_none() {
            filter["backendRef"] = json!({"name": "web", "port": 80});
        }
        let filter = json!({"type": "ExternalAuth", "externalAuth": filter});
        let backends = json!([{"name": "web", "port": 80}]);
        http(json!([{"filters": [filter], "backendRefs": backends}]))
    }

    fn policy(filter: Value) -> ExternalAuthPolicy {
        let meaning = lowered(filter);
        assert_eq!(meaning.refused, None);
        rules(&meaning)[0].policies.external_auth.clone().expect("somebody to ask")
    }

    #[test]
    fn a_server_of_http_is_asked_in_the_words_of_the_request() {
        let ExternalAuthPolicy { question, server } = policy(json!({"protocol": "HTTP"}));
        assert_eq!((question.protocol, question.unnamed), (AuthProtocol::Http, Unnamed::Passed));
        assert_eq!(question.sent, SentFields::Listed(["authorization".into()].into()));
        assert_eq!((question.body_bytes_max, server.dial.protocol), (0, None));
        let policy = policy(json!({
            "protocol": "HTTP",
            "http": {"path": "/check/", "allowedHeaders": ["X-A"],
                     "allowedResponseHeaders": ["X-User"]},
            "forwardBody": {"maxSize": 1000},
        }));
        let question = policy.question;
        assert_eq!(question.target.constant(), Some("/check"));
        let sent = ["x-a".into(), "authorization".into()].into();
        assert_eq!(question.sent, SentFields::Listed(sent));
        assert_eq!(*question.response_names, ["x-user".into()]);
        assert_eq!((question.unnamed, question.body_bytes_max), (Unnamed::Withheld, 1000));
    }

    #[test]
    fn a_server_of_grpc_is_told_all_unless_something_is_named() {
        let ExternalAuthPolicy { question, server } = policy(json!({"protocol": "GRPC"}));
        assert_eq!((question.protocol, &question.sent), (AuthProtocol::Check, &SentFields::All));
        assert_eq!(server.dial.protocol, Some(BackendProtocol::Grpc));
        assert_eq!(question.fields[0].1.constant(), Some("web.ns"));
        let question =
            policy(json!({"protocol": "GRPC", "grpc": {"allowedHeaders": ["X-A"]}})).question;
        assert_eq!(question.sent, SentFields::Listed(["x-a".into()].into()));
    }

    #[test]
    fn the_prefix_is_a_path() {
        for (path, expected) in [
            ("", Some("")),
            ("/", Some("")),
            ("/a", Some("/a")),
            ("a/", Some("/a")),
            ("/a/b//", Some("/a/b")),
            ("/a$b%20", Some("/a$b%20")),
            ("/a/../b", None),
            ("/a?b", None),
            ("/a#", None),
            ("/a b", None),
            ("/a%2", None),
            ("/a%zz", None),
            ("/a\r\nX: y", None),
            ("/\u{e4}", None),
        ] {
            assert_eq!(prefix(path, "f").ok().as_deref(), expected, "{path:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_lets_nobody_in() {
        let too_many: Vec<String> = (0..=AUTH_NAMES_MAX).map(|n| format!("x-{n}")).collect();
        for (filter, field) in [
            (json!({"protocol": "TCP"}), "protocol"),
            (json!({"protocol": "HTTP", "grpc": {}}), ""),
            (json!({"protocol": "GRPC", "http": {}}), ""),
            (json!({"protocol": "HTTP", "http": {"path": "/a?b"}}), "http.path"),
            (
                json!({"protocol": "HTTP", "http": {"allowedHeaders": ["a b"]}}),
                "http.allowedHeaders",
            ),
            (
                json!({"protocol": "GRPC", "grpc": {"allowedHeaders": too_many}}),
                "grpc.allowedHeaders",
            ),
            (
                json!({"protocol": "HTTP", "http": {"allowedResponseHeaders": ["Host"]}}),
                "http.allowedResponseHeaders",
            ),
            (
                json!({"protocol": "HTTP", "forwardBody": {"maxSize": 100_000}}),
                "forwardBody.maxSize",
            ),
        ] {
            let text = filter.to_string();
            let meaning = lowered(filter);
            let refused = meaning.refused.as_ref().expect("a reason");
            let place = "spec.rules[0].filters[0].externalAuth";
            let dot = if field.is_empty() { "" } else { "." };
            assert_eq!(refused.field, format!("{place}{dot}{field}"), "{text}");
            assert!(rules(&meaning)[0].policies.refusal.is_some(), "{text}");
        }
        for (reference, reason) in [
            (json!({"name": "none", "port": 80}), "BackendNotFound"),
            (json!({"name": "web", "namespace": "other", "port": 80}), "RefNotPermitted"),
        ] {
            let meaning = lowered(json!({"protocol": "HTTP", "backendRef": reference}));
            assert_eq!(meaning.references.unresolved[0].error.reason(), reason);
            assert_eq!((meaning.refused.as_ref(), &meaning.partial), (None, &None));
            assert_eq!(rules(&meaning)[0].policies.refusal, Some(Refusal::Guard));
        }
    }
}
