//! Directives of Ingresses: who may have some, what is told of them, and what they come to.

use super::guards::guarded;
use super::*;
use crate::control::lower::snippet::places::Place;
use crate::control::lower::snippet::{self, Names};
use crate::filter::{AddressRules, Text};
use crate::limits::SCRIPT_LOCATIONS_MAX;
use crate::model::{AccessLog, LocationMatch, Refusal, Severity};

const PREFIX: &str = "nginx.ingress.kubernetes.io/";
const RULE: &str = "nginx.ingress.kubernetes.io/configuration-snippet";
const HOST: &str = "nginx.ingress.kubernetes.io/server-snippet";

/// The hosts of an Ingress with the annotation, and `severity reason message` of what is told.
fn lowered(key: &str, text: &str) -> (Lowered, Vec<String>) {
    let lowered = lower_permitted(&guarded("a", "", "h", &[(key, text)]));
    let told = lowered.problems.iter().filter(|p| p.reason != "ServiceMissing");
    let told = told.map(|p| format!("{:?} {} {}", p.severity, p.reason, p.message)).collect();
    (lowered, told)
}

fn policies(lowered: &Lowered) -> &Policies {
    &lowered.model.as_ref().expect("a model").listeners[0].hosts[0].rules[0].policies
}

#[test]
fn who_may_have_directives_is_said_by_the_config_map() {
    let data = |allow: &str, risk: &str| {
        let said = [("allow-snippet-annotations", allow), ("annotations-risk-level", risk)];
        let said = said.iter().filter(|(_, value)| !value.is_empty());
        let said: Vec<_> = said.map(|(key, value)| format!("{key}: \"{value}\"")).collect();
        let data = PERMISSION.rsplit_once("data: ").expect("data").0;
        format!("{data}data: {{{}}}\n", said.join(", "))
    };
    for (allow, risk, text, expected) in [
        ("", "", "etag off;", "none SnippetNotAllowed"),
        ("true", "", "etag off;", "none SnippetNotAllowed"),
        ("true", "High", "etag off;", "none SnippetNotAllowed"),
        ("false", "Critical", "etag off;", "h SnippetNotAllowed"),
        ("", "Critical", "etag off;", "h SnippetNotAllowed"),
        ("", "Critical", "deny all;", "h closed SnippetNotAllowed"),
        ("true", "Critical", "etag off;", "h"),
        // Case is no difference there either.
        ("true", "critical", "etag off;", "h"),
        ("true", "Severe", "etag off;", "none InvalidValue SnippetNotAllowed"),
    ] {
        for key in [RULE, HOST] {
            let ingress = guarded("a", "", "h", &[(key, text)]);
            let lowered = permitting().apply(changes(&format!("{}{ingress}", data(allow, risk))));
            let hosts = &lowered.model.as_ref().expect("a model").listeners[0].hosts;
            let mut found = match &hosts[..] {
                [] => vec!["none"],
                _ if policies(&lowered).refusal == Some(Refusal::Guard) => vec!["h", "closed"],
                _ => vec!["h"],
            };
            let told = lowered.problems.iter().filter(|p| p.severity > Severity::Note);
            found
                .extend(told.map(|p| p.reason.word()).filter(|reason| *reason != "ServiceMissing"));
            assert_eq!(found.join(" "), expected, "{allow} {risk} {text}");
        }
    }
}

