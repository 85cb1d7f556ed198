//! GRPCRoute → rules.
//!
//! A call is a request for `/service/method`. What names both is an exact path, what names one or
//! an expression a pattern: so the longer service comes first, then the longer method, as the API
//! has it, whatever else they are.

use super::http_route::work;
use super::meaning::{Lowering, Meaning, Refused};
use super::rules::{Matches, Rules, unsupported};
use super::speech::{Speaker, Speech};
use super::values::{fields, widest};
use crate::control::gateway_api::grpc_route::{
    GrpcFilter, GrpcMatch, GrpcRouteSpec, GrpcRule, MethodCondition,
};
use crate::control::gateway_api::http_route::{HttpFilter, HttpRule};
use crate::control::gateway_api::reference::FilteredReference;
use crate::limits::PATH_BYTES_MAX;
use crate::model::{PathMatch, PathPattern, Pattern, RequestMatch};

/// What the route comes to.
pub(super) fn lower(lowering: Lowering<'_>, spec: &GrpcRouteSpec) -> Meaning {
    // Where it is attached, and to which hosts, is told elsewhere.
    let GrpcRouteSpec { parent_refs: _, hostnames: _, rules, use_default_gateways: _ } = spec;
    let speaker = Speaker { lowering, speech: Speech::Grpc };
    let mut lowered = Rules::new(lowering);
    for (index, rule) in rules.iter().enumerate() {
        let work = work(&speaker, &mut lowered, index, &as_http_rule(rule));
        lowered.take(index, matches(rule, &format!("spec.rules[{index}].matches")), work);
    }
    lowered.finish()
}

fn matches(rule: &GrpcRule, field: &str) -> Matches {
    let default = [GrpcMatch::default()];
    let all = if rule.matches.is_empty() { &default[..] } else { &rule.matches };
    let read = |(index, condition): (usize, &GrpcMatch)| {
        let field = format!("{field}[{index}]");
        let GrpcMatch { method, headers } = condition;
        let (path, wrong_path) = match method {
            Some(method) => match path_match(method, &format!("{field}.method")) {
                Ok(path) => (path, None),
                Err(why) => (widest_path(method), Some(why)),
            },
            None => (PathMatch::Prefix("/".into()), None),
        };
        let (fields, wrong_field) = fields(headers, &format!("{field}.headers"));
        (RequestMatch { fields, ..RequestMatch::path(path) }, wrong_path.or(wrong_field))
    };
    all.iter().enumerate().map(read).collect()
}

fn path_match(condition: &MethodCondition, field: &str) -> Result<PathMatch, Refused> {
    let MethodCondition { type_, service, method } = condition;
    let (service, method) = (text(service.as_ref()), text(method.as_ref()));
    let is_exact = match type_.as_deref().unwrap_or("Exact") {
        "Exact" => true,
        "RegularExpression" => false,
        other => {
            let text = format!("{other} is not supported; write Exact or RegularExpression.");
            return Err(unsupported(format!("{field}.type"), text));
        }
    };
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
            let source = |part: Option<&str>| match part {
                None => Ok("[^/]+".to_owned()),
                Some(part) if is_exact => Ok(Pattern::escape(part)),
                Some(part) => PathPattern::check(part).map(|()| part.to_owned()),
            };
            let pattern = source(service).and_then(|service| {
                let source = format!("^/(?:{service})/(?:{})$", source(method)?);
                PathPattern::weighing(weight(condition), &written, &source)
            });
            pattern.map(PathMatch::Regex).map_err(|error| {
                unsupported(field, format!("{written} is no usable expression: {error}."))
            })
        }
    }
}

/// What takes all calls that a condition which cannot be read may have meant.
fn widest_path(condition: &MethodCondition) -> PathMatch {
    match (condition.type_.as_deref(), text(condition.service.as_ref())) {
        (Some("RegularExpression"), Some(service)) if service.len() <= PATH_BYTES_MAX => {
            widest(weight(condition), "/", service)
        }
        _ => widest(weight(condition), "/", ""),
    }
}

/// No method is as long as the difference that a letter of a service makes.
fn weight(condition: &MethodCondition) -> usize {
    let MethodCondition { type_: _, service, method } = condition;
    let of_service = length(text(service.as_ref())).saturating_mul(PATH_BYTES_MAX + 1);
    of_service.saturating_add(length(text(method.as_ref())))
}

fn length(part: Option<&str>) -> usize {
    part.map_or(0, str::len)
}

/// An empty one says nothing.
fn text(part: Option<&String>) -> Option<&str> {
    part.map(String::as_str).filter(|part| !part.is_empty())
}

/// Less its matches: what is done with calls is what is done with requests.
fn as_http_rule(rule: &GrpcRule) -> HttpRule {
    let GrpcRule { name, matches: _, filters, backend_refs, session_persistence } = rule;
    let backend = |backend: &FilteredReference<GrpcFilter>| {
        let FilteredReference { group, kind, name, namespace, port, weight, filters } =
            backend.clone();
        let filters = as_http(&filters);
        FilteredReference { group, kind, name, namespace, port, weight, filters }
    };
    HttpRule {
        name: name.clone(),
        filters: as_http(filters),
        backend_refs: backend_refs.iter().map(backend).collect(),
        session_persistence: session_persistence.clone(),
        ..HttpRule::default()
    }
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
    fn what_cannot_be_read_has_all_that_it_may_be_about() {
        let of = |type_: &str| json!({"type": type_, "service": "a.S(", "method": "M"});
        for (method, expected) in [
            (of("RegularExpression"), "~^/a(?s:.*)$"),
            (of("Prefix"), "~^/(?s:.*)$"),
            (json!({"type": "RegularExpression", "service": "a)|(?:b"}), "~^/(?s:.*)$"),
        ] {
            let meaning = grpc(json!([{"matches": [{"method": method}]}]));
            let rule = rules(&meaning)[0];
            assert_eq!(shown(rule), [expected], "{method}");
            assert!(rule.policies.refusal.is_some());
        }
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
