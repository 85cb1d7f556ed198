//! What the annotations of external authentication come to: a question and whom it goes to, or
//! closed rules.

use super::guards::guarded;
use super::*;
use crate::control::resolve::Answer;
use crate::filter::{AuthProtocol, ExternalAuth, Refusal, Statuses, Text};
use crate::model::{BackendProtocol, ExternalAuthPolicy, Severity};

const PREFIX: &str = "nginx.ingress.kubernetes.io/";
const URL: (&str, &str) = ("auth-url", "http://auth.example/check");

fn with(annotations: &[(&str, &str)]) -> Lowered {
    let named: Vec<_> = annotations.iter().map(|(n, v)| (format!("{PREFIX}{n}"), *v)).collect();
    let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    lower_permitted(&guarded("a", "", "h", &named))
}

fn policies(lowered: &Lowered) -> &Policies {
    let model = lowered.model.as_ref().expect("a model");
    &model.listeners[0].hosts[0].rules[0].policies
}

#[track_caller]
fn policy(annotations: &[(&str, &str)]) -> ExternalAuthPolicy {
    let lowered = with(annotations);
    let found = policies(&lowered);
    assert_eq!(found.refusal, None, "{annotations:?}: {:?}", lowered.problems);
    found.external_auth.clone().expect("a question")
}

#[track_caller]
fn question(annotations: &[(&str, &str)]) -> Arc<ExternalAuth> {
    policy(&[&[URL], annotations].concat()).question
}

fn text(text: &str) -> Text {
    Text::new(text, |_| false).expect("a text")
}

fn words(lowered: &Lowered) -> String {
    let ours = lowered.problems.iter().filter(|problem| problem.field.contains(PREFIX));
    ours.map(|problem| problem.message.clone()).collect()
}

