//! GRPCRoute → rules.
//!
//! A call is a request for `/service/method`. What names both is an exact path, what names one or
//! an expression a pattern: so the longer service comes first, then the longer method, as the API
//! has it, whatever else they are.

use super::filters::Steps;
use super::meaning::{Lowering, Meaning, Refused};
use super::rules::{Rules, Work, bounded, unsupported};
use super::sessions;
use super::speech::{Speaker, Speech};
use super::values::fields;
use crate::control::gateway_api::grpc_route::{
    GrpcBackend, GrpcFilter, GrpcMatch, GrpcRouteSpec, GrpcRule, MethodCondition,
};
use crate::control::gateway_api::http_route::HttpFilter;
use crate::control::lower::sessions::tag;
use crate::filter::Binding;
use crate::limits::PATH_BYTES_MAX;
use crate::model::{PathMatch, PathPattern, Pattern, Policies, RequestMatch, WeightedBackend};

/// What the route comes to.
pub(super) fn lower(lowering: Lowering<'_>, spec: &GrpcRouteSpec) -> Meaning {
    // Where it is attached, and to which hosts, is told elsewhere.
    let GrpcRouteSpec { parent_refs: _, hostnames: _, rules, use_default_gateways: _ } = spec;
    let speaker = Speaker { lowering, speech: Speech::Grpc };
    let mut lowered = Rules::new(lowering);
    for (index, rule) in rules.iter().enumerate() {
        let work = work(&speaker, &mut lowered, index, rule);
        lowered.take(index, matches(rule, &format!("spec.rules[{index}].matches")), work);
    }
    lowered.finish()
}

fn matches(rule: &GrpcRule, field: &str) -> Result<Vec<RequestMatch>, Refused> {
    let default = [GrpcMatch::default()];
    let all = if rule.matches.is_empty() { &default[..] } else { &rule.matches };
    let read = |(index, condition): (usize, &GrpcMatch)| {
        let field = format!("{field}[{index}]");
        let GrpcMatch { method, headers } = condition;
        let path = match method {
            Some(method) => path_match(method, &format!("{field}.method"))?,
            None => PathMatch::Prefix("/".into()),
        };
        let fields = fields(headers, &format!("{field}.headers"))?;
        Ok(RequestMatch { fields, ..RequestMatch::path(path) })
    };
    all.iter().enumerate().map(read).collect()
}

fn path_match(condition: &MethodCondition, field: &str) -> Result<PathMatch, Refused> {
    let MethodCondition { type_, service, method } = condition;
    let (service, method) = (text(service.as_ref()), text(method.as_ref()));
    let expression = match type_.as_deref().unwrap_or("Exact") {
        "Exact" => Pattern::escape,
        "RegularExpression" => str::to_owned,
        other => {
            let text = format!("{other} is not supported; write Exact or RegularExpression.");
            return Err(unsupported(format!("{field}.type"), text));
        }
    };
    let is_exact = type_.as_deref() != Some("RegularExpression");
    let source = |part: Option<&str>| part.map_or_else(|| "[^/]+".to_owned(), expression);
    let length = |part: Option<&str>| part.map_or(0, str::len);
    let bytes = length(service).saturating_add(length(method));
    match (service, method) {
        (None, None) => Ok(PathMatch::Prefix("/".into())),
        _ if bytes > PATH_BYTES_MAX => {
            Err(unsupported(field, format!("It has {PATH_BYTES_MAX} characters at most.")))
        }
        (Some(service), Some(method)) if is_exact => {
            Ok(PathMatch::Exact(format!("/{service}/{method}").into()))
        }
        (service, method) => {
            let written = format!("{}/{}", service.unwrap_or("*"), method.unwrap_or("*"));
            let source = format!("^/(?:{})/(?:{})$", source(service), source(method));
            // No method is as long as the difference that a letter of a service makes.
            let weight = length(service).saturating_mul(PATH_BYTES_MAX + 1);
            let weight = weight.saturating_add(length(method));
            let pattern = PathPattern::weighing(weight, &written, &source);
            pattern.map(PathMatch::Regex).map_err(|error| {
                unsupported(field, format!("{written} is no usable expression: {error}."))
            })
        }
    }
}

/// An empty one says nothing.
fn text(part: Option<&String>) -> Option<&str> {
    part.map(String::as_str).filter(|part| !part.is_empty())
}

fn work(
    speaker: &Speaker<'_>,
    rules: &mut Rules<'_>,
    index: usize,
    rule: &GrpcRule,
) -> Result<Work, Refused> {
    let GrpcRule { name: _, matches: _, filters, backend_refs, session_persistence } = rule;
    let field = format!("spec.rules[{index}]");
    let filters = as_http(filters);
    let filters_field = format!("{field}.filters");
    let mut steps = Steps::read(speaker, &filters, &filters_field, &mut rules.references)?;
    let sessions = session_persistence.as_ref();
    let binding =
        sessions.map(|of| sessions::read(&speaker.lowering, rules, index, of)).transpose()?;
    let backends_field = format!("{field}.backendRefs");
    bounded(backend_refs, &backends_field)?;
    let backends = backend_refs.iter().enumerate().map(|(index, backend)| {
        let field = format!("{backends_field}[{index}]");
        weighted(speaker, rules, backend, &field, binding.as_deref())
    });
    let backends = backends.collect::<Result<_, _>>()?;
    let policies = Policies {
        binding,
        mirrors: std::mem::take(&mut steps.mirrors).into(),
        // Calls have no end that anybody knows.
        body_bytes_max: Some(0),
        ..Policies::default()
    };
    Ok(Work { filters: steps.filters(), backends, policies })
}

