//! HTTPRoute → rules.

use super::external_auth::Doorkeeper;
use super::filters::Steps;
use super::meaning::{Lowering, Meaning, Refused};
use super::rules::{Matches, Rules, Work, bounded, unsupported};
use super::sessions::{self, time};
use super::speech::{Speaker, Speech};
use super::values::{fields, query, whole, widest};
use crate::control::gateway_api::http_route::{
    HttpFilter, HttpMatch, HttpRetry, HttpRouteSpec, HttpRule, HttpTimeouts, PathCondition,
};
use crate::control::gateway_api::reference::FilteredReference;
use crate::control::lower::path::{PathType, RawPath};
use crate::control::lower::sessions::tag;
use crate::filter::Binding;
use crate::limits::{PATH_BYTES_MAX, RETRY_PAUSE};
use crate::model::{
    BackendTarget, Exhausted, PathMatch, PathPattern, Policies, Refusal, RequestMatch, RetryCause,
    RetryCauses, RetryPolicy, Timeouts, WeightedBackend,
};

/// Tries that a rule wants repeated without a word on how often.
const ATTEMPTS: u32 = 2;

/// What the route comes to.
pub(super) fn lower(lowering: Lowering<'_>, spec: &HttpRouteSpec) -> Meaning {
    // Where it is attached, and to which hosts, is told elsewhere.
    let HttpRouteSpec { parent_refs: _, hostnames: _, rules, use_default_gateways: _ } = spec;
    let speaker = Speaker { lowering, speech: Speech::Http };
    let mut lowered = Rules::new(lowering);
    // What an API server writes where there is none.
    let default = [HttpRule::default()];
    let rules = if rules.is_empty() { &default[..] } else { rules };
    for (index, rule) in rules.iter().enumerate() {
        let work = work(&speaker, &mut lowered, index, rule);
        lowered.take(index, matches(rule, &format!("spec.rules[{index}].matches")), work);
    }
    lowered.finish()
}

fn matches(rule: &HttpRule, field: &str) -> Matches {
    let default = [HttpMatch::default()];
    let all = if rule.matches.is_empty() { &default[..] } else { &rule.matches };
    let read = |(index, condition): (usize, &HttpMatch)| {
        let field = format!("{field}[{index}]");
        let HttpMatch { path, headers, query_params, method } = condition;
        let (path, wrong_path) = match path_match(path.as_ref(), &format!("{field}.path")) {
            Ok(path) => (path, None),
            Err(why) => (widest_path(path.as_ref()), Some(why)),
        };
        let (fields, wrong_field) = fields(headers, &format!("{field}.headers"));
        let (query, wrong_query) = query(query_params, &format!("{field}.queryParams"));
        let method = method.as_deref().map(Into::into);
        (RequestMatch { path, method, fields, query }, wrong_path.or(wrong_field).or(wrong_query))
    };
    all.iter().enumerate().map(read).collect()
}

/// What takes all that a condition which cannot be read may have meant.
fn widest_path(condition: Option<&PathCondition>) -> PathMatch {
    let value = condition.and_then(|path| path.value.as_deref()).unwrap_or_default();
    match condition.and_then(|path| path.type_.as_deref()).unwrap_or("PathPrefix") {
        _ if value.len() >= PATH_BYTES_MAX => PathMatch::Prefix("/".into()),
        "RegularExpression" => widest(value.len(), "", value),
        // The slash in front was forgotten.
        "Exact" | "PathPrefix" => {
            let value = format!("/{}", value.trim_end_matches('/'));
            RawPath::new(&value, PathType::Prefix).plain().as_match()
        }
        _ => PathMatch::Prefix("/".into()),
    }
}