/// Wherever ingress-nginx leaves the check out, or part of it, nobody is let in.
#[test]
fn what_is_not_understood_closes_the_rules() {
    let many = "x,".repeat(65);
    let many_fields: String = (0..65).map(|n| format!("proxy_set_header X-{n} v;\n")).collect();
    for (name, value, why) in [
        ("auth-url", "auth.example", "it does not begin with http:// or https://"),
        ("auth-url", "ftp://auth.example/", "it does not begin with http:// or https://"),
        ("auth-url", "http:///check", "it names no host"),
        ("auth-url", "http://:80/check", "it names no host"),
        ("auth-url", "http://a..b/check", "it names no host"),
        ("auth-url", "http://a:b:80/check", "it names no host"),
        ("auth-url", "http://a:0/check", "its port is none"),
        ("auth-url", "http://a:65536/check", "its port is none"),
        ("auth-url", "http://a/x y", "it may not have ' '"),
        ("auth-url", "http://u:p@a/x", "it may not have '@'"),
        ("auth-url", "http://a/x;return 200;", "it may not have ';'"),
        ("auth-url", "http://a/x{", "it may not have '{'"),
        ("auth-url", "http://a/x\ny", "it may not have '\\n'"),
        ("auth-url", "http://a/#{", "it may not have '#'"),
        ("auth-url", "http://a/?u=$no_such", "the variable $no_such is not known"),
        ("auth-url", "http://a/?u=$", "a $ has no name behind it"),
        ("auth-url", "http://$remote_addr/check", "of variables the host can be $host alone"),
        ("auth-url", "http://$hostile/check", "of variables the host can be $host alone"),
        ("auth-url", "http://$host.example/check", "of variables the host can be $host alone"),
        ("auth-url", "http://auth.$host/check", "of variables the host can be $host alone"),
        ("auth-url", "http://$host:$server_port/check", "of variables the host can be $host alone"),
        ("auth-url", "http://$host:x/check", "its port is none"),
        ("auth-method", "get", "it is no method of HTTP"),
        ("auth-method", "CONNECT", "it is no method of HTTP"),
        ("auth-method", "GET; deny all", "it is no method of HTTP"),
        ("auth-response-headers", "X-A; X-B", "\"X-A; X-B\" is no name of a field"),
        ("auth-response-headers", "X-A,X B", "\"X B\" is no name of a field"),
        ("auth-response-headers", "X-A\r\nX-B", "is no name of a field"),
        ("auth-response-headers", &many, "it has more than 64 names"),
        ("auth-snippet", &many_fields, "it sets more than 64 fields"),
        ("auth-request-redirect", "https://$host$request_uri", "variables are not allowed here"),
        ("auth-request-redirect", "https://a/ b", "it may not have ' '"),
        ("auth-cache-duration", "200", "each entry is statuses, then a time"),
        ("auth-cache-duration", "200 5m;", "each entry is statuses, then a time"),
        ("auth-cache-duration", "200 99999999999y", "a time is too long"),
        ("auth-always-set-cookie", "yes", "it is no truth value"),
        ("auth-snippet", "deny all;", "line 1 (deny)"),
        ("auth-snippet", "proxy_set_header A b;\nreturn 200;", "line 2 (return)"),
        ("auth-snippet", "if ($x) { return 200; }", "line 1 (if)"),
        ("auth-snippet", "proxy_set_header A 'b", "line 1 (): it cannot be read"),
        ("auth-snippet", "proxy_set_header A b", "line 1 (): it cannot be read"),
        ("auth-snippet", "proxy_set_header A;", "line 1 (proxy_set_header)"),
        ("auth-snippet", "proxy_set_header A 'b\nc';", "it has a control character"),
        ("auth-snippet", "proxy_set_header A $no_such;", "the variable $no_such is not known"),
        ("auth-snippet", "proxy_set_header Content-Length 3;", "cannot be edited"),
        ("auth-snippet", "proxy_set_header 'A: b' c;", "is not a field name"),
    ] {
        let lowered = with(
            &[URL, (name, value)]
                .into_iter()
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect::<Vec<_>>(),
        );
        let found = policies(&lowered);
        assert_eq!(found.refusal, Some(Refusal::Guard), "{name}: {value:?}");
        let about = format!("metadata.annotations.{PREFIX}{name}");
        let told = lowered.problems.iter().find(|problem| problem.field == about);
        let told = told.unwrap_or_else(|| panic!("{name}: {value:?}: {:?}", lowered.problems));
        assert_eq!(told.severity, Severity::Error, "{told}");
        assert!(told.message.contains(why), "{name}: {told}");
        assert!(told.advice.contains("503"), "{told}");
    }
}

/// As oauth2-proxy is set up by its documentation.
#[test]
fn the_server_of_a_host_is_asked_where_it_has_a_name() {
    let url = |url| (format!("{PREFIX}auth-url"), url);
    let alias = format!("{PREFIX}server-alias");
    for (written, protocol, port) in [
        ("https://$host/oauth2/auth", Some(BackendProtocol::Https), 443),
        ("http://$http_host", None, 80),
        ("http://$best_http_host$request_uri", None, 80),
        ("https://$server_name:4180/?rd=$host", Some(BackendProtocol::Https), 4180),
    ] {
        let (name, written) = url(written);
        let named = guarded("a", "", "a.h", &[(&name, written), (&alias, "b.h")]);
        let lowered = lower(&(named + &guarded("c", "", "*.c.h", &[(&name, written)])));
        let model = lowered.model.as_ref().expect("a model");
        let found = model.listeners[0].hosts.iter().map(|host| {
            let policies = &host.rules[0].policies;
            let server = &policies.external_auth.as_ref().expect("a question").server;
            let name = server.dial.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
            assert_eq!(server.dial.protocol, protocol);
            (host.pattern.to_string(), policies.refusal, server.to_string(), name.is_some())
        });
        let is_tls = protocol.is_some();
        let of_a = |host: &str| (host.to_owned(), None, format!("a.h:{port}"), is_tls);
        let refused = ("*.c.h".to_owned(), Some(Refusal::Guard), format!(":{port}"), is_tls);
        let expected = [of_a("a.h"), of_a("b.h"), refused];
        assert_eq!(found.collect::<Vec<_>>(), expected, "{written}");
        let told = lowered.problems.iter().filter(|problem| problem.reason == "HostNotNamed");
        assert_eq!(told.count(), 1, "{:?}", lowered.problems);
    }
}

