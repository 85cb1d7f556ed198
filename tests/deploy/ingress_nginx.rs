//! The chart takes the values of the chart of ingress-nginx: each works, or has no effect and is
//! told, or is refused with its place and what to do instead.

use serde_json::Value;

use super::{CHART, document, read, refuse, rendered};

const TABLE: &str = "deploy/chart/ringway/ingress-nginx-values.json";
const VALUES: &str = "deploy/chart/ringway/ci/ingress-nginx-values.yaml";
const PAGE: &str = "docs/chart.md";

/// What people set most.
const SET_MOST: &str = "controller.replicaCount controller.kind controller.config \
    controller.service.type controller.service.annotations \
    controller.service.externalTrafficPolicy controller.service.loadBalancerIP \
    controller.service.loadBalancerSourceRanges controller.service.internal \
    controller.service.enableHttp controller.service.enableHttps controller.service.targetPorts \
    controller.service.nodePorts controller.hostNetwork controller.hostPort \
    controller.dnsPolicy controller.ingressClassResource.name \
    controller.ingressClassResource.enabled controller.ingressClassResource.default \
    controller.ingressClassResource.controllerValue controller.ingressClassResource.aliases \
    controller.ingressClass controller.ingressClassByName controller.watchIngressWithoutClass \
    controller.extraArgs controller.extraEnvs controller.extraVolumes controller.resources \
    controller.autoscaling controller.keda controller.metrics.enabled \
    controller.metrics.serviceMonitor.enabled controller.metrics.prometheusRule \
    controller.admissionWebhooks.enabled controller.admissionWebhooks.failurePolicy \
    controller.admissionWebhooks.timeoutSeconds controller.admissionWebhooks.patch \
    controller.admissionWebhooks.certManager controller.allowSnippetAnnotations \
    controller.publishService controller.scope controller.addHeaders controller.proxySetHeaders \
    controller.customTemplate.configMapName controller.nodeSelector controller.tolerations \
    controller.affinity controller.topologySpreadConstraints controller.podAnnotations \
    controller.podLabels controller.priorityClassName controller.minAvailable \
    controller.updateStrategy controller.terminationGracePeriodSeconds controller.lifecycle \
    controller.electionID controller.enableTopologyAwareRouting controller.networkPolicy \
    controller.opentelemetry tcp udp portNamePrefix defaultBackend defaultBackend.enabled rbac \
    serviceAccount.create imagePullSecrets dhParam namespaceOverride revisionHistoryLimit";

struct Row {
    value: String,
    here: String,
    why: String,
    /// What is refused of it; empty: all that is not nothing.
    only: Vec<Value>,
}

fn rows() -> Vec<Row> {
    let table: Value = serde_json::from_str(&read(TABLE)).expect("JSON");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = table["values"].as_array().expect("a list").iter().map(|row| Row {
        value: text(row, "value"),
        here: text(row, "here"),
        why: text(row, "why"),
        only: row["only"].as_array().cloned().unwrap_or_default(),
    });
    rows.collect()
}

fn page() -> String {
    let head = "# Values of the ingress-nginx chart\n\n\
        The chart takes the `values.yaml` of ingress-nginx; the image alone is another one. What \
        has no\neffect is told after the installation. What cannot be had ends it, with the \
        sentence below. Values of\nRingway are explained in \
        [values.yaml](../deploy/chart/ringway/values.yaml).\n\n\
        This page is made from the table that the chart goes by, and a test holds it current.\n\n\
        | Value | Here |\n|---|---|\n";
    rows().iter().fold(head.to_owned(), |page, Row { value, here, why, .. }| {
        let said = match here.as_str() {
            "works" if why.is_empty() => "works".to_owned(),
            "works" => format!("works: {why}"),
            "nothing" => format!("no effect: {why}"),
            _ => format!("refused: {why}"),
        };
        format!("{page}| `{value}` | {said} |\n")
    })
}