fn path_match(condition: Option<&PathCondition>, field: &str) -> Result<PathMatch, Refused> {
    let type_ = condition.and_then(|condition| condition.type_.as_deref());
    let value = condition.and_then(|condition| condition.value.as_deref()).unwrap_or("/");
    let field = |name: &str| format!("{field}.{name}");
    if value.len() > PATH_BYTES_MAX {
        let text = format!("It has {PATH_BYTES_MAX} characters at most.");
        return Err(unsupported(field("value"), text));
    }
    let kind = match type_.unwrap_or("PathPrefix") {
        "Exact" => PathType::Exact,
        "PathPrefix" => PathType::Prefix,
        "RegularExpression" => {
            let pattern = PathPattern::check(value);
            let pattern = pattern.and_then(|()| PathPattern::new(value, &whole(value)));
            let told = |error| {
                let text = format!("{value:?}: {error}; correct the expression (RE2 syntax).");
                unsupported(field("value"), text)
            };
            return pattern.map(PathMatch::Regex).map_err(told);
        }
        other => {
            let text =
                format!("{other} is not supported; write Exact, PathPrefix or RegularExpression.");
            return Err(unsupported(field("type"), text));
        }
    };
    if !value.starts_with('/') {
        return Err(unsupported(field("value"), "It has to begin with a slash."));
    }
    let value = match (kind, value.trim_end_matches('/')) {
        (PathType::Exact, _) => value,
        (_, "") => "/",
        (_, trimmed) => trimmed,
    };
    Ok(RawPath::new(value, kind).plain().as_match())
}

/// What a rule does with its requests, be they calls or not.
pub(super) fn work(
    speaker: &Speaker<'_>,
    rules: &mut Rules<'_>,
    index: usize,
    rule: &HttpRule,
) -> Result<Work, Refused> {
    let HttpRule { name: _, matches, filters, backend_refs, timeouts, retry, session_persistence } =
        rule;
    let field = format!("spec.rules[{index}]");
    let filters_field = format!("{field}.filters");
    let mut steps = Steps::read(speaker, filters, &filters_field, &mut rules.references)?;
    let is_prefix = |condition: &HttpMatch| {
        let type_ = condition.path.as_ref().and_then(|path| path.type_.as_deref());
        type_.unwrap_or("PathPrefix") == "PathPrefix"
    };
    let is_prefixed = matches.iter().all(is_prefix);
    let check = |steps: &Steps| match &steps.needs_prefix {
        Some(field) if !is_prefixed => Err(unsupported(
            field,
            "ReplacePrefixMatch needs a match of type PathPrefix, and no other.",
        )),
        _ => Ok(()),
    };
    check(&steps)?;
    let sessions = session_persistence.as_ref();
    let binding =
        sessions.map(|of| sessions::read(&speaker.lowering, rules, index, of)).transpose()?;
    let timeouts = read_timeouts(timeouts.as_ref(), &format!("{field}.timeouts"))?;
    let retry = read_retry(retry.as_ref(), &timeouts, &format!("{field}.retry"))?;
    let backends_field = format!("{field}.backendRefs");
    bounded(backend_refs, &backends_field)?;
    let backends = backend_refs.iter().enumerate().map(|(index, backend)| {
        let field = format!("{backends_field}[{index}]");
        let (weighted, steps) = weighted(speaker, rules, backend, &field, binding.as_deref())?;
        check(&steps).map(|()| weighted)
    });
    let backends = backends.collect::<Result<_, _>>()?;
    let (external_auth, refusal) = match steps.doorkeeper.take() {
        Some(Doorkeeper::Asked(policy)) => (Some(policy), None),
        Some(Doorkeeper::Missing) => (None, Some(Refusal::Guard)),
        None => (None, None),
    };
    // Nobody says anything about lengths there, and calls have no end that anybody knows; but what
    // another server has to see is no longer than it may see.
    let body_bytes_max = external_auth.as_ref().map_or(0, |auth| auth.question.body_bytes_max);
    let policies = Policies {
        external_auth,
        refusal,
        body_bytes_max: Some(body_bytes_max as u64),
        timeouts,
        retry,
        binding,
        cors: steps.cors.take(),
        mirrors: std::mem::take(&mut steps.mirrors).into(),
        ..Policies::default()
    };
    Ok(Work { filters: steps.filters(), backends, policies })
}

