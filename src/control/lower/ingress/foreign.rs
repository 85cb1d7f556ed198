//! Annotations that mean something to other controllers, and nothing here.

use crate::control::source::report::Finding;
use crate::limits::OWNERS_SHOWN_MAX;
use crate::model::reason;

/// What names of annotations begin with, and whose they are. External-dns, cert-manager, dashboards
/// and their like act on Ingresses of any controller and are not here.
const OWNERS: [(&str, &str); 24] = [
    (
        "ingress.kubernetes.io/",
        "the first versions of ingress-nginx, now nginx.ingress.kubernetes.io/",
    ),
    ("nginx.org/", "the controller of NGINX Inc."),
    ("nginx.com/", "the controller of NGINX Inc."),
    ("traefik.ingress.kubernetes.io/", "Traefik"),
    ("traefik.io/", "Traefik"),
    ("haproxy.org/", "HAProxy"),
    ("haproxy.com/", "HAProxy"),
    ("haproxy-ingress.github.io/", "HAProxy Ingress"),
    ("haproxy.router.openshift.io/", "OpenShift's router"),
    ("route.openshift.io/", "OpenShift's router"),
    ("alb.ingress.kubernetes.io/", "the AWS Load Balancer Controller"),
    ("appgw.ingress.kubernetes.io/", "Azure Application Gateway"),
    ("kubernetes.io/ingress.global-static-ip-name", "Google's load balancer"),
    ("kubernetes.io/ingress.regional-static-ip-name", "Google's load balancer"),
    ("kubernetes.io/ingress.allow-http", "Google's load balancer"),
    ("ingress.gcp.kubernetes.io/", "Google's load balancer"),
    ("networking.gke.io/", "Google's load balancer"),
    ("konghq.com/", "Kong"),
    ("configuration.konghq.com", "Kong"),
    ("projectcontour.io/", "Contour"),
    ("ingress.cilium.io/", "Cilium"),
    ("getambassador.io/", "Emissary"),
    ("higress.io/", "Higress"),
    ("k8s.apisix.apache.org/", "APISIX"),
];

/// One finding for all of them, at the first; `None`: there are none.
pub(crate) fn annotations<'a>(
    annotations: impl Iterator<Item = (&'a String, &'a String)>,
) -> Option<Finding> {
    let (mut first, mut owners) = (None, Vec::new());
    for (name, _) in annotations {
        let owner = OWNERS.iter().find(|(prefix, _)| name.starts_with(prefix));
        let Some((_, owner)) = owner else { continue };
        first.get_or_insert(name);
        if !owners.contains(owner) {
            owners.push(*owner);
        }
    }
    let first = first?;
    let more = if owners.len() > OWNERS_SHOWN_MAX { " and others" } else { "" };
    let shown = owners.get(..OWNERS_SHOWN_MAX).unwrap_or(&owners).join("; ");
    Some(Finding {
        reason: reason!("ForeignAnnotation"),
        field: format!("metadata.annotations.{first}"),
        message: format!("annotations of other controllers have no effect here ({shown}{more})."),
        advice: "See whether the Ingress is right without them.".into(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn annotations_of_others_are_one_note() {
        let note = |names: &[&str]| {
            let all: BTreeMap<String, String> =
                names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
            annotations(all.iter()).map(|finding| format!("{}: {}", finding.field, finding.message))
        };
        let told = |field: &str, who: &str| {
            Some(format!(
                "metadata.annotations.{field}: annotations of other controllers have no effect \
                 here ({who})."
            ))
        };
        for (names, expected) in [
            (&[][..], None),
            (&["nginx.ingress.kubernetes.io/rewrite-target", "kubernetes.io/ingress.class"], None),
            (&["cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme", "a"], None),
            (&["external-dns.alpha.kubernetes.io/target", "hajimari.io/icon"], None),
            (&["konghq.com/plugins"], told("konghq.com/plugins", "Kong")),
            (
                &["nginx.org/websocket-services", "nginx.org/rewrites", "haproxy.org/whitelist"],
                told("haproxy.org/whitelist", "HAProxy; the controller of NGINX Inc."),
            ),
            (
                &["ingress.kubernetes.io/rewrite-target"],
                told(
                    "ingress.kubernetes.io/rewrite-target",
                    "the first versions of ingress-nginx, now nginx.ingress.kubernetes.io/",
                ),
            ),
            (
                &["kubernetes.io/ingress.global-static-ip-name", "networking.gke.io/x"],
                told("kubernetes.io/ingress.global-static-ip-name", "Google's load balancer"),
            ),
            (
                &[
                    "alb.ingress.kubernetes.io/a",
                    "appgw.ingress.kubernetes.io/a",
                    "higress.io/a",
                    "konghq.com/a",
                    "traefik.io/a",
                ],
                told(
                    "alb.ingress.kubernetes.io/a",
                    "the AWS Load Balancer Controller; Azure Application Gateway; Higress; Kong \
                     and others",
                ),
            ),
        ] {
            assert_eq!(note(names), expected, "{names:?}");
        }
    }
}