/// Each annotation has a risk, and an Ingress with one above the level is not served.
#[test]
fn no_more_may_depend_on_an_annotation_than_the_config_map_says() {
    let (low, medium) = (("enable-cors", "true"), ("whitelist-source-range", "0.0.0.0/0"));
    let (high, critical) = (("upstream-hash-by", "$request_uri"), (RULE, "etag off;"));
    for (level, served) in [
        ("Critical", &[low, medium, high, critical][..]),
        ("High", &[low, medium, high]),
        ("medium", &[low, medium]),
        ("LOW", &[low]),
        ("", &[low, medium, high]),
    ] {
        let level = if level.is_empty() {
            String::new()
        } else {
            format!(", annotations-risk-level: {level}")
        };
        let map = PERMISSION.replace(", annotations-risk-level: Critical", &level);
        for said in [low, medium, high, critical] {
            // Who says nothing by it says it.
            for value in [said.1, ""] {
                let key = said.0.strip_prefix(PREFIX).unwrap_or(said.0);
                let ingress = guarded("a", "", "h", &[(&format!("{PREFIX}{key}"), value)]);
                let lowered = permitting().apply(changes(&format!("{map}{ingress}")));
                let hosts = &lowered.model.as_ref().expect("a model").listeners[0].hosts;
                assert_eq!(!hosts.is_empty(), served.contains(&said), "{level} {key}: {value}");
                let told = lowered.problems.iter().any(|p| {
                    ["AnnotationTooRisky", "SnippetNotAllowed"].contains(&p.reason.word())
                });
                assert_eq!(told, !served.contains(&said), "{level} {key}: {value}");
            }
        }
    }
    // What stood before stays, and a canary is one, too.
    let mut world = permitting();
    let low = PERMISSION.replace("Critical", "Low");
    let main = guarded("a", "", "h", &[]);
    world.apply(changes(&format!("{low}{main}")));
    let risky = guarded("a", "", "h", &[(&format!("{PREFIX}app-root"), "/x")]);
    let lowered = world.apply(changes(&risky));
    assert!(lowered.model.is_none_or(|model| model.listeners[0].hosts.len() == 1));
    assert!(lowered.problems.iter().any(|p| p.reason == "LastGoodVersion"));
    let canary = [("canary", "true"), ("canary-by-header", "X")]
        .map(|(name, value)| (format!("{PREFIX}{name}"), value));
    let canary = canary.each_ref().map(|(name, value)| (&**name, *value));
    let lowered = world.apply(changes(&guarded("b", "", "h", &canary)));
    let has_none = |rule: &Arc<Rule>| rule.canaries.is_empty();
    let model = lowered.model.as_ref();
    assert!(model.is_none_or(|model| model.listeners[0].hosts[0].rules.iter().all(has_none)));
}

/// Whoever takes the permission back does not have to wait for a new version of the object.
#[test]
fn what_is_no_longer_permitted_ends() {
    let mut world = permitting();
    let ingress = guarded("a", "", "h", &[(RULE, "etag off;")]);
    let hosts = |lowered: &Lowered| lowered.model.as_ref().map(|m| m.listeners[0].hosts.len());
    let first = world.apply(changes(&format!("{PERMISSION}---\n{ingress}")));
    assert_eq!(hosts(&first), Some(1));
    let none = PERMISSION.rsplit_once("data: ").expect("data").0.to_owned() + "data: {}\n";
    assert_eq!(hosts(&world.apply(changes(&none))), Some(0));
    // As does the one of the two that lets them be read.
    let closed = |lowered: &Lowered| policies(lowered).refusal == Some(Refusal::Guard);
    let deny = guarded("a", "", "h", &[(RULE, "deny all;")]);
    let allowed = world.apply(changes(&format!("{PERMISSION}---\n{deny}")));
    assert!(!closed(&allowed));
    let dropped = PERMISSION.replace("\"true\"", "\"false\"");
    assert!(closed(&world.apply(changes(&dropped))));
    world.apply(changes(&format!("{none}---\n{ingress}")));
    // A new version that is not permitted leaves an old one that is.
    let plain = world.apply(changes(&guarded("a", "", "h", &[])));
    assert_eq!(hosts(&plain), Some(1));
    world.apply(changes(&ingress));
    assert_eq!(world.lowerer.claims.hosts().count(), 1);
}

#[test]
fn whoever_may_have_none_is_told_what_would_change() {
    for (text, expected) in [
        ("etag off;", "All of its directives would be supported."),
        ("etag off;\n include x;", "Of its directives \"include\" (line 2, column 2) would not be"),
    ] {
        let lowered = lower(&guarded("a", "", "h", &[(RULE, text)]));
        let advice = &lowered.problems[0].advice;
        assert!(advice.contains(expected), "{advice}");
    }
}

#[test]
fn locations_of_a_host_are_bounded() {
    let locations = |count| -> String {
        (0..count).map(|n| format!("location = /{n} {{ return 200; }}\n")).collect()
    };
    for (count, why) in [
        (SCRIPT_LOCATIONS_MAX, ""),
        (SCRIPT_LOCATIONS_MAX + 1, "(location): there are more than 64 locations"),
    ] {
        let lowered = lower_permitted(&guarded("a", "", "h", &[(HOST, &locations(count))]));
        let mut told = lowered.problems.iter().filter(|p| p.severity > Severity::Note);
        let is_told = told.any(|problem| problem.message.contains("locations"));
        assert_eq!(is_told, !why.is_empty(), "{count}: {:?}", lowered.problems);
        let is_why = |problem: &Arc<Problem>| problem.message.contains(why);
        assert!(why.is_empty() || lowered.problems.iter().any(is_why), "{:?}", lowered.problems);
    }
}