#[test]
fn the_page_of_values_is_current() {
    let page = page();
    if std::env::var_os("RINGWAY_WRITE_DOCS").is_some() {
        std::fs::write(super::root().join(PAGE), &page).expect("written");
    }
    assert_eq!(read(PAGE), page, "run this test with RINGWAY_WRITE_DOCS=1");
}

#[test]
fn every_value_that_people_set_has_a_row() {
    let rows = rows();
    for value in SET_MOST.split_whitespace() {
        assert!(rows.iter().any(|row| row.value == value), "{value}");
    }
    for row in &rows {
        let is_known = matches!(row.here.as_str(), "works" | "nothing" | "refused");
        assert!(is_known && (row.here == "works" || !row.why.is_empty()), "{}", row.value);
    }
}

/// The part of a schema that a path leads to.
fn within<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(schema, |at, name| {
        at["properties"].get(name).or_else(|| {
            // Below what is not looked at, anything is let in.
            at.as_object().filter(|object| object.is_empty()).map(|_| at)
        })
    })
}

/// What works has a form of its own; the rest may have any.
#[test]
fn the_schema_knows_every_value() {
    let schema: Value =
        serde_json::from_str(&read(format!("{CHART}/values.schema.json"))).expect("JSON");
    for row in rows() {
        let known = within(&schema, &row.value).unwrap_or_else(|| panic!("{}", row.value));
        if row.here == "works" {
            assert!(known.as_object().is_some_and(|form| !form.is_empty()), "{}", row.value);
        }
    }
}

#[test]
fn what_cannot_be_had_is_refused_with_its_place() {
    for Row { value, why, only, .. } in rows().iter().filter(|row| row.here == "refused") {
        let said = match only.first() {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "x".to_owned(),
        };
        refuse(&["--set", &format!("{value}={said}")], &format!("{value}: {why}"));
    }
}

#[test]
fn values_of_a_platform_team_say_the_same_here() {
    let manifests = rendered(&["--values", VALUES]);
    for line in [
        "- --controller-class=k8s.io/ingress-nginx",
        "- --ingress-class=nginx",
        "- --ingress-class-by-name",
        "- --watch-ingress-without-class",
        "- --enable-ssl-passthrough\n",
        "- \"--time-buckets=0.1,0.5,1,5\"",
        "- \"--watch-namespace-selector=edge=public\"",
        "- --admin-bind=*:10254",
        "- --configmap=ringway/ringway-controller\n",
        "failurePolicy: Fail",
        "progressDeadlineSeconds: 600",
        "scrapeTimeout: 10s",
        "any: true",
        "name: nginx_ingress_controller_nginx_process_requests_total",
    ] {
        assert!(manifests.contains(line), "{line}: {manifests}");
    }
    for line in ["--access-log", "wait-shutdown", "port: 10254, scheme", "defaultBackend"] {
        assert!(!manifests.contains(line), "{line}");
    }
    let map = document(&manifests, "ConfigMap", "ringway-controller").expect("a ConfigMap");
    for line in [
        "add-headers: \"ringway/ringway-custom-add-headers\"",
        "proxy-set-headers: \"ringway/ringway-custom-proxy-headers\"",
        "allow-snippet-annotations: \"true\"",
        "server-tokens: \"false\"",
        "worker-processes: \"4\"",
        "example.com/a: b",
    ] {
        assert!(map.contains(line), "{line}: {map}");
    }
    let fields = document(&manifests, "ConfigMap", "ringway-custom-add-headers");
    assert!(fields.expect("fields").contains("\"X-Frame-Options\": \"DENY\""));
    let tcp = document(&manifests, "ConfigMap", "ringway-tcp").expect("TCP services");
    assert!(tcp.contains("example.com/tcp"), "{tcp}");
    let service = document(&manifests, "Service", "ringway-controller").expect("a Service");
    assert!(service.contains("nodePort: 30032"), "{service}");
    let internal = document(&manifests, "Service", "ringway-controller-internal");
    let internal = internal.expect("an internal Service");
    for line in ["type: LoadBalancer", "port: 8080", "port: 443", "- 10.0.0.0/8"] {
        assert!(internal.contains(line), "{line}: {internal}");
    }
}