/// Without a server none of it keeps anybody out.
#[test]
fn without_a_server_nobody_is_asked() {
    for annotations in [
        &[("auth-url", "")][..],
        &[("auth-url", "  \n")],
        &[("auth-signin", "http://a/"), ("auth-method", "GET"), ("auth-response-headers", "X-A")],
        &[("auth-method", "get"), ("auth-response-headers", "X;Y"), ("auth-snippet", "x")],
        &[("enable-global-auth", "false")],
        &[("enable-global-auth", "true")],
        &[("auth-keepalive", "7"), ("auth-keepalive-share-vars", "true")],
        &[("auth-keepalive-requests", "0"), ("auth-keepalive-timeout", "-1")],
    ] {
        let lowered = with(annotations);
        let found = policies(&lowered);
        assert_eq!((found.refusal, &found.external_auth), (None, &None), "{annotations:?}");
    }
}

#[test]
fn what_ingress_nginx_takes_for_its_default_is_told() {
    for (name, value, why) in [
        ("auth-signin", "/sign-in", "Clients get status 401"),
        ("auth-signin", "$scheme://a/", "Clients get status 401"),
        ("auth-signin", "http:///x", "Clients get status 401"),
        ("auth-signin", "http://a/{", "it may not have '{'"),
        ("auth-signin", "http://a/$no_such", "the variable $no_such is not known"),
        ("auth-cache-key", "$no_such", "No answer is kept"),
        ("auth-keepalive", "many", "it is no number"),
        ("enable-global-auth", "x", "it is no truth value"),
        ("auth-response-headers", "X-Real-IP", "the proxy says X-Real-IP itself"),
        ("auth-response-headers", "content-length", "the proxy says content-length itself"),
    ] {
        let lowered = with(&[URL, (name, value)]);
        let found = policies(&lowered);
        assert_eq!(found.refusal, None, "{name}: {value}");
        let asked = &found.external_auth.as_ref().expect("a question").question;
        assert_eq!((&asked.signin, &asked.cache), (&None, &None), "{name}: {value}");
        assert!(asked.response_names.is_empty(), "{name}: {value}");
        assert!(words(&lowered).contains(why), "{name}: {}", words(&lowered));
    }
}

#[test]
fn a_question_has_the_fields_of_ingress_nginx() {
    let asked = question(&[]);
    let found: Vec<_> = asked.fields.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let expected = [
        ("Host", "auth.example"),
        ("X-Request-ID", "$req_id"),
        ("X-Original-URL", "$scheme://$http_host$request_uri"),
        ("X-Original-Method", "$request_method"),
        ("X-Sent-From", "nginx-ingress-controller"),
        ("X-Real-IP", "$remote_addr"),
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Proto", ""),
        ("X-Auth-Request-Redirect", "$request_uri"),
    ];
    assert_eq!(found, expected.map(|(name, value)| (name, text(value))));
    let get = AuthProtocol::Subrequest("GET");
    assert_eq!((asked.protocol, asked.cookies), (get, Statuses::Successes));
    let snippet = "# who\nproxy_set_header X-A a;\n proxy_set_header host \"$host\"; \
                   proxy_set_header X-Original-URL '';";
    let asked = question(&[
        ("auth-method", "POST"),
        ("auth-request-redirect", "https://a/back"),
        ("auth-always-set-cookie", "true"),
        ("auth-response-headers", " X-A,x_b ,, Authorization "),
        ("auth-snippet", snippet),
    ]);
    let value = |name: &str| {
        let mut found = asked.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "{name} twice");
        value
    };
    for (name, expected) in [
        ("X-Original-URI", "$request_uri"),
        ("X-Scheme", "$scheme"),
        ("X-Auth-Request-Redirect", "https://a/back"),
        ("X-A", "a"),
        ("Host", "$host"),
        ("X-Original-URL", ""),
    ] {
        assert_eq!(value(name), Some(text(expected)), "{name}");
    }
    let post = AuthProtocol::Subrequest("POST");
    assert_eq!((asked.protocol, asked.cookies), (post, Statuses::Any));
    assert_eq!(*asked.response_names, ["X-A", "x_b", "Authorization"].map(Box::from));
}