/// What is wrong with a text, where, and what follows.
#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn what_is_not_understood_is_told_with_its_place() {
    for (key, text, expected) in [
        (RULE, "foo bar;", "Warning DirectiveNotSupported line 1, column 1 (foo): it is not supp"),
        (RULE, "etag off;\n deny x;", "Error GuardNotSupported line 2, column 2 (deny): \"x\" is"),
        (RULE, "include x;", "Error GuardNotSupported line 1, column 1 (include): it is not"),
        (RULE, "access_by_lua_block { x }", "Error GuardNotSupported line 1, column 1 (acc"),
        (RULE, "deny all", "Error GuardNotSupported line 1, column 1: it cannot be read: a ';'"),
        (RULE, "location / { return 1; }", "Error GuardNotSupported line 1, column 1 (location)"),
        (RULE, "if ($x) { set $x y; }", ""),
        (RULE, "if (-f $uri) { set $x y; }", ""),
        (RULE, "if ($nothing) { return 403; }", "Error GuardNotSupported line 1, column 1 (if)"),
        (RULE, "if ($uri ~ (?=x)) { set $x y; }", "Warning DirectiveNotSupported line 1"),
        (RULE, "if $uri { set $x y; }", "Warning DirectiveNotSupported line 1"),
        (RULE, "if ($uri like x) { set $x y; }", "Warning DirectiveNotSupported line 1"),
        (RULE, "if ($uri) { proxy_set_header A b; }", "Warning DirectiveNotSupported line 1, colu"),
        (RULE, "set $http_x y;", "Warning DirectiveNotSupported line 1, column 1 (set): $http_x"),
        (RULE, "set x y;", "Warning DirectiveNotSupported line 1, column 1 (set)"),
        (RULE, "set $x $nothing;", "Warning DirectiveNotSupported line 1, column 1 (set): the var"),
        (RULE, "return 99;", "Error GuardNotSupported line 1, column 1 (return): \"99\" is no st"),
        (RULE, "rewrite ^/a /b sometimes;", "Warning DirectiveNotSupported line 1, column 1 (rew"),
        (
            RULE,
            "rewrite ^/( /b;",
            "Warning DirectiveNotSupported line 1, column 1 (rewrite): it is",
        ),
        (
            RULE,
            "more_set_headers 'A b: c';",
            "Warning DirectiveNotSupported line 1, column 1 (more",
        ),
        (RULE, "more_set_headers 'Connection: c';", "Warning DirectiveNotSupported line 1"),
        (RULE, "more_set_headers -s x 'A: b';", "Warning DirectiveNotSupported line 1"),
        (RULE, "more_set_headers -x 'A: b';", "Warning DirectiveNotSupported line 1"),
        (
            RULE,
            "more_set_headers;",
            "Warning DirectiveNotSupported line 1, column 1 (more_set_head",
        ),
        (RULE, "add_header A;", "Warning DirectiveNotSupported line 1, column 1 (add_header)"),
        (RULE, "add_header A \"b\\nc\";", "Warning DirectiveNotSupported line 1, column 1 (add_he"),
        (RULE, "proxy_set_header Content-Length 1;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_set_header Connection x;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_read_timeout soon;", "Warning DirectiveNotSupported line 1, column 1 (proxy"),
        (RULE, "client_max_body_size big;", "Warning DirectiveNotSupported line 1"),
        (RULE, "access_log /dev/stdout;", "Warning DirectiveNotSupported line 1"),
        (
            RULE,
            "access_log /dev/stdout none;",
            "Warning DirectiveNotSupported line 1, column 1 (ac",
        ),
        (RULE, "access_log /tmp/x upstreaminfo;", "Warning DirectiveNotSupported line 1"),
        (RULE, "access_log /var/log/nginx/access.log upstreaminfo;", ""),
        (RULE, "if ($uri) { access_log off; }", ""),
        (
            RULE,
            "if ($uri) { access_log /dev/stdout none; }",
            "Warning DirectiveNotSupported line 1",
        ),
        (
            RULE,
            "limit_req zone=none;",
            "Error GuardNotSupported line 1, column 1 (limit_req): there",
        ),
        (
            RULE,
            "limit_conn none 5;",
            "Error GuardNotSupported line 1, column 1 (limit_conn): there",
        ),
        (RULE, "upstream a { server b; }", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_ssl_verify maybe;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_ssl_protocols TLSv1;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_ssl_ciphers RC4;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_ssl_verify_depth deep;", "Warning DirectiveNotSupported line 1"),
        (
            RULE,
            "proxy_ssl_certificate /x;",
            "Warning DirectiveNotSupported line 1, column 1 (proxy",
        ),
        (RULE, "gzip sometimes;", "Warning DirectiveNotSupported line 1, column 1 (gzip): it is n"),
        (RULE, "gzip_comp_level 10;", "Warning DirectiveNotSupported line 1, column 1 (gzip_comp"),
        (RULE, "gzip_types x;", "Warning DirectiveNotSupported line 1, column 1 (gzip_types)"),
        (RULE, "gzip_disable (;", "Warning DirectiveNotSupported line 1, column 1 (gzip_disable)"),
        (RULE, "proxy_redirect a;", "Warning DirectiveNotSupported line 1, column 1 (proxy_redi"),
        (RULE, "proxy_redirect ~( b;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_cookie_path /a $nothing;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_cookie_flags a;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_cookie_flags a crisp;", "Warning DirectiveNotSupported line 1"),
        (RULE, "proxy_method HEAD;", "Warning DirectiveNotSupported line 1, column 1 (proxy_me"),
        (RULE, "proxy_next_upstream often;", "Warning DirectiveNotSupported line 1"),
        (RULE, "limit_req_status 200;", "Warning DirectiveNotSupported line 1, column 1 (limit_r"),
        (RULE, "real_ip_header 'a b';", "Warning DirectiveNotSupported line 1, column 1 (real_ip"),
        (RULE, "set_real_ip_from unix:;", "Warning DirectiveNotSupported line 1, column 1 (set_r"),
        (RULE, "real_ip_recursive yes;", "Warning DirectiveNotSupported line 1"),
        (RULE, "real_ip_header proxy_protocol;", "Note DirectiveNotSupported line 1, column 1 (re"),
        (RULE, "proxy_cache x;", "Warning DirectiveNotSupported line 1, column 1 (proxy_cache)"),
        (
            RULE,
            "map $uri $x { a b; }",
            "Warning DirectiveNotSupported line 1, column 1 (map): it is",
        ),
        (HOST, "location /x { internal yes; return 404; }", "Error GuardNotSupported line 1"),
        (HOST, "location /x { try_files a /b; deny all; }", "Error GuardNotSupported line 1"),
        (HOST, "location /x { deny all; try_files a =404; }", "Error GuardNotSupported line 1"),
        (HOST, "location /x { try_files $uri; return 404; }", "Warning DirectiveNotSupported line"),
        (HOST, "location /x { try_files a @b; return 404; }", "Warning DirectiveNotSupported line"),
        (HOST, "location @x { proxy_pass http://a/b; }", "Error GuardNotSupported line 1"),
        (RULE, "error_page 404 @other;", "Warning DirectiveNotSupported line 1"),
        (RULE, "error_page 404 =200 https://e.example;", "Warning DirectiveNotSupported line 1"),
        (RULE, "limit_except GET { allow 10.0.0.0/8; deny all; }", ""),
        (RULE, "limit_except GET { auth_basic x; }", "Error GuardNotSupported line 1"),
        (RULE, "expires soon;", "Warning DirectiveNotSupported line 1"),
        (RULE, "satisfy some;", "Error GuardNotSupported line 1, column 1 (satisfy)"),
        (RULE, "auth_basic \"x\";", "Error GuardNotSupported line 1, column 1 (auth_basic): users"),
        (
            RULE,
            "etag off { }",
            "Warning DirectiveNotSupported line 1, column 1 (etag): it has no b",
        ),
        (
            RULE,
            "if ($uri);",
            "Warning DirectiveNotSupported line 1, column 1 (if): its block is mi",
        ),
        (HOST, "proxy_set_header A b;", "Note DirectiveNotSupported line 1, column 1 (proxy_set"),
        (HOST, "proxy_read_timeout 5s;", "Note DirectiveNotSupported line 1, column 1 (proxy_read"),
        (HOST, "location x { return 200; }", "Error GuardNotSupported line 1, column 1 (location)"),
        (HOST, "location ! /x { etag off; }", "Error GuardNotSupported line 1"),
        (HOST, "location / { etag off; }", ""),
        (HOST, "location ~ ^/ { proxy_pass http://a/b; }", "Error GuardNotSupported line 1"),
        (RULE, "more_clear_input_headers 'X-In-*';", ""),
        (RULE, "more_clear_input_headers '*';", "Warning DirectiveNotSupported line 1"),
        (HOST, "listen 80;", "Warning DirectiveNotSupported line 1, column 1 (listen)"),
        (
            RULE,
            "if ($uri) { proxy_pass http://a.b.svc; }",
            "Warning DirectiveNotSupported line 1, column 13 (proxy_pass): an if chooses",
        ),
        (
            RULE,
            "proxy_pass http://a.b.svc;",
            "Warning DirectiveNotSupported line 1, column 1 (proxy_pass): backends of rules are",
        ),
        (RULE, "opentelemetry on;\nopentelemetry_propagate;", ""),
        (RULE, "opentelemetry_config /etc/x;", "Warning DirectiveNotSupported line 1"),
        (RULE, "opentelemetry yes;", "Warning DirectiveNotSupported line 1, column 1 (opentel"),
        (RULE, "opentelemetry_operation_name \"<a>\";", "Warning DirectiveNotSupported line 1"),
        (RULE, "opentelemetry_propagate b3;", "Warning DirectiveNotSupported line 1, column 1"),
        (RULE, "opentelemetry_capture_headers on;", "Warning DirectiveNotSupported line 1"),
        (RULE, "opentelemetry_capture_headers off;", ""),
        (RULE, "opentelemetry_attribute a b;", "Warning DirectiveNotSupported line 1, column 1"),
    ] {
        let (lowered, told) = lowered(key, text);
        match (expected, &told[..]) {
            ("", []) => {}
            (expected, [one]) if !expected.is_empty() => {
                assert!(one.starts_with(expected), "{text}: {one}");
            }
            (_, all) => panic!("{text}: {all:?}"),
        }
        let is_closed = policies(&lowered).refusal == Some(Refusal::Guard);
        assert_eq!(is_closed, expected.starts_with("Error"), "{text}");
    }
}

