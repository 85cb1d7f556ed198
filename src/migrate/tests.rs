//! Objects in, verdicts out.

use std::time::SystemTime;

use super::controller::controllers;
use super::judge::{Input, Judgement, judge};
use super::report::{Finding, Judged, Report, Verdict};
use super::{Controller, Html, Markdown, Replayed};
use crate::control::lower::LowerOptions;
use crate::control::source::manifest;
use crate::control::source::set::ManifestSet;
use crate::control::store::Store;
use crate::model::{EntryPoint, Kind, ObjectRef, Scheme};

use Verdict::{CannotWork, Differs, NeedsChange, Works};

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: app, namespace: n}\n\
                       spec: {ports: [{port: 80}]}\n";
const CONTROLLER: &str = "---\napiVersion: apps/v1\nkind: Deployment\n\
                          metadata: {name: c, namespace: n}\nspec: {replicas: 3, template: {spec: \
                          {containers: [{args: [/nginx-ingress-controller]}]}}}\n";

/// Annotations as `name=value` with `|` between them, without what the dialect begins with.
fn ingress(name: &str, annotations: &str, paths: &str) -> String {
    let annotations: String = annotations
        .split('|')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| format!("    nginx.ingress.kubernetes.io/{name}: {value:?}\n"))
        .collect();
    let paths: String = paths
        .split('|')
        .filter_map(|pair| pair.split_once(' '))
        .map(|(kind, path)| {
            format!(
                "      - {{path: {path:?}, pathType: {kind}, backend: {{service: {{name: app, \
                 port: \
                 {{number: 80}}}}}}}}\n"
            )
        })
        .collect();
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  \
         namespace: n\n  annotations:\n    a: b\n{annotations}spec:\n  ingressClassName: nginx\n  \
         rules:\n  - host: {name}.example\n    http:\n      paths:\n{paths}"
    )
}

fn config(keys: &str) -> String {
    let keys: String = keys
        .split('|')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| format!("  {name}: {value:?}\n"))
        .collect();
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, namespace: n}}\ndata:\n  \
         keep-alive: \"75\"\n{keys}"
    )
}

fn judged(text: &str, new_replicas: Option<u32>) -> Judgement {
    judged_with(text, new_replicas, &[], |judgement, _, _| judgement)
}

/// What `then` makes of the judgement, the objects and the controller.
fn judged_with<T>(
    text: &str,
    new_replicas: Option<u32>,
    flags: &[&str],
    then: impl FnOnce(Judgement, &Store, Option<&Controller>) -> T,
) -> T {
    let mut manifest = manifest::read(&"f.yaml".into(), text);
    let controllers = controllers(&manifest.workloads);
    let problems = std::mem::take(&mut manifest.problems);
    let mut set = ManifestSet::default();
    set.put(&"f.yaml".into(), manifest);
    let mut store = Store::default();
    let dirty = store.apply(set.take_changes().changes);
    let map = |name: &str| {
        Some(ObjectRef { kind: Kind::ConfigMap, namespace: "n".into(), name: name.into() })
    };
    let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let refused = flags.iter().filter_map(|flag| flag.strip_suffix("=refused"));
    let refused = refused.map(|flag| Finding::new(NeedsChange, flag, "It cannot be had."));
    let address = "127.0.0.1:80".parse().expect("an address");
    let judgement = judge(Input {
        store: &store,
        dirty: &dirty,
        problems: &problems,
        options: LowerOptions {
            config_map: map("m"),
            tcp_services: map("tcp"),
            entry_points: vec![EntryPoint { address, scheme: Scheme::Http }],
            is_offline: true,
            ..LowerOptions::cluster("nginx", "k8s.io/ingress-nginx")
        },
        controller: controllers.first(),
        flags: &flags,
        flag_findings: refused.collect(),
        new_replicas,
        now: SystemTime::UNIX_EPOCH,
    });
    then(judgement, &store, controllers.first())
}

fn find<'r>(report: &'r Report, name: &str) -> &'r Judged {
    report.objects.iter().find(|object| object.name == name).unwrap_or_else(|| panic!("{name}"))
}