#[test]
fn the_address_to_sign_in_at_says_where_to_go_back_to() {
    let back = "=$pass_access_scheme://$http_host$escaped_request_uri";
    for (url, parameter, expected) in [
        ("https://a/in", None, format!("https://a/in?rd{back}")),
        ("https://a/in?", None, format!("https://a/in?rd{back}")),
        ("https://$host/in?x=1", None, format!("https://$host/in?x=1&rd{back}")),
        (
            "https://a/in?rd=$escaped_request_uri",
            None,
            "https://a/in?rd=$escaped_request_uri".into(),
        ),
        ("https://a/in?rd=", None, format!("https://a/in?rd=&rd{back}")),
        ("https://a/in?rd=1", Some("next"), format!("https://a/in?rd=1&next{back}")),
        ("https://a/in?next=1", Some("next"), "https://a/in?next=1".into()),
        ("https://a/in", Some("a b"), format!("https://a/in?rd{back}")),
        ("https://a", None, format!("https://a?rd{back}")),
    ] {
        let mut annotations = vec![("auth-signin", url)];
        annotations.extend(parameter.map(|name| ("auth-signin-redirect-param", name)));
        assert_eq!(question(&annotations).signin, Some(text(&expected)), "{annotations:?}");
    }
}

#[test]
fn answers_are_kept_where_a_key_says_so() {
    let cache = |annotations: &[(&str, &str)]| question(annotations).cache.clone();
    assert_eq!(cache(&[("auth-cache-duration", "200 1s")]), None);
    let kept = cache(&[("auth-cache-key", "$cookie_session")]).expect("a cache");
    assert_eq!(kept.key, text("$cookie_session"));
    let seconds = |status| kept.durations.of(status).as_secs();
    assert_eq!([200, 202, 401, 403].map(seconds), [300, 300, 300, 0]);
    let kept = cache(&[("auth-cache-key", "all"), ("auth-cache-duration", "403 1s, 200 2s")]);
    let kept = kept.expect("a cache");
    let seconds = |status| kept.durations.of(status).as_secs();
    assert_eq!([200, 202, 401, 403].map(seconds), [2, 0, 0, 1]);
}

#[test]
fn urls_say_where_the_server_is() {
    for (url, server, target, tls) in [
        ("http://auth.example/check", "auth.example:80", "/check", None),
        ("HTTP://Auth.Example", "auth.example:80", "/", None),
        ("http://a_b:8080?x=$arg_y", "a_b:8080", "/?x=$arg_y", None),
        ("https://auth.example/", "auth.example:443", "/", Some("auth.example")),
        ("https://10.0.0.1:8443/$host", "10.0.0.1:8443", "/$host", Some("")),
        ("http://s.ns.svc.cluster.local/a,b", "s.ns.svc.cluster.local:80", "/a,b", None),
    ] {
        let found = policy(&[("auth-url", url)]);
        assert_eq!(found.server.to_string(), server, "{url}");
        assert_eq!(found.question.target, text(target), "{url}");
        let dial = &found.server.dial;
        assert_eq!(dial.protocol, tls.map(|_| BackendProtocol::Https), "{url}");
        let name = dial.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        assert_eq!(name, tls.filter(|name| !name.is_empty()), "{url}");
        assert!(dial.tls.as_ref().is_none_or(|tls| !tls.verify), "{url}");
    }
}

/// As ingress-nginx: nobody asks those who solve challenges for a password.
#[test]
fn challenges_are_not_asked_about() {
    let text = guarded("a", "", "h", &[(&format!("{PREFIX}auth-url"), URL.1)]);
    let at = |path: &str| lower(&text.replace("path: /,", &format!("path: {path},")));
    assert!(policies(&at("/x")).external_auth.is_some());
    assert!(policies(&at("/.well-known/acme-challenge/")).external_auth.is_none());
}