#[test]
fn what_a_text_for_all_hosts_defines_is_read_strictly() {
    const ZONE: &str = "limit_req_zone $uri zone=a:1m rate=1r/s;\n";
    for (text, why) in [
        (ZONE, ""),
        ("limit_req_zone $remote_addr zone=a:1m;", "its rate is missing"),
        ("limit_req_zone $remote_addr zone=a:1m rate=1r/h;", "\"1r/h\" is no rate"),
        ("limit_req_zone $remote_addr rate=1r/s;", "it takes a key and zone=NAME:SIZE"),
        ("limit_req_zone $nothing zone=a:1m rate=1r/s;", "the variable $nothing is not known"),
        ("limit_req_zone $uri zone=a:1m rate=1r/s sync;", "\"sync\" is no parameter"),
        ("limit_conn_zone $remote_addr;", "it takes a key and zone=NAME:SIZE"),
        (&format!("{ZONE}limit_req zone=a burst=2 delay=1;"), ""),
        (&format!("{ZONE}limit_req zone=a burst=0;"), "\"0\" is no number"),
        (&format!("{ZONE}{}", "limit_req zone=a;".repeat(4)), "there are more than 3"),
        ("upstream a { server b.c.svc.cluster.local weight=2; server 10.0.0.1 backup; }", ""),
        ("upstream a { server b down; }", "it has no server"),
        ("upstream a { server b down weight=2; }", "it has no server"),
        ("upstream a { server b down backup; }", "it has no server"),
        ("upstream a { ip_hash; server b; }", "ip_hash is not supported in it"),
        ("upstream a { server b weight=0; }", "a weight is no number"),
        ("upstream a { server b slowly; }", "\"slowly\" is not supported"),
        ("log_format a escape=json '$uri' ' $status';", ""),
        ("log_format a;", "it takes a name and a form"),
        ("map $host $a { hostnames; .a.example 1; *.b.example 2; c.* 3; d.example 4; }", ""),
        ("map $host $a { hostnames; *.*.example 1; }", "\"*.*.example\" is no name"),
        ("map $host $a { hostnames; *a.example 1; }", "\"*a.example\" is no name"),
        ("map $host $a { include /etc/nginx/hosts; }", "there are no files to include"),
        ("log_format a escape=none '$nothing';", "the variable $nothing is not known"),
    ] {
        let (_, faults) = snippet::read(text, Place::Http, &[], &Names::default());
        match (why, &faults[..]) {
            ("", []) => {}
            (why, [one]) if !why.is_empty() => assert!(one.why.contains(why), "{text}: {one:?}"),
            (_, faults) => panic!("{text}: {faults:?}"),
        }
    }
}