/// All Ingresses of a table at once, as a cluster has them.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_ingress_comes_to_what_its_values_are() {
    type Row<'a> = (&'a str, &'a str, Verdict, &'a [&'a str], &'a [&'a str]);
    const ROOT: &str = "Prefix /";
    // Annotations, paths, what it comes to, words of its findings, words of the change.
    let rows: &[Row<'_>] = &[
        ("", ROOT, Works, &[], &[]),
        ("proxy-body-size=8m", ROOT, Works, &[], &[]),
        (
            "proxy-body-size=8 MB",
            ROOT,
            NeedsChange,
            &["\"8 MB\" cannot be used"],
            &["proxy-body-size: \"8m\""],
        ),
        (
            "proxy-read-timeout=60s",
            ROOT,
            NeedsChange,
            &["cannot be used"],
            &["proxy-read-timeout: \"60\""],
        ),
        ("ssl-redirect=yes", ROOT, NeedsChange, &["no truth value"], &["ssl-redirect: \"true\""]),
        ("enable-modsecurity=true", ROOT, CannotWork, &["503"], &["# enable-modsecurity:"]),
        (
            "global-rate-limit=10|global-rate-limit-window=1m",
            ROOT,
            NeedsChange,
            &["503"],
            &["global-rate-limit: null"],
        ),
        ("auth-typo=basic", ROOT, NeedsChange, &[], &["auth-typo: null", "auth-type: \"basic\""]),
        ("backend-protocol=FCGI", ROOT, NeedsChange, &["FCGI"], &[]),
        (
            "use-regex=true",
            "ImplementationSpecific /a(?!b)",
            NeedsChange,
            &["cannot be used as a regular expression"],
            &["# spec.rules[0].http.paths[0].path:"],
        ),
        ("", "Exact /foo/", Works, &[], &[]),
        ("auth-url=http://auth.example/check", ROOT, Differs, &["body of a 401 or 403"], &[]),
        ("canary=true|canary-weight=10", ROOT, Differs, &["whose requests"], &[]),
        ("limit-rate=100", ROOT, Differs, &["Holds the response back"], &[]),
        (
            "limit-rps=10",
            ROOT,
            Works,
            &[
                "51 at once (10 × 5 + 1)",
                "3 × 10 = 30 requests a second with ingress-nginx, 3 × 10 = 30",
            ],
            &[],
        ),
        (
            "auth-type=basic|auth-secret=none",
            ROOT,
            Works,
            &["Not judged, as what it names was not read"],
            &[],
        ),
        ("affinity=cookie|session-cookie-samesite=lax", ROOT, Differs, &["`Lax`"], &[]),
        ("configuration-snippet=more_set_headers 'X-A: b';", ROOT, Works, &[], &[]),
        (
            "configuration-snippet=content_by_lua_block { x }",
            ROOT,
            CannotWork,
            &["content_by_lua_block"],
            &["# configuration-snippet"],
        ),
        (
            "configuration-snippet=proxy_set_header Host $host;",
            ROOT,
            Differs,
            &["Sent once, as the snippet says"],
            &[],
        ),
        ("no-such-thing=1", ROOT, Works, &["ingress-nginx has no such annotation"], &[]),
    ];
    let mut text = SERVICE.to_owned()
        + CONTROLLER
        + &config("allow-snippet-annotations=true|annotations-risk-level=Critical");
    for (nth, (annotations, paths, ..)) in rows.iter().enumerate() {
        text += &ingress(&format!("i{nth}"), annotations, paths);
    }
    let report = judged(&text, None).report;
    for (nth, (annotations, _, verdict, words, change)) in rows.iter().enumerate() {
        let object = find(&report, &format!("i{nth}"));
        let shown = Markdown(&report).to_string();
        let shown =
            shown.split("\n### ").find(|part| part.starts_with(&format!("Ingress n/i{nth} ")));
        let shown = shown.unwrap_or_default();
        assert_eq!(object.verdict, *verdict, "{annotations}: {shown}");
        for words in *words {
            assert!(shown.contains(words), "{annotations}: {words}: {shown}");
        }
        let patch = object.change.clone().unwrap_or_default();
        assert_eq!(patch.is_empty(), *verdict < NeedsChange, "{annotations}: {patch}");
        for words in *change {
            assert!(patch.contains(words), "{annotations}: {words}: {patch}");
        }
    }
    let sum: usize = report.totals.iter().map(|total| total.ingresses).sum();
    assert_eq!(sum, rows.len());
}

/// A patch holds for ingress-nginx, too.
#[test]
fn a_patch_takes_no_guard_away_and_nothing_that_is_there() {
    for (annotations, has, lacks) in [
        ("limit-rps=0.5", "# limit-rps: ", "/limit-rps"),
        ("whitelist-source-range=10.0.0.0/8 or so", "# whitelist-source-range: ", "null"),
        ("auth-of-ours=x", "# auth-of-ours: ", "null"),
        ("server-snippet=content_by_lua_block { x }", "# server-snippet: ", "null"),
        ("limit-rps=10r/s", "/limit-rps: \"10\"", "null"),
        ("limit-rps=10r/m", "# limit-rps: ", "/limit-rps"),
        ("limit-rbs=5", "/limit-rps: \"5\"", "limit-rbs: \""),
        ("limit-rbs=5|limit-rps=10", "/limit-rbs: null", "/limit-rps"),
    ] {
        let text = config("allow-snippet-annotations=true|annotations-risk-level=Critical")
            + SERVICE
            + &ingress("i", annotations, "Prefix /");
        let report = judged(&text, None).report;
        let patch = find(&report, "i").change.clone().unwrap_or_default();
        assert!(patch.contains(has) && !patch.contains(lacks), "{annotations}: {patch}");
    }
}

#[test]
fn limits_are_multiplied_by_pods() {
    let text =
        CONTROLLER.to_owned() + &ingress("i", "limit-rpm=6|limit-burst-multiplier=2", "Prefix /");
    for (pods, verdict, words) in [
        (None, Works, "3 × 6 = 18 requests a minute with ingress-nginx, 3 × 6 = 18"),
        (
            Some(2),
            Differs,
            "3 × 6 = 18 requests a minute with ingress-nginx, 2 × 6 = 12 with Ringway; while both \
             serve, up to 30.",
        ),
    ] {
        let report = judged(&text, pods).report;
        let object = find(&report, "i");
        assert_eq!(object.verdict, verdict, "{pods:?}");
        let text: String = object.findings.iter().map(|finding| &*finding.text).collect();
        assert!(text.contains(words), "{text}");
        assert!(text.contains("13 at once (6 × 2 + 1)"), "{text}");
    }
}

#[test]
fn the_config_map_is_judged_and_holds_for_all() {
    for (keys, verdict, words, change) in [
        ("use-gzip=true", Works, "Compression: `Accept-Encoding`", ""),
        ("server-tokens=true", Differs, "`ringway`", ""),
        ("block-cidrs=192.0.2.0/24", Differs, "Before all else", ""),
        ("enable-modsecurity=true", CannotWork, "no effect", "# enable-modsecurity:"),
        (
            "ssl-session-ticket-key=c2VjcmV0",
            NeedsChange,
            "--tls-ticket-keys",
            "ssl-session-ticket-key: null",
        ),
        ("proxy-body-size=many", NeedsChange, "cannot be used", "proxy-body-size: null"),
        ("no-such-key=1", Works, "no such key", ""),
    ] {
        let report = judged(&(config(keys) + &ingress("i", "", "Prefix /")), None).report;
        let object = find(&report, "m");
        let shown = Markdown(&report).to_string();
        assert_eq!(object.verdict, verdict, "{keys}: {shown}");
        assert!(shown.contains(words), "{keys}: {shown}");
        let patch = object.change.clone().unwrap_or_default();
        assert!(patch.contains(change) && patch.is_empty() == change.is_empty(), "{keys}: {patch}");
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
    }
    // A snippet of an Ingress is read because the ConfigMap says so.
    let snippet = ingress("i", "configuration-snippet=more_set_headers 'X: y';", "Prefix /");
    let report = judged(&(config("") + &snippet), None).report;
    assert!(Markdown(&report).to_string().contains("risky annotation"));
}

#[test]
fn other_classes_and_texts_are_left_alone() {
    let text = ingress("i", "limit-rps=<b>", "Prefix /")
        + &ingress("other", "", "Prefix /")
            .replace("ingressClassName: nginx", "ingressClassName: x");
    let report = judged(&text, None).report;
    assert_eq!((report.other_classes, report.totals.len()), (1, 4));
    assert!(report.notes.iter().any(|note| note.contains("No Deployment or DaemonSet")));
    let page = Html(&report).to_string();
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
    assert!(!page.contains("http://") && !page.contains("src="), "{page}");
    assert!(report.to_json().expect("JSON").contains("\"verdict\": \"needs-change\""));
}

/// Paths of a log with a host, and what is told of them.
#[test]
fn requests_that_go_elsewhere_are_told_once() {
    let objects = config("log-format-upstream=$host $request [$proxy_upstream_name]")
        + SERVICE
        + &ingress("plain", "", "Prefix /foo|Exact /bar|Prefix /x/")
        + &ingress("exact", "", "Exact /y/")
        + &ingress("regex", "use-regex=true", "ImplementationSpecific /a/[0-9]+")
        + &ingress("closed", "enable-modsecurity=true", "Prefix /")
        + &ingress("greedy", "use-regex=true", "ImplementationSpecific /a(?!b)");
    let replayed = |lines: &[&str]| {
        judged_with(&objects, None, &[], |judgement, store, _| {
            let mut replay = judgement.replay(store);
            lines.iter().for_each(|line| replay.take(line));
            replay.finish()
        })
    };
    for (line, expected) in [
        ("plain.example GET /foo/1?token=x HTTP/1.1 [n-app-80]", "same"),
        ("PLAIN.example:8080 GET //foo/./1 HTTP/1.1 [n-app-80]", "same"),
        ("plain.example GET /foobar HTTP/1.1 [-]", "same"),
        ("plain.example GET /x HTTP/1.1 [-]", "same"),
        ("plain.example GET /%ZZ HTTP/1.1 [-]", "same"),
        ("nobody.example GET / HTTP/1.1 [upstream-default-backend]", "same"),
        ("regex.example GET /A/12/b HTTP/1.1 [n-app-80]", "same"),
        ("exact.example GET /y HTTP/1.1 [-]", "same"),
        ("closed.example GET /12 HTTP/1.1 [n-app-80]", "to n-app-80 | 503"),
        ("plain.example GET /none HTTP/1.1 [n-app-80]", "elsewhere"),
        ("greedy.example GET /ac HTTP/1.1 [n-app-80]", "unknown"),
        ("what is this", "unreadable"),
        // Of a log without hosts, those count that lead where it went.
        ("- GET /foo HTTP/1.1 [n-app-80]", "same"),
        ("- GET /foo HTTP/1.1 [n-other-80]", "without host"),
    ] {
        let found = replayed(&[line]);
        let said = match &found {
            Replayed { differences, .. } if !differences.is_empty() => {
                format!("{} | {}", differences[0].there, differences[0].here)
            }
            Replayed { compared: 1, .. } => "same".to_owned(),
            Replayed { elsewhere: 1, .. } => "elsewhere".to_owned(),
            Replayed { unknown: 1, .. } => "unknown".to_owned(),
            Replayed { unreadable: 1, .. } => "unreadable".to_owned(),
            Replayed { without_host: 1, .. } => "without host".to_owned(),
            other => panic!("{line}: {other:?}"),
        };
        let is_it = expected.split(" | ").all(|part| said.contains(part));
        assert!(is_it, "{line}: {said}");
        assert_eq!(found.lines, 1);
    }
    let twice = "closed.example GET /12 HTTP/1.1 [-]";
    let found = replayed(&[twice, "closed.example GET /13?a HTTP/1.1 [n-app-80]", twice]);
    let told: Vec<_> = found.differences.iter().map(|it| (&*it.path, it.requests)).collect();
    assert_eq!((found.compared, told), (3, vec![("/{n}", 3)]));
}

/// What an ingress-nginx is made of, with secrets and an address of its own, and what it serves.
fn installation() -> String {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: c, namespace: n, \
                   annotations: {example.com/lb: nlb, metallb.io/loadBalancerIPs: 192.0.2.1, \
                   external-dns.alpha.kubernetes.io/hostname: a.example}}\n\
                   spec: {type: LoadBalancer, externalTrafficPolicy: Local, \
                   ports: [{name: http, port: 80}]}\n";
    let maps = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: fields, namespace: n}\n\
                data: {X-Frame-Options: DENY}\n---\napiVersion: v1\nkind: ConfigMap\n\
                metadata: {name: secret, namespace: n}\ndata: {X-Api-Key: c2VjcmV0}\n---\n\
                apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tcp, namespace: n}\n\
                data: {\"5432\": \"n/app:80\"}\n";
    let keys = "use-gzip=true|add-headers=n/fields|proxy-set-headers=n/secret|\
                ssl-session-ticket-key=c2VjcmV0|enable-modsecurity=true|main-snippet=x|\
                whitelist-source-range=nobody";
    CONTROLLER.to_owned()
        + SERVICE
        + service
        + maps
        + &config(keys)
        + &ingress("i", "ssl-redirect=yes", "Prefix /it's|ImplementationSpecific /api(/|$)(.*)")
        + &ingress("c", "canary=true", "Prefix /canary")
        + &ingress("r", "", "Prefix /").replace("r.example", "$(reboot).example")
}

