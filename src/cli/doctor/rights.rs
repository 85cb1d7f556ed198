//! Which rights the flags need, and what is told about those that are not given.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::report::{Line, Verdict};
use crate::cli::serve::{ServeArgs, lower_options};
use crate::control::kinds::{self, KindInfo, KindScope, info};
use crate::control::source::reach::Reach;
use crate::control::survey::{Right, Unanswered};
use crate::limits::DOCTOR_RIGHTS_MAX;
use crate::model::Kind;

/// Verbs on one resource for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    verdict: Verdict,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    /// Empty: all, or none.
    namespace: Arc<str>,
    is_namespaced: bool,
    /// Empty: all objects.
    name: Arc<str>,
    verbs: &'static [&'static str],
    /// Group, resource, subresource and verb of those that do as well together, as roles for
    /// ingress-nginx have them; empty: nothing does.
    instead: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// What happens without: a clause.
    without: &'static str,
}

/// One object is got, or listed by its name.
const FOLLOW: &[&str] = &["list", "watch"];

impl Need {
    fn new(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
        without: &'static str,
    ) -> Self {
        Self {
            verdict: Verdict::Error,
            group,
            resource,
            subresource: "",
            namespace: "".into(),
            is_namespaced: true,
            name: "".into(),
            verbs,
            instead: &[],
            without,
        }
    }

    /// What reading a kind takes.
    fn follow(info: &KindInfo) -> Self {
        let need = Self::new(info.group, info.plural, FOLLOW, info.unread);
        let verdict = match info.need {
            kinds::Need::Optional | kinds::Need::IfServed => Verdict::Warning,
            kinds::Need::Required | kinds::Need::Wanted => Verdict::Error,
        };
        Self { verdict, is_namespaced: info.scope == KindScope::Namespaced, ..need }
    }

    /// What writing states of a kind takes; `None`: it has none.
    fn write(info: &KindInfo) -> Option<Self> {
        if info.unwritten.is_empty() {
            return None;
        }
        let need = Self::new(info.group, info.plural, &["patch"], info.unwritten).lesser();
        let instead: &[_] = match info.kind {
            Kind::Ingress => &[
                ("networking.k8s.io", "ingresses", "", "get"),
                ("networking.k8s.io", "ingresses", "status", "update"),
            ],
            _ => &[],
        };
        let is_namespaced = info.scope == KindScope::Namespaced;
        Some(Self { subresource: "status", instead, is_namespaced, ..need })
    }

    fn namespace(self, namespace: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(namespace), ..self }
    }

    fn name(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    fn of_cluster(self) -> Self {
        Self { is_namespaced: false, ..self }
    }

    /// Nothing is routed without it.
    fn greater(self) -> Self {
        Self { verdict: Verdict::Error, ..self }
    }

    /// Routing goes on without it.
    fn lesser(self) -> Self {
        Self { verdict: Verdict::Warning, ..self }
    }

    fn rights(&self) -> impl Iterator<Item = Right> {
        let Self { group, resource, subresource, .. } = *self;
        self.verbs.iter().map(move |verb| self.right((group, resource, subresource, verb)))
    }

    /// Those that do as well.
    fn other_rights(&self) -> impl Iterator<Item = Right> {
        self.instead.iter().map(|right| self.right(*right))
    }

    fn right(
        &self,
        (group, resource, subresource, verb): (
            &'static str,
            &'static str,
            &'static str,
            &'static str,
        ),
    ) -> Right {
        let (namespace, name) = (Arc::clone(&self.namespace), Arc::clone(&self.name));
        Right { group, resource, subresource, namespace, name, verb }
    }
}