#[test]
fn what_annotations_say_too_becomes_the_same_settings() {
    use std::time::Duration;
    let (found, told) =
        lowered(RULE, "proxy_connect_timeout 1m 30s; client_max_body_size 8m; access_log off;");
    assert_eq!(told.len(), 1, "a time is one word: {told:?}");
    assert_eq!(policies(&found).body_bytes_max, Some(8 << 20));
    let (found, told) = lowered(
        RULE,
        "proxy_connect_timeout \"1m 30s\"; proxy_read_timeout 500ms; proxy_send_timeout 1h;\n\
         access_log off; proxy_next_upstream_tries 2; allow 10.0.0.0/8; deny all;",
    );
    assert_eq!(told, [""; 0]);
    let policies = policies(&found);
    let timeouts = &policies.timeouts;
    assert_eq!(timeouts.connect, Some(Duration::from_secs(90)));
    assert_eq!(timeouts.read, Some(Duration::from_millis(500)));
    assert_eq!(timeouts.send, Some(Duration::from_secs(3600)));
    assert_eq!(policies.access_log, AccessLog::LeftOut);
    assert_eq!(policies.retry.tries, Some(2));
    assert!(policies.addresses.is_some() && policies.script.is_none());
}

#[test]
fn requests_are_traced_as_directives_say() {
    const TRACED: &str = "nginx.ingress.kubernetes.io/enable-opentelemetry";
    const INCOMING: &str = "nginx.ingress.kubernetes.io/opentelemetry-trust-incoming-span";
    const NAME: &str = "nginx.ingress.kubernetes.io/opentelemetry-operation-name";
    let on = (TRACED, "true");
    for (annotations, expected) in [
        (&[(RULE, "opentelemetry on;")][..], "Continued -"),
        (&[(RULE, "opentelemetry on; opentelemetry_trust_incoming_spans off;")], "Ignored -"),
        (
            &[(RULE, "opentelemetry on; opentelemetry_operation_name \"a $uri\";")],
            "Continued a $uri",
        ),
        (&[(RULE, "opentelemetry_operation_name a;")], ""),
        (&[on, (RULE, "opentelemetry off;")], ""),
        (&[on, (INCOMING, "false"), (RULE, "opentelemetry_operation_name a;")], "Ignored a"),
        (
            &[on, (INCOMING, "false"), (RULE, "opentelemetry_trust_incoming_spans on;")],
            "Continued -",
        ),
        // A rule that is traced says it itself.
        (&[on, (HOST, "opentelemetry off;")], "Continued -"),
        // But not what its spans are called.
        (&[on, (HOST, "opentelemetry_operation_name a;")], "Continued a"),
        (&[on, (HOST, "opentelemetry_operation_name a;"), (NAME, "b")], "Continued b"),
        (
            &[
                on,
                (HOST, "opentelemetry_operation_name b;"),
                (RULE, "opentelemetry_operation_name a;"),
            ],
            "Continued a",
        ),
        (&[(HOST, "opentelemetry on; opentelemetry_trust_incoming_spans off;")], "Ignored -"),
        (&[(HOST, "opentelemetry on;"), (RULE, "opentelemetry off;")], ""),
    ] {
        let lowered = lower_permitted(&guarded("a", "", "h", annotations));
        let found = policies(&lowered).trace.as_ref().map_or_else(String::new, |plan| {
            let is_called = |name: &&str| plan.name == Text::new(name, |_| false).ok();
            let name = ["a", "a $uri", "b"].into_iter().find(is_called).unwrap_or("-");
            format!("{:?} {name}", plan.incoming)
        });
        assert_eq!(found, expected, "{annotations:?}");
    }
}