/// The name of a Service means its endpoints, with the port of the Service, as long as there is
/// such a Service; else DNS knows.
#[test]
fn a_server_may_be_a_service_by_its_name() {
    let ingress = |url: &str| guarded("a", "", "h", &[(&format!("{PREFIX}auth-url"), url)]);
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: auth, namespace: sso}\n\
                   spec: {ports: [{port: 80, targetPort: 8080}]}\n---\n\
                   apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                   metadata: {name: auth-1, namespace: sso, \
                   labels: {kubernetes.io/service-name: auth}}\n\
                   addressType: IPv4\nports: [{port: 8080}]\n\
                   endpoints: [{addresses: [10.1.1.1], conditions: {ready: true}}]\n";
    let of_server = |lowered: &Lowered| -> Vec<String> {
        let all = endpoints(lowered).into_iter();
        all.filter(|line| !line.starts_with("default/web")).collect()
    };
    for host in ["auth.sso.svc.cluster.local", "auth.sso.svc", "Auth.sso.svc.cluster.local."] {
        let name = host.to_lowercase();
        let url = format!("http://{host}/check");
        let lowered = lower(&format!("{}{service}", ingress(&url)));
        assert_eq!(of_server(&lowered), [format!("{name}:80 = 10.1.1.1:8080")], "{host}");
        // It comes later.
        let mut world = World::new(options());
        let lowered = world.apply(changes(&ingress(&url)));
        assert_eq!(of_server(&lowered), [format!("{name}:80 = ")], "{host}");
        assert!(world.lowerer.external_names().contains(&*name), "{host}");
        let lowered = world.apply(changes(service));
        assert_eq!(of_server(&lowered), [format!("{name}:80 = 10.1.1.1:8080")], "{host}");
        assert!(world.lowerer.external_names().is_empty(), "{host}");
    }
    // A port that it does not have, and other names.
    for url in
        ["http://auth.sso.svc.cluster.local:81/", "http://auth.sso/", "http://x.auth.sso.svc/"]
    {
        let mut world = World::new(options());
        world.apply(changes(&format!("{}{service}", ingress(url))));
        assert_eq!(world.lowerer.external_names().len(), 1, "{url}");
    }
    let lowered = lower(&ingress("http://10.9.9.9:81/"));
    assert_eq!(of_server(&lowered), ["10.9.9.9:81 = 10.9.9.9:81"]);
    // This very host is not for authors of objects to reach.
    let lowered = lower(&ingress("http://127.0.0.1/"));
    assert_eq!(of_server(&lowered), ["127.0.0.1:80 = "]);
    let told = lowered.problems.iter().find(|problem| problem.reason == "AddressRefused");
    assert!(told.is_some_and(|told| told.message.contains("it answers no request")), "{told:?}");
}

#[test]
fn a_name_that_dns_does_not_know_is_told_where_it_stands() {
    let mut world = World::new(options());
    let url = format!("{PREFIX}auth-url");
    world.apply(changes(&guarded("a", "", "h", &[(&url, URL.1)])));
    let answer = |result| Answer { name: "auth.example".into(), result };
    let now = SystemTime::now();
    let failed = answer(Err("no such name".into()));
    let lowered = world.lowerer.apply_answer(&world.store, failed, now);
    let field = format!("NameNotResolved metadata.annotations.{url}");
    assert!(reasons(&lowered).contains(&field), "{:?}", lowered.problems);
    let found = answer(Ok(vec![std::net::IpAddr::from([10, 2, 2, 2])]));
    let lowered = world.lowerer.apply_answer(&world.store, found, now);
    assert_eq!(endpoints(&lowered), ["auth.example:80 = 10.2.2.2:80"]);
    assert!(!reasons(&lowered).contains(&field), "{:?}", lowered.problems);
}