/// One of the backends, with the steps of calls that go there.
fn weighted(
    speaker: &Speaker<'_>,
    rules: &mut Rules<'_>,
    backend: &GrpcBackend,
    field: &str,
    binding: Option<&Binding>,
) -> Result<WeightedBackend, Refused> {
    let references = &mut rules.references;
    let (filters, filters_field) = (as_http(&backend.filters), format!("{field}.filters"));
    let Steps { edits, mirrors, .. } = Steps::read(speaker, &filters, &filters_field, references)?;
    if !mirrors.is_empty() {
        let text = "RequestMirror is for all backends; write it in the rule's filters.";
        return Err(unsupported(filters_field, text));
    }
    let target = speaker.backend(references, &backend.backend(), field);
    let tag = target.key().and_then(|key| tag(binding, key));
    Ok(WeightedBackend { target, weight: backend.weight.unwrap_or(1), edits, tag })
}

/// Those of a GRPCRoute are some of those of an HTTPRoute.
fn as_http(filters: &[GrpcFilter]) -> Vec<HttpFilter> {
    let as_http = |filter: &GrpcFilter| {
        let GrpcFilter {
            type_,
            request_header_modifier,
            response_header_modifier,
            request_mirror,
            extension_ref,
        } = filter.clone();
        HttpFilter {
            type_,
            request_header_modifier,
            response_header_modifier,
            request_mirror,
            extension_ref,
            ..HttpFilter::default()
        }
    };
    filters.iter().map(as_http).collect()
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::needless_pass_by_value, reason = "a test may fail")]
mod tests {
    use serde_json::{Value, json};

    use super::super::http_route::tests::{lowered, rules, shown};
    use super::*;
    use crate::model::{BackendProtocol, BackendTarget, Kind};

    fn grpc(rules: Value) -> Meaning {
        let spec = serde_json::from_value(json!({"rules": rules})).expect("a spec");
        lowered(Kind::GRPCRoute, |lowering| lower(lowering, &spec))
    }

    #[test]
    fn methods_are_paths() {
        for (method, expected) in [
            (json!(null), "/"),
            (json!({}), "/"),
            (json!({"service": "a.S", "method": "M"}), "=/a.S/M"),
            (json!({"service": "a.S"}), r"~^/(?:a\.S)/(?:[^/]+)$"),
            (json!({"method": "M"}), "~^/(?:[^/]+)/(?:M)$"),
            (
                json!({"type": "RegularExpression", "service": "a.+", "method": "M|N"}),
                "~^/(?:a.+)/(?:M|N)$",
            ),
        ] {
            let meaning = grpc(json!([{"matches": [{"method": method}]}]));
            assert_eq!(shown(rules(&meaning)[0]), [expected], "{method}");
        }
        let meaning = grpc(json!([{"matches": [{"headers": [{"name": "A", "value": "b"}]}]}]));
        assert_eq!(shown(rules(&meaning)[0]), ["/ a=b"]);
        assert_eq!(shown(rules(&grpc(json!([{}])))[0]), ["/"]);
    }

    #[test]
    fn the_longer_service_comes_first_then_the_longer_method() {
        let weight = |method: Value| {
            let meaning = grpc(json!([{"matches": [{"method": method}]}]));
            match &rules(&meaning)[0].matches[0].path {
                PathMatch::Regex(pattern) => pattern.weight(),
                other => panic!("{other:?}"),
            }
        };
        let of = |service: &str, method: &str| {
            let kind = "RegularExpression";
            json!({"type": kind, "service": service, "method": method})
        };
        let ordered = [
            of("abc", ""),
            of("ab", "LongMethod"),
            of("ab", "Short"),
            json!({"service": "ab"}),
            json!({"method": "AnotherLongMethod"}),
            json!({"method": "M"}),
        ];
        assert!(ordered.map(weight).is_sorted_by(|one, other| one > other));
    }

    #[test]
    fn what_is_no_call_is_told() {
        for (rule, field) in [
            (
                json!({"matches": [{"method": {"type": "Prefix", "service": "a"}}]}),
                "matches[0].method.type",
            ),
            (
                json!({"matches": [{"method": {"type": "RegularExpression", "service": "("}}]}),
                "matches[0].method",
            ),
            (json!({"filters": [{"type": "URLRewrite"}]}), "filters[0].type"),
            (json!({"filters": [{"type": "ExtensionRef"}]}), "filters[0].type"),
        ] {
            let refused = grpc(json!([rule])).refused.expect("a reason");
            assert_eq!(refused.field, format!("spec.rules[0].{field}"));
            assert_eq!(refused.reason, "UnsupportedValue");
        }
    }

    #[test]
    fn backends_of_calls_speak_http2() {
        for (service, expected) in [
            ("web", Some(BackendProtocol::Grpc)),
            ("tls", Some(BackendProtocol::Grpcs)),
            ("ws", None),
        ] {
            let meaning = grpc(json!([{"backendRefs": [{"name": service, "port": 80}]}]));
            let target = &rules(&meaning)[0].backends[0].target;
            let protocol = target.key().and_then(|key| key.dial.protocol);
            assert_eq!(protocol, expected, "{service}");
            let reason = meaning.references.unresolved.first().map(|of| of.error.reason());
            assert_eq!(reason, expected.is_none().then_some("UnsupportedProtocol"));
            assert_eq!(*target == BackendTarget::Invalid, expected.is_none());
        }
    }
}