/// What the flags need, as the chart gives it. `own`: the namespace of this pod.
pub(super) fn needs(args: &ServeArgs, reach: &Reach, own: &Arc<str>) -> Vec<Need> {
    let cluster = &args.cluster;
    let of_cluster = KindInfo::followed(KindScope::Cluster).map(|info| match info.kind {
        Kind::Namespace if matches!(reach, Reach::Selector(_)) => Need::follow(info).greater(),
        _ => Need::follow(info),
    });
    let mut needs: Vec<_> = of_cluster.collect();
    needs.extend(of_states(KindScope::Cluster, args));
    if cluster.update_status && matches!(reach, Reach::All) {
        let KindInfo { group, plural, .. } = info(Kind::GatewayClass);
        let without = "GatewayClasses have no finalizer and may go before their Gateways";
        needs.push(Need::new(group, plural, &["patch"], without).of_cluster().lesser());
    }
    let namespaces = match reach {
        Reach::All | Reach::Selector(_) => vec![Arc::from("")],
        Reach::Namespaces(names) => names.iter().map(|name| Arc::from(&**name)).collect(),
    };
    for namespace in &namespaces {
        needs.extend(of_namespace(namespace, args));
    }
    let watched = |namespace: &Arc<str>| namespaces.iter().any(|n| n.is_empty() || n == namespace);
    for named in lower_options(args).named() {
        if !watched(&named.namespace) {
            let (without, plural) = ("what a flag names is not used", info(named.kind).plural);
            let need = Need::new("", plural, FOLLOW, without).namespace(&named.namespace);
            needs.push(need.name(&named.name));
        }
    }
    needs.extend(of_writer(args, own, &watched));
    if !cluster.admission_bind.is_empty() && cluster.admission_certificate.is_none() {
        let secret = &cluster.admission_secret;
        let without = "the admission webhook has no certificate";
        let secrets = |verbs| Need::new("", "secrets", verbs, without).namespace(&secret.namespace);
        needs.push(secrets(&["create"]));
        needs.push(secrets(&["get", "list", "watch", "update"]).name(&secret.name));
        let without = "the API server does not trust the admission webhook";
        let resource = "validatingwebhookconfigurations";
        let group = "admissionregistration.k8s.io";
        let verbs = &["get", "list", "watch", "patch"];
        let need = Need::new(group, resource, verbs, without).of_cluster();
        needs.push(need.name(&cluster.admission_configuration));
    }
    needs
}

/// What is watched and written wherever Ingresses are.
fn of_namespace(namespace: &Arc<str>, args: &ServeArgs) -> Vec<Need> {
    let followed = KindInfo::followed(KindScope::Namespaced);
    let mut needs: Vec<_> = followed.map(Need::follow).collect();
    needs.extend(of_states(KindScope::Namespaced, args));
    let without = "owners of objects are not told of problems";
    let need = Need::new("events.k8s.io", "events", &["create", "patch"], without).lesser();
    let instead = &[("", "events", "", "create"), ("", "events", "", "patch")];
    needs.push(Need { instead, ..need });
    needs.into_iter().map(|need| need.namespace(namespace)).collect()
}

/// States of objects, where they are written.
fn of_states(scope: KindScope, args: &ServeArgs) -> impl Iterator<Item = Need> {
    let is_written = args.cluster.update_status;
    KindInfo::followed(scope).filter(move |_| is_written).filter_map(Need::write)
}

/// What the holder of the Lease needs, and where addresses and zone come from.
fn of_writer(
    args: &ServeArgs,
    own: &Arc<str>,
    is_watched: &dyn Fn(&Arc<str>) -> bool,
) -> Vec<Need> {
    let cluster = &args.cluster;
    let without = "no replica writes status or Events";
    let leases =
        |verbs| Need::new("coordination.k8s.io", "leases", verbs, without).namespace(own).lesser();
    let mut needs =
        vec![leases(&["create"]), leases(&["get", "update"]).name(&cluster.election_id)];
    let are_found = cluster.update_status && cluster.publish_status_address.is_empty();
    let are_nodes_published = are_found && cluster.publish_service.is_none();
    if let Some(service) = cluster.publish_service.as_ref().filter(|_| are_found)
        && !is_watched(&service.namespace)
    {
        let without = "no Ingress shows the address of --publish-service";
        let need = Need::new("", "services", FOLLOW, without).namespace(&service.namespace);
        needs.push(need.name(&service.name).lesser());
    }
    if cluster.update_status || cluster.gateway_services.is_some() {
        let without = "it is unknown which nodes run us, and which replica is the last";
        needs.push(Need::new("", "pods", &["get", "list"], without).namespace(own).lesser());
    }
    if cluster.gateway_services.is_some() {
        let without = "no Service is made for a Gateway (see --gateway-services)";
        let verbs = &["get", "list", "watch", "create", "patch", "delete"];
        needs.push(Need::new("", "services", verbs, without).of_cluster().lesser());
        let slices = Need::new("discovery.k8s.io", "endpointslices", &["create", "patch"], without);
        needs.push(slices.of_cluster().lesser());
    }
    if are_nodes_published || (cluster.zone.is_none() && cluster.node_name.is_some()) {
        let without = "the addresses and the zone of our node are unknown \
                       (or use --publish-service and --zone)";
        needs.push(Need::new("", "nodes", &["get"], without).of_cluster().lesser());
    }
    needs
}