/// Of `allow` and `deny` the first that an address is in counts, as in nginx.
#[test]
fn lists_of_addresses_are_read_in_order() {
    let admits = |text: &str, address: &str| {
        let (lowered, told) = lowered(RULE, text);
        assert_eq!(told, [""; 0], "{text}");
        let rules = policies(&lowered).addresses.clone();
        let denied = crate::filter::Admission::Denied;
        let say = |rules: &AddressRules| rules.admission(address.parse().expect("an address"));
        rules.is_none_or(|rules| say(&rules) != denied)
    };
    for (text, inside, outside) in [
        ("deny all;", false, false),
        ("allow all;", true, true),
        ("allow 10.0.0.0/8; deny all;", true, false),
        ("deny 10.0.0.0/8;", false, true),
        ("deny 10.1.2.3; allow 10.0.0.0/8; deny all;", false, false),
        ("allow 10.1.2.3; deny 10.0.0.0/8;", true, true),
        ("allow 10.1.2.3; deny 10.0.0.0/8; allow all;", true, true),
        ("deny all; allow 10.0.0.0/8;", false, false),
        ("allow 10.1.0.0/16; deny all; allow all;", true, false),
        ("allow 2001:db8::/32; deny all;", false, false),
    ] {
        assert_eq!(admits(text, "10.1.2.3"), inside, "{text}");
        assert_eq!(admits(text, "192.0.2.1"), outside, "{text}");
    }
}