#[test]
fn the_folder_has_values_changes_and_a_script() {
    let flags = [
        "--publish-service=n/c",
        "--enable-metrics",
        "--default-ssl-certificate=n/tls",
        "--maxmind-license-key=c2VjcmV0",
        "--apiserver-host=refused",
    ];
    let files = judged_with(&installation(), Some(2), &flags, |judgement, store, controller| {
        judgement.folder(store, controller)
    });
    let names: Vec<_> = files.iter().map(|file| &*file.name).collect();
    assert_eq!(
        names,
        [
            "report.md",
            "values.yaml",
            "cutover.md",
            "verify.sh",
            "changes/configmap_n_m.yaml",
            "changes/ingress_n_i.yaml"
        ]
    );
    for (name, words) in [
        (
            "values.yaml",
            &[
                "    name: nginx\n",
                "    controllerValue: k8s.io/ingress-nginx\n",
                "    update-status: \"false\"\n",
                "    default-ssl-certificate: n/tls\n",
                "    use-gzip: \"true\"\n",
                "  addHeaders:\n    X-Frame-Options: DENY\n",
                "    proxy-set-headers: n/secret\n",
                "  replicaCount: 2\n",
                "    externalTrafficPolicy: Local\n",
                "      example.com/lb: nlb\n",
                "tcp:\n  \"5432\": \"n/app:80\"\n",
                "# config.ssl-session-ticket-key is left out",
                "# extraArgs.maxmind-license-key is left out",
                "# enable-modsecurity: ",
                "# main-snippet: ",
                "    whitelist-source-range: nobody\n",
                "# service.annotations.metallb.io/loadBalancerIPs is left out",
                "# service.annotations.external-dns.alpha.kubernetes.io/hostname is left out",
            ][..],
        ),
        ("verify.sh", &["check http 'i.example' '/api' 'Ingress n/i' \"$@\"", "'/it'\\''s'"]),
        ("cutover.md", &["2 Ingresses need a change", "kubectl scale deployment c --namespace n"]),
        ("changes/ingress_n_i.yaml", &["ssl-redirect: \"true\""]),
    ] {
        let file = files.iter().find(|file| file.name == name).expect(name);
        for words in words {
            assert!(file.text.contains(words), "{name}: {words}: {}", file.text);
        }
    }
    for file in &files {
        assert!(!file.text.contains("c2VjcmV0"), "{}", file.text);
        assert!(file.name != "verify.sh" || !file.text.contains("/canary"), "{}", file.text);
        assert!(file.name != "verify.sh" || !file.text.contains("reboot"), "{}", file.text);
        let is_values = file.name == "values.yaml";
        for lost in ["apiserver-host", "    enable-modsecurity", "192.0.2.1", "a.example"] {
            assert!(!is_values || !file.text.contains(lost), "{lost}: {}", file.text);
        }
    }
}

/// Whether they are of a workload that was read, or said behind `--`.
#[test]
fn refused_flags_are_no_values() {
    for text in [CONTROLLER.to_owned() + SERVICE, SERVICE.to_owned()] {
        let flags = ["--apiserver-host=refused", "-v", "2", "--shutdown-grace-period=1"];
        let files = judged_with(&text, None, &flags, |judgement, store, controller| {
            judgement.folder(store, controller)
        });
        let values = files.iter().find(|file| file.name == "values.yaml").expect("values");
        assert!(values.text.contains("    v: \"2\"\n"), "{}", values.text);
        assert!(!values.text.contains("apiserver-host"), "{}", values.text);
    }
}