/// One of the backends, with the steps of those that go there.
fn weighted(
    speaker: &Speaker<'_>,
    rules: &mut Rules<'_>,
    backend: &FilteredReference<HttpFilter>,
    field: &str,
    binding: Option<&Binding>,
) -> Result<(WeightedBackend, Steps), Refused> {
    let references = &mut rules.references;
    let filters_field = format!("{field}.filters");
    let mut steps = Steps::read(speaker, &backend.filters, &filters_field, references)?;
    if !steps.mirrors.is_empty() || steps.cors.is_some() || steps.doorkeeper.is_some() {
        let text = "RequestMirror, CORS and ExternalAuth are for all backends; write them in the \
                    rule's filters.";
        return Err(unsupported(filters_field, text));
    }
    let target = match steps.redirect.take() {
        Some(redirect) => BackendTarget::Elsewhere(redirect.into()),
        None => speaker.backend(references, &backend.backend(), field),
    };
    let tag = target.key().and_then(|key| tag(binding, key));
    let edits = std::mem::take(&mut steps.edits);
    Ok((WeightedBackend { target, weight: backend.weight.unwrap_or(1), edits, tag }, steps))
}

fn read_timeouts(timeouts: Option<&HttpTimeouts>, field: &str) -> Result<Timeouts, Refused> {
    let Some(HttpTimeouts { request, backend_request }) = timeouts else {
        return Ok(Timeouts::default());
    };
    let request = time(request.as_deref(), &format!("{field}.request"))?;
    let backend_request = time(backend_request.as_deref(), &format!("{field}.backendRequest"))?;
    Ok(Timeouts { request, backend_request, ..Timeouts::default() })
}