/// The rights to ask for, each once and in order; and how many are left out.
pub(super) fn questions(needs: &[Need]) -> (Vec<Right>, usize) {
    let all = needs.iter().flat_map(|need| need.rights().chain(need.other_rights()));
    let all: BTreeSet<Right> = all.collect();
    let surplus = all.len().saturating_sub(DOCTOR_RIGHTS_MAX);
    (all.into_iter().take(DOCTOR_RIGHTS_MAX).collect(), surplus)
}

/// Lines about `answers` to `asked`.
pub(super) fn judge(
    needs: &[Need],
    (asked, surplus): &(Vec<Right>, usize),
    answers: &[Result<bool, Unanswered>],
    account: &str,
) -> Vec<Line> {
    const WHAT: &str = "rights";
    let mut lines = Vec::new();
    let missing: BTreeSet<&Right> =
        asked.iter().zip(answers).filter(|(_, a)| matches!(a, Ok(false))).map(|(r, _)| r).collect();
    let is_met_otherwise = |need: &Need| {
        !need.instead.is_empty() && need.other_rights().all(|right| !missing.contains(&right))
    };
    for need in needs.iter().filter(|need| !is_met_otherwise(need)) {
        let verbs: Vec<_> =
            need.rights().filter(|right| missing.contains(right)).map(|right| right.verb).collect();
        if !verbs.is_empty() {
            lines.push(missing_line(need, &verbs, account));
        }
    }
    let unanswered: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    if let Some(error) = unanswered.first() {
        let found = format!("{} of {} were not told: {error}.", unanswered.len(), asked.len());
        let advice = "Let the account create selfsubjectaccessreviews.authorization.k8s.io \
                      (ClusterRole system:basic-user), then run this again.";
        lines.push(Line::warning(WHAT, found, advice));
    }
    if *surplus > 0 {
        let found = format!("{surplus} more were not asked for.");
        lines.push(Line::warning(WHAT, found, "Run this with fewer --watch-namespace at a time."));
    }
    if lines.is_empty() {
        lines.push(Line::ok(WHAT, format!("all {} that the flags need", asked.len())));
    }
    lines
}

fn missing_line(need: &Need, verbs: &[&str], account: &str) -> Line {
    let Need { verdict, group, resource, subresource, namespace, is_namespaced, name, .. } = need;
    let separator = if subresource.is_empty() { "" } else { "/" };
    let api = if group.is_empty() { "core" } else { group };
    let object = if name.is_empty() { String::new() } else { format!(" {name}") };
    let place = match (is_namespaced, namespace.is_empty()) {
        (false, _) => String::new(),
        (true, true) => " in all namespaces".to_owned(),
        (true, false) => format!(" in namespace {namespace}"),
    };
    let spoken = verbs.join(", ");
    let found = format!(
        "{account} may not {spoken} {resource}{separator}{subresource}{object} (API group \
         {api}){place}: {}.",
        need.without
    );
    Line { verdict: *verdict, what: "rights", found, advice: remedy(need, verbs, account) }
}