#[test]
fn locations_of_a_host_stand_beside_its_rules() {
    let text = "location = /a { return 204; }\nlocation ^~ /b { deny all; }\n\
                location ~ \\.c$ { return 404; }\nlocation /d { proxy_pass http://x.y.svc:81/e; }";
    let (lowered, told) = lowered(HOST, text);
    assert_eq!(told, [""; 0]);
    let locations = &lowered.model.as_ref().expect("a model").listeners[0].hosts[0].locations;
    let requests: Vec<_> = locations.iter().map(|location| &location.requests).collect();
    assert_eq!(*requests[0], LocationMatch::Exact("/a".into()));
    assert_eq!(*requests[1], LocationMatch::Settled("/b".into()));
    assert!(matches!(requests[2], LocationMatch::Matching(p) if p.is_match(b"/x.c")));
    assert_eq!(*requests[3], LocationMatch::Beginning("/d".into()));
    let target = locations[3].rule.backends[0].target.key().map(ToString::to_string);
    assert_eq!(target.as_deref(), Some("x.y.svc:81"));
}

/// Those of the oldest Ingress hold for the whole host, and go with it.
#[test]
fn directives_of_a_host_are_those_of_the_oldest() {
    let with = |name: &str, year: &str, text: &str| {
        guarded(name, year, "h", &[(HOST, text)]).replace("path: /,", &format!("path: /{name},"))
    };
    let mut world = permitting();
    let young = with("young", "2025", "access_log off;");
    let lowered = world.apply(changes(&format!("{PERMISSION}{young}")));
    assert_eq!(policies(&lowered).access_log, AccessLog::LeftOut);
    let old = with("old", "2024", "set $x y;");
    let lowered = world.apply(changes(&old));
    let unused = lowered.problems.iter().filter(|p| p.reason == "DirectivesNotUsed");
    let unused: Vec<_> = unused.map(|p| (&*p.field, p.object.as_ref().map(|o| &*o.name))).collect();
    assert_eq!(unused, [(&*format!("metadata.annotations.{HOST}"), Some("young"))]);
    let host = &lowered.model.as_ref().expect("a model").listeners[0].hosts[0];
    assert!(host.rules.iter().all(|rule| rule.policies.access_log == AccessLog::Written));
    assert!(host.rules.iter().all(|rule| rule.policies.script.is_some()));
}

#[test]
fn the_config_map_has_directives_for_all() {
    let map = PERMISSION.replace(
        "Critical}",
        "Critical, location-snippet: \"more_set_headers 'A: b';\", \
         server-snippet: \"location = /up { return 204; }\"}",
    );
    let ingress = guarded("a", "", "h", &[(RULE, "more_set_headers 'C: d';")]);
    let plain = guarded("b", "", "g", &[]);
    let lowered = permitting().apply(changes(&format!("{map}{ingress}{plain}")));
    let hosts = &lowered.model.as_ref().expect("a model").listeners[0].hosts;
    let counts: Vec<_> = hosts
        .iter()
        .map(|host| {
            let script = host.rules[0].policies.script.as_ref().expect("directives");
            (host.pattern.to_string(), script.blocks[0].answered.len(), host.locations.len())
        })
        .collect();
    assert_eq!(counts, [("g".into(), 1, 1), ("h".into(), 2, 1)]);
}