/// Who says how attempts are repeated wants all of them repeated that failed; who says nothing, but
/// how long one may take, gets no second one of that.
fn read_retry(
    retry: Option<&HttpRetry>,
    timeouts: &Timeouts,
    field: &str,
) -> Result<RetryPolicy, Refused> {
    let errors = RetryCauses::default().with(RetryCause::Error);
    let Some(HttpRetry { codes, attempts, backoff }) = retry else {
        let causes = timeouts.backend_request.map(|_| errors);
        return Ok(RetryPolicy { causes, ..RetryPolicy::default() });
    };
    if let Some(other) = codes.iter().find(|code| !(400..600).contains(*code)) {
        let text = format!("{other} is no status of an error; write one from 400 to 599.");
        return Err(unsupported(format!("{field}.codes"), text));
    }
    let pause = time(backoff.as_deref(), &format!("{field}.backoff"))?;
    let causes = errors.with(RetryCause::Timeout).with(RetryCause::NonIdempotent);
    Ok(RetryPolicy {
        tries: Some(attempts.unwrap_or(ATTEMPTS).saturating_add(1)),
        causes: Some(causes),
        statuses: codes.clone(),
        backoff: Some(pause.unwrap_or(RETRY_PAUSE)),
        exhausted: Exhausted::Unavailable,
        ..RetryPolicy::default()
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::needless_pass_by_value, reason = "a test may fail")]
pub(super) mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::{Value, json};

    use super::super::backend_tls::Policies;
    use super::super::gateway_tls::Identity;
    use super::super::grants::Grants;
    use super::super::meaning::Traffic;
    use super::super::world::World;
    use super::*;
    use crate::control::store::{Entry, Store};
    use crate::filter::{Edit, FieldEdits, Filter, PathEdit};
    use crate::model::{Kind, ObjectRef, Rule, ValueMatch};

    /// What a route `ns/r` of a kind comes to, beside the Services `web`, `ws` and `tls` of `ns`
    /// and `web` of `other`, with ports 80.
    pub(in super::super) fn lowered(
        kind: Kind,
        lower: impl FnOnce(Lowering<'_>) -> Meaning,
    ) -> Meaning {
        let mut store = Store::default();
        for (namespace, name, protocol) in [
            ("ns", "web", None),
            ("ns", "ws", Some("kubernetes.io/ws")),
            ("ns", "tls", Some("https")),
            ("other", "web", None),
        ] {
            let port = json!({"port": 80, "targetPort": 8080, "appProtocol": protocol});
            let service = json!({"metadata": {}, "spec": {"ports": [port]}});
            let service: Service = serde_json::from_value(service).expect("a Service");
            let object = service.into();
            let (namespace, name) = (namespace.into(), name.into());
            let reference = ObjectRef { kind: Kind::Service, namespace, name };
            store.services.insert(reference, Entry { object, provenance: None });
        }
        let (grants, policies) = (Grants::default(), Policies::of(&store));
        let world = World { store: &store, grants: &grants, policies: &policies };
        let reference = ObjectRef { kind, namespace: "ns".into(), name: "r".into() };
        let identity = &Identity::Nobody;
        lower(Lowering { world: &world, reference: &reference, provenance: None, identity })
    }

    pub(in super::super) fn http(rules: Value) -> Meaning {
        let spec = serde_json::from_value(json!({"rules": rules})).expect("a spec");
        lowered(Kind::HTTPRoute, |lowering| lower(lowering, &spec))
    }

    pub(in super::super) fn rules(meaning: &Meaning) -> Vec<&Rule> {
        match &meaning.traffic {
            Traffic::Rules(rules) => rules.iter().map(|rule| &**rule).collect(),
            Traffic::Streams(_) => panic!("rules"),
        }
    }

    /// Path, method and conditions of each match.
    pub(in super::super) fn shown(rule: &Rule) -> Vec<String> {
        let value = |value: &ValueMatch| match value {
            ValueMatch::Exact(text) => format!("={text}"),
            ValueMatch::Regex(pattern) => format!("~{}", pattern.as_str()),
        };
        let show = |condition: &RequestMatch| {
            let path = match &condition.path {
                PathMatch::Exact(path) => format!("={path}"),
                PathMatch::Prefix(path) => path.to_string(),
                PathMatch::Regex(pattern) => format!("~{}", pattern.source()),
            };
            let method = condition.method.iter().map(|method| format!(" {method}"));
            let fields = condition.fields.iter();
            let fields = fields.map(|field| format!(" {}{}", field.name, value(&field.value)));
            let query = condition.query.iter();
            let query = query.map(|of| format!(" ?{}{}", of.name, value(&of.value)));
            path + &method.chain(fields).chain(query).collect::<String>()
        };
        rule.matches.iter().map(show).collect()
    }

    #[test]
    fn matches_are_conditions_that_hold_together() {
        for (matches, expected) in [
            (json!([]), "/"),
            (json!([{}]), "/"),
            (json!([{"path": {"value": "/a/"}}]), "/a"),
            (json!([{"path": {"type": "PathPrefix", "value": "/"}}]), "/"),
            (json!([{"path": {"type": "Exact", "value": "/a/"}}]), "=/a/"),
            (json!([{"path": {"type": "Exact", "value": "/a%20b"}}]), "=/a b"),
            (json!([{"path": {"type": "RegularExpression", "value": "/a|/b"}}]), "~^(?:/a|/b)$"),
            (
                json!([{"method": "GET", "path": {"value": "/a"},
                        "headers": [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"},
                                    {"name": "b", "type": "RegularExpression", "value": "c+"}],
                        "queryParams": [{"name": "Q", "value": "1"},
                                        {"name": "q", "value": "2"}]}]),
                "/a GET x-a=1 b~^(?:c+)$ ?Q=1 ?q=2",
            ),
        ] {
            let meaning = http(json!([{"matches": matches}]));
            assert_eq!(shown(rules(&meaning)[0]), [expected], "{matches}");
            assert_eq!(meaning.refused, None);
        }
    }

    /// The field and the reason of what makes a rule unusable.
    #[track_caller]
    fn check_fault(rule: &Value, field: &str, reason: &str) {
        let meaning = http(json!([rule]));
        let refused = meaning.refused.as_ref().map(|of| (&*of.field, of.reason));
        assert_eq!(refused, Some((&*format!("spec.rules[0].{field}"), reason)), "{rule}");
        // Beside one that is served it harms itself alone.
        let good = json!({"matches": [{"path": {"value": "/good"}}],
                          "backendRefs": [{"name": "web", "port": 80}]});
        let meaning = http(json!([good, rule]));
        assert_eq!(meaning.refused, None, "{rule}");
        let partial = meaning.partial.as_deref().unwrap_or_default();
        assert!(partial.starts_with("Dropped Rule 1: "), "{partial}");
        let served: Vec<_> = rules(&meaning).iter().map(|of| of.policies.refusal).collect();
        assert_eq!(served, [None, Some(Refusal::NotSupported)], "{rule}");
        assert_eq!(meaning.problems.len(), 1);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_cannot_be_done_is_not_done_in_part() {
        let unsupported = "UnsupportedValue";
        for (rule, field) in [
            (
                json!({"matches": [{"path": {"type": "Glob", "value": "/a"}}]}),
                "matches[0].path.type",
            ),
            (json!({"matches": [{"path": {"value": "a"}}]}), "matches[0].path.value"),
            (
                json!({"matches": [{}, {"path": {"type": "RegularExpression", "value": "("}}]}),
                "matches[1].path.value",
            ),
            (
                json!({"matches": [{"path": {"type": "RegularExpression",
                                             "value": "/a)|(?:/b"}}]}),
                "matches[0].path.value",
            ),
            (
                json!({"matches": [{"headers": [{"name": "a", "type": "X", "value": "b"}]}]}),
                "matches[0].headers[0].type",
            ),
            (
                json!({"matches": [{"queryParams": [{"name": "a", "type": "RegularExpression",
                                                     "value": "b)|(?:c"}]}]}),
                "matches[0].queryParams[0].value",
            ),
            (json!({"filters": [{"type": "Unknown"}]}), "filters[0].type"),
            (json!({"filters": [{"type": "RequestRedirect"}]}), "filters[0]"),
            (
                json!({"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier":
                       {"set": [{"name": "Connection", "value": "x"}]}}]}),
                "filters[0].requestHeaderModifier",
            ),
            (
                json!({"filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier":
                       {"set": [{"name": "a", "value": "x"}], "remove": ["A"]}}]}),
                "filters[0].responseHeaderModifier",
            ),
            (
                json!({"filters": [{"type": "RequestRedirect",
                                    "requestRedirect": {"statusCode": 304}}]}),
                "filters[0].requestRedirect.statusCode",
            ),
            (
                json!({"filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "a b"}}]}),
                "filters[0].urlRewrite.hostname",
            ),
            (
                json!({"matches": [{"path": {"type": "Exact", "value": "/a"}}],
                       "filters": [{"type": "URLRewrite", "urlRewrite": {"path":
                           {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]}),
                "filters[0].urlRewrite.path",
            ),
            (
                json!({"filters": [{"type": "URLRewrite", "urlRewrite": {"path":
                           {"type": "Other", "replaceFullPath": "/"}}}]}),
                "filters[0].urlRewrite.path.type",
            ),
            (
                json!({"filters": [{"type": "CORS", "cors": {"allowOrigins": ["x"]}}]}),
                "filters[0].cors.allowOrigins[0]",
            ),
            (
                json!({"filters": [{"type": "RequestMirror", "requestMirror":
                       {"backendRef": {"name": "web", "port": 80}, "percent": 101}}]}),
                "filters[0].requestMirror.percent",
            ),
            (
                json!({"filters": [{"type": "RequestMirror", "requestMirror":
                       {"backendRef": {"name": "web", "port": 80}, "fraction":
                        {"numerator": 3, "denominator": 2}}}]}),
                "filters[0].requestMirror.fraction",
            ),
            (
                json!({"backendRefs": [{"name": "web", "port": 80,
                                        "filters": [{"type": "CORS", "cors": {}}]}]}),
                "backendRefs[0].filters",
            ),
            (json!({"timeouts": {"request": "soon"}}), "timeouts.request"),
            (json!({"retry": {"codes": [200]}}), "retry.codes"),
            (json!({"sessionPersistence": {"type": "Other"}}), "sessionPersistence.type"),
            (
                json!({"sessionPersistence": {"cookieConfig": {"lifetimeType": "Permanent"}}}),
                "sessionPersistence.absoluteTimeout",
            ),
            (
                json!({"sessionPersistence": {"type": "Header", "sessionName": "Host"}}),
                "sessionPersistence",
            ),
        ] {
            check_fault(&rule, field, unsupported);
        }
        let both = json!({"filters": [
            {"type": "URLRewrite", "urlRewrite": {"hostname": "a.example"}},
            {"type": "RequestRedirect", "requestRedirect": {"hostname": "b.example"}}]});
        check_fault(&both, "filters", "IncompatibleFilters");
    }

    #[test]
    fn what_cannot_be_read_has_all_that_it_may_be_about() {
        let regex = |value: &str| json!({"type": "RegularExpression", "value": value});
        for (condition, expected) in [
            (json!({"path": regex("/admin/("), "method": "GET"}), "~^/admin/(?s:.*)$ GET"),
            (json!({"path": regex("/a)|(?:/b")}), "~^(?s:.*)$"),
            (json!({"path": {"type": "Glob", "value": "/a*"}}), "/"),
            (json!({"path": {"type": "Exact", "value": "a/"}}), "/a"),
            (
                json!({"path": {"value": "/a"},
                       "headers": [{"name": "a", "value": "b"},
                                   {"name": "c", "type": "RegularExpression", "value": "("}],
                       "queryParams": [{"name": "d", "type": "X", "value": "e"}]}),
                "/a a=b c~",
            ),
        ] {
            let meaning = http(json!([{"matches": [{"path": {"value": "/x"}}, condition]}]));
            let rule = rules(&meaning)[0];
            assert_eq!(shown(rule), ["/x", expected], "{condition}");
            assert_eq!(rule.policies.refusal, Some(Refusal::NotSupported));
        }
    }

    #[test]
    fn references_are_judged_by_kind_grant_and_existence() {
        for (reference, reason) in [
            (json!({"name": "web", "port": 80}), None),
            (json!({"name": "web", "port": 80, "kind": "Pod"}), Some("InvalidKind")),
            (json!({"name": "web", "port": 80, "namespace": "other"}), Some("RefNotPermitted")),
            (json!({"name": "none", "port": 80, "namespace": "other"}), Some("RefNotPermitted")),
            (json!({"name": "none", "port": 80}), Some("BackendNotFound")),
            (json!({"name": "web"}), Some("BackendNotFound")),
            (json!({"name": "web", "port": 81}), Some("BackendNotFound")),
        ] {
            let mirror =
                json!({"type": "RequestMirror", "requestMirror": {"backendRef": reference}});
            for rule in [json!({"backendRefs": [reference]}), json!({"filters": [mirror]})] {
                let meaning = http(json!([rule]));
                let found = meaning.references.unresolved.first().map(|of| of.error.reason());
                assert_eq!(found, reason, "{rule}");
                // It is accepted all the same.
                assert_eq!(meaning.refused, None);
                let rule = rules(&meaning)[0];
                let is_served = match &*rule.backends {
                    [backend] => backend.target != BackendTarget::Invalid,
                    _ => !rule.policies.mirrors.is_empty(),
                };
                assert_eq!(is_served, reason.is_none());
            }
        }
    }

    #[test]
    fn filters_are_steps_of_a_rule_or_of_a_backend() {
        let set = |name: &str| {
            let modifier = json!({"set": [{"name": name, "value": " v "}]});
            json!({"type": "RequestHeaderModifier", "requestHeaderModifier": modifier})
        };
        let meaning = http(json!([{
            "filters": [set("X-A"), set("Host"), {"type": "URLRewrite", "urlRewrite":
                {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/full"}}}],
            "backendRefs": [
                {"name": "web", "port": 80, "weight": 3, "filters": [set("X-B")]},
                {"name": "none", "port": 80},
                {"name": "web", "port": 80, "filters": [{"type": "RequestRedirect",
                    "requestRedirect": {"scheme": "https", "port": 8443, "statusCode": 307}}]}],
        }]));
        let rule = rules(&meaning)[0];
        let field = |name: &str| FieldEdits::new([(name, "v")], [], []).expect("usable");
        let [Filter::Edit(first), _, Filter::Edit(host), Filter::Edit(path)] = &*rule.filters
        else {
            panic!("{:?}", rule.filters);
        };
        assert_eq!(*first, Edit::RequestFields(field("X-A")));
        assert!(matches!(host, Edit::Rewrite(of) if of.hostname.as_deref() == Some("v")));
        let full = Some(PathEdit::Full("/full".into()));
        assert!(matches!(path, Edit::Rewrite(of) if of.path == full));
        let weights: Vec<_> = rule.backends.iter().map(|of| of.weight).collect();
        assert_eq!(weights, [3, 1, 1]);
        assert_eq!(rule.backends[0].edits, [Edit::RequestFields(field("X-B"))]);
        assert_eq!(rule.backends[1].target, BackendTarget::Invalid);
        let BackendTarget::Elsewhere(redirect) = &rule.backends[2].target else { panic!("none") };
        assert_eq!((redirect.status, redirect.scheme.as_deref()), (307, Some("https")));
    }

    #[test]
    fn timeouts_and_retries_are_what_the_rule_says() {
        let policies = |rule: Value| rules(&http(json!([rule])))[0].policies.clone();
        let millis = |millis| Some(std::time::Duration::from_millis(millis));
        let plain = policies(json!({}));
        assert_eq!((plain.retry, plain.body_bytes_max), (RetryPolicy::default(), Some(0)));
        let timed = policies(json!({"timeouts": {"request": "1s", "backendRequest": "500ms"}}));
        assert_eq!(
            (timed.timeouts.request, timed.timeouts.backend_request),
            (millis(1000), millis(500))
        );
        let errors = RetryCauses::default().with(RetryCause::Error);
        assert_eq!(timed.retry.causes, Some(errors));
        let all = errors.with(RetryCause::Timeout).with(RetryCause::NonIdempotent);
        for (retry, tries, statuses, pause) in [
            (json!({}), ATTEMPTS + 1, vec![], Some(RETRY_PAUSE)),
            (
                json!({"attempts": 3, "codes": [500, 503], "backoff": "1s"}),
                4,
                vec![500, 503],
                millis(1000),
            ),
            (json!({"attempts": 0}), 1, vec![], Some(RETRY_PAUSE)),
        ] {
            let found = policies(json!({"retry": retry})).retry;
            assert_eq!(
                (found.tries, &found.statuses, found.backoff),
                (Some(tries), &statuses, pause)
            );
            assert_eq!((found.causes, found.exhausted), (Some(all), Exhausted::Unavailable));
        }
    }

    #[test]
    fn sessions_are_kept_by_a_cookie_or_a_field() {
        let read = |sessions: Value| {
            let rule = json!({"sessionPersistence": sessions,
                              "backendRefs": [{"name": "web", "port": 80}]});
            let meaning = http(json!([rule]));
            let rule = rules(&meaning)[0];
            assert!(rule.backends[0].tag.is_some());
            (rule.policies.binding.as_deref().cloned(), meaning.problems.len())
        };
        let cookie = |sessions: Value| match read(sessions) {
            (Some(Binding::Session(cookie)), problems) => (cookie, problems),
            other => panic!("{other:?}"),
        };
        let (default, problems) = cookie(json!({}));
        assert!(default.name.starts_with("session-") && problems == 0, "{default:?}");
        assert_eq!((default.path.as_deref(), default.max_age), (Some("/"), None));
        let (old, _) = cookie(json!({"sessionName": "s", "absoluteTimeout": "1h",
                                     "cookieConfig": {"lifetimeType": "Permanent"}}));
        assert_eq!((&*old.name, old.max_age), ("s", Some(3600)));
        let (new, problems) =
            cookie(json!({"cookie": {"name": "n", "path": "/a"}, "idleTimeout": "1s",
                                            "absoluteTimeout": "1h"}));
        assert_eq!((&*new.name, new.path.as_deref(), new.max_age), ("n", Some("/a"), None));
        assert_eq!(problems, 2);
        let (header, _) = read(json!({"type": "Header", "header": {"name": "X-S"}}));
        assert!(matches!(header, Some(Binding::Header(header)) if &*header.name == "X-S"));
    }

    #[test]
    fn a_route_has_bounds() {
        let many = |count: usize| Value::Array(vec![json!({}); count]);
        let matches = |count: usize| json!({"matches": many(count)});
        for (all, index) in [(vec![matches(60); 3].into(), 2), (many(17), 16)] {
            let meaning = http(all);
            let field = meaning.refused.as_ref().map(|refused| refused.field.clone());
            assert_eq!(field, Some(format!("spec.rules[{index}]")));
            let rules = rules(&meaning);
            assert!(rules.iter().all(|rule| rule.policies.refusal.is_some()));
            assert_eq!(shown(rules[index]), ["/"]);
        }
        let filter = json!({"type": "ResponseHeaderModifier", "responseHeaderModifier": {}});
        check_fault(&json!({"filters": vec![filter; 17]}), "filters", "UnsupportedValue");
    }
}