/// Commands that give the right.
fn remedy(need: &Need, verbs: &[&str], account: &str) -> String {
    let Need { group, resource, subresource, namespace, name: object, .. } = need;
    let role = format!("ringway-{}-{resource}{subresource}", verbs.join("-"));
    let subject = match account.strip_prefix("system:serviceaccount:") {
        Some(name) => format!("--serviceaccount={name}"),
        None => format!("--user={}", quoted(account)),
    };
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if subresource.is_empty() { "" } else { "/" };
    let named =
        if object.is_empty() { String::new() } else { format!(" --resource-name={object}") };
    let what = format!(
        "--verb={} --resource={resource}{dot}{group}{slash}{subresource}{named}",
        verbs.join(",")
    );
    let (kind, scope) = match namespace.is_empty() {
        true => ("clusterrole", String::new()),
        false => ("role", format!(" -n {namespace}")),
    };
    format!(
        "Install the chart with rbac.create=true, or: kubectl create {kind} {role}{scope} {what} \
         && kubectl create {kind}binding {role}{scope} --{kind}={role} {subject}"
    )
}

/// For a shell: whoever issues credentials chooses the name.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments;
    use super::*;

    const ACCOUNT: &str = "system:serviceaccount:edge:ringway";

    fn rights_of(flags: &str, reach: &Reach) -> Vec<String> {
        let needs = needs(&arguments(flags), reach, &"edge".into());
        let line = |right: &Right| {
            let Right { group, resource, subresource, namespace, name, verb } = right;
            format!("{verb} {resource}/{subresource} [{group}] {namespace}:{name}")
        };
        questions(&needs).0.iter().map(line).collect()
    }

    #[test]
    fn flags_decide_which_rights_are_needed() {
        let all = rights_of("--publish-service edge/ringway", &Reach::All);
        for right in [
            "list ingresses/ [networking.k8s.io] :",
            "patch ingresses/status [networking.k8s.io] :",
            "patch gateways/status [gateway.networking.k8s.io] :",
            "patch udproutes/status [gateway.networking.k8s.io] :",
            "patch gatewayclasses/status [gateway.networking.k8s.io] :",
            "patch gatewayclasses/ [gateway.networking.k8s.io] :",
            "watch ingressclasses/ [networking.k8s.io] :",
            // Selectors of listeners.
            "watch namespaces/ [] :",
            "list secrets/ [] :",
            "watch configmaps/ [] :",
            "create events/ [events.k8s.io] :",
            "update leases/ [coordination.k8s.io] edge:ringway-leader",
            "create leases/ [coordination.k8s.io] edge:",
            "list pods/ [] edge:",
        ] {
            assert!(all.iter().any(|asked| asked == right), "{right}: {all:#?}");
        }
        let is_asked = |rights: &[String], part: &str| rights.iter().any(|r| r.contains(part));
        assert!(!is_asked(&all, "nodes") && !is_asked(&all, "referencegrants/status"));
        assert!(!is_asked(&all, "validating") && !is_asked(&all, "get secrets"));

        let flags = "--update-status false --default-ssl-certificate certs/wild --node-name n \
                     --admission-bind 0.0.0.0:8443 --configmap edge/settings";
        let reach = Reach::Namespaces(vec!["a".into(), "b".into()]);
        let some = rights_of(flags, &reach);
        for right in [
            "list ingresses/ [networking.k8s.io] b:",
            "list secrets/ [] certs:wild",
            "watch secrets/ [] certs:wild",
            "watch configmaps/ [] edge:settings",
            "get nodes/ [] :",
            "patch validatingwebhookconfigurations/ [admissionregistration.k8s.io] \
             :ringway-admission",
            "create secrets/ [] ringway:",
        ] {
            assert!(some.iter().any(|asked| asked == right), "{right}: {some:#?}");
        }
        assert!(!is_asked(&some, "status") && !is_asked(&some, "pods"));
        assert!(!some.iter().any(|right| right == "list ingresses/ [networking.k8s.io] :"));
        // What the addresses of the flag leave without use.
        let said = "--publish-service x/lb --publish-status-address 192.0.2.1";
        assert!(!is_asked(&rights_of(said, &reach), "x:lb"));
        assert!(is_asked(&rights_of("--publish-service x/lb", &reach), "x:lb"));

        let selected = rights_of("", &Reach::Selector("team=web".into()));
        assert!(is_asked(&selected, "watch namespaces/") && is_asked(&selected, "get nodes/"));
    }

    #[test]
    fn missing_rights_say_what_fails_and_what_to_bind() {
        let reach = Reach::Namespaces(vec!["a".into()]);
        let needs = needs(&arguments("--publish-service a/ringway"), &reach, &"edge".into());
        let asked = questions(&needs);
        let answers = |refused: &dyn Fn(&Right) -> bool| -> Vec<Result<bool, Unanswered>> {
            asked.0.iter().map(|right| Ok(!refused(right))).collect()
        };
        let lines = judge(&needs, &asked, &answers(&|_| false), ACCOUNT);
        assert_eq!(
            lines,
            [Line::ok("rights", format!("all {} that the flags need", asked.0.len()))]
        );
        // What ingress-nginx is given does as well.
        let theirs = |right: &Right| {
            let is_status = right.subresource == "status" && right.resource == "ingresses";
            is_status && right.verb == "patch"
                || right.group == "events.k8s.io"
                || right.verb == "get" && right.resource == "secrets"
        };
        let lines = judge(&needs, &asked, &answers(&theirs), ACCOUNT);
        assert!(lines.iter().all(|line| line.verdict == Verdict::Ok), "{lines:?}");
        let refused = |right: &Right| right.resource == "ingresses";
        let lines = judge(&needs, &asked, &answers(&refused), ACCOUNT);
        let texts: Vec<_> = lines.iter().map(|line| (line.verdict, &*line.found)).collect();
        let expected = [
            (
                Verdict::Error,
                "system:serviceaccount:edge:ringway may not list, watch ingresses (API group \
                 networking.k8s.io) in namespace a: nothing is routed.",
            ),
            (
                Verdict::Warning,
                "system:serviceaccount:edge:ringway may not patch ingresses/status (API group \
                 networking.k8s.io) in namespace a: no Ingress shows its address (or use \
                 --update-status=false).",
            ),
        ];
        assert_eq!(texts, expected);
        assert_eq!(
            lines[0].advice,
            "Install the chart with rbac.create=true, or: kubectl create role \
             ringway-list-watch-ingresses -n a --verb=list,watch \
             --resource=ingresses.networking.k8s.io && kubectl create rolebinding \
             ringway-list-watch-ingresses -n a --role=ringway-list-watch-ingresses \
             --serviceaccount=edge:ringway"
        );
        assert_eq!(quoted("it's $(me)"), "'it'\\''s $(me)'");
        let lines = judge(&needs, &asked, &answers(&|r| r.resource == "ingressclasses"), "alice");
        assert_eq!(lines[0].verdict, Verdict::Warning);
        assert!(lines[0].found.contains("ingressclasses (API group networking.k8s.io): classes"));
        assert!(lines[0].advice.contains("kubectl create clusterrolebinding"));
        assert!(lines[0].advice.ends_with("--user=alice"));
    }

    #[test]
    fn rights_that_were_not_told_are_no_missing_ones() {
        let needs = needs(&arguments(""), &Reach::All, &"edge".into());
        let asked = questions(&needs);
        let late = |_: &Right| Err(Unanswered::TooMany);
        let answers: Vec<_> = asked.0.iter().map(late).collect();
        let lines = judge(&needs, &asked, &answers, ACCOUNT);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].found.contains("were not told"), "{}", lines[0].found);
        let many = (0..DOCTOR_RIGHTS_MAX).map(|n| format!("n{n}")).collect();
        let needs = super::needs(&arguments(""), &Reach::Namespaces(many), &"edge".into());
        let asked = questions(&needs);
        assert_eq!(asked.0.len(), DOCTOR_RIGHTS_MAX);
        let given: Vec<_> = asked.0.iter().map(|_| Ok(true)).collect();
        let lines = judge(&needs, &asked, &given, ACCOUNT);
        assert!(lines[0].found.contains("more were not asked for"), "{}", lines[0].found);
    }
}