/// What the text for all hosts says holds for each, as nginx lets it be inherited; its variables
/// are known to all directives.
#[test]
fn directives_for_all_hosts_are_inherited() {
    let http = "map $http_x $kind { default no; a yes; }\nadd_header A all;\n\
                more_set_headers \"B: $kind\";\nserver_tokens off;\nlog_format x y;\n\
                limit_req_zone a zone=b:1m rate=1r/s;\nserver { listen 81; return 301 https://a; }";
    let map = PERMISSION.replace("Critical}", &format!("Critical, http-snippet: {http:?}}}"));
    let ingress = guarded(
        "a",
        "",
        "h",
        &[
            (RULE, "proxy_set_header C $kind;"),
            (HOST, "add_header A host;\nif ($kind = no) { return 403; }"),
        ],
    );
    let plain = guarded("b", "", "g", &[]);
    let lowered = permitting().apply(changes(&format!("{map}{ingress}{plain}")));
    let hosts = &lowered.model.as_ref().expect("a model").listeners[0].hosts;
    let script = |host: usize| hosts[host].rules[0].policies.script.clone().expect("directives");
    for (host, sent, added, steps) in [(0, 0, "all", 0), (1, 1, "host", 1)] {
        let script = script(host);
        let block = &script.blocks[0];
        assert_eq!((block.answered.len(), block.sent.len()), (1, sent), "{host}");
        assert_eq!(block.added[0].value.constant(), Some(added));
        assert_eq!(script.host.len(), steps);
    }
    let told = lowered.problems.iter().filter(|p| p.field == "data.http-snippet");
    let told: Vec<_> = told.map(|p| (p.reason.word(), p.message.as_str())).collect();
    // Limits of requests and of those under way are inherited apart.
    let zones = "limit_req_zone $uri zone=r:1m rate=1r/s;\nlimit_conn_zone $uri zone=c:1m;\n\
                 limit_conn c 5;\nlimit_req zone=r;";
    let limits = |text: &str| {
        let map = PERMISSION.replace("Critical}", &format!("Critical, http-snippet: {zones:?}}}"));
        let ingress = guarded("a", "", "h", &[(RULE, text)]);
        let lowered = permitting().apply(changes(&format!("{map}{ingress}")));
        policies(&lowered).zone_limits.iter().map(|limits| limits.has_rate()).collect::<Vec<_>>()
    };
    assert_eq!(limits("limit_req zone=r burst=9;"), [false, true]);
    assert_eq!(limits("limit_conn c 1;"), [true, false]);
    let server = "line 7, column 1 (server): hosts are those of Ingresses; it has no effect.";
    assert_eq!(told, [("DirectiveNotSupported", server)]);
    assert!(hosts.iter().all(|host| host.rules[0].policies.refusal.is_none()));
    // What should keep clients out and cannot be set up closes all.
    let map = PERMISSION.replace("Critical}", "Critical, http-snippet: \"auth_request /x;\"}");
    let lowered = permitting().apply(changes(&format!("{map}{plain}")));
    assert_eq!(policies(&lowered).refusal, Some(Refusal::Guard));
}

#[test]
fn settings_of_directives_are_put_over_those_for_all() {
    let map = PERMISSION.replace("Critical}", "Critical, use-gzip: \"true\", gzip-level: \"5\"}");
    let text = "gzip_types text/css;\nbrotli on;\nset_real_ip_from 10.0.0.0/8;\n\
                limit_req_status 429;\nproxy_pass_header Server;\nlimit_rate_after 1m;\n\
                limit_rate 4k;\nproxy_next_upstream error http_502;\nproxy_redirect /a /b;";
    let ingress = guarded("a", "", "h", &[(RULE, text)]);
    let mut world = permitting();
    let lowered = world.apply(changes(&format!("{map}{ingress}")));
    let found = policies(&lowered);
    let compression = found.compression.as_ref().expect("one");
    assert_eq!(compression.codings.gzip.level, 5);
    assert!(compression.codings.gzip.types.has(Some(b"text/css")));
    assert!(!compression.codings.gzip.types.has(Some(b"text/plain")));
    let brotli = &compression.codings.brotli;
    assert_eq!((brotli.is_on, brotli.level, brotli.bytes_min), (true, 6, 20));
    let forwarded = found.forwarded.as_ref().expect("one");
    assert_eq!(&*forwarded.field, "x-real-ip");
    assert!(forwarded.believes([10, 1, 2, 3].into()) && !forwarded.believes([127, 0, 0, 1].into()));
    assert_eq!((found.rate_status, found.open_status), (Some(429), None));
    assert_eq!(found.server, Some(crate::model::ServerField::OfBackend));
    let pace = found.pace.expect("one");
    assert_eq!((pace.bytes_per_second.get(), pace.after_bytes), (4096, 1 << 20));
    assert_eq!(found.retry.statuses, [502]);
    assert_eq!(found.returned_places.as_ref().map(|places| places.location.len()), Some(1));
    // A change of what holds for all is one for the rule.
    let lowered = world.apply(changes(&map.replace("\"5\"", "\"7\"")));
    let compression = policies(&lowered).compression.as_ref().expect("one");
    assert_eq!(compression.codings.gzip.level, 7);
}
