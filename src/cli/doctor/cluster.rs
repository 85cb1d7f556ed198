//! The API server, our account and its rights, then the objects as `serve` would lower them.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::timeout;

use super::report::{Line, Report};
use super::{objects, rights};
use crate::cli::check::count;
use crate::cli::serve::{ServeArgs, lower_options, reach};
use crate::control::client::{self, Cluster, ConnectError};
use crate::control::kinds::{KindInfo, KindScope, Need, Reading as Read, info};
use crate::control::lower::Lowerer;
use crate::control::source::object::Change;
use crate::control::store::Store;
use crate::control::survey::{self, Reading, Unanswered};
use crate::limits::{
    DOCTOR_ANSWER_SLOW, DOCTOR_ANSWER_TIMEOUT, DOCTOR_NAMED_MAX, DOCTOR_TIME_MAX,
    KUBERNETES_MINOR_LEAST,
};
use crate::model::{Kind, ObjectRef, Problem};

pub(super) fn diagnose(args: &ServeArgs, report: &mut Report<'_>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match timeout(DOCTOR_TIME_MAX, ask(args, report)).await {
            Ok(result) => result,
            Err(_elapsed) => report.line(&Line::error(
                "API server",
                format!("the rest was not answered within {} s.", DOCTOR_TIME_MAX.as_secs()),
                "Look at the load of the API server, or run this with --watch-namespace.",
            )),
        }
    })
}

async fn ask(args: &ServeArgs, report: &mut Report<'_>) -> io::Result<()> {
    let cluster = match connect(args).await {
        Ok(cluster) => cluster,
        Err(error) => return report.line(&no_client(&error)),
    };
    let start = Instant::now();
    let version = survey::version(&cluster.client).await;
    let is_there = version.is_ok();
    report.lines(api_server(&cluster.server, &version, start.elapsed()))?;
    if !is_there {
        return Ok(());
    }
    let account = survey::account(&cluster.client).await;
    report.line(&account_line(&account))?;
    let account = account.unwrap_or_else(|_| "this account".into());
    let reach = reach(&args.cluster);
    let own = args.cluster.pod_namespace.as_deref().unwrap_or(&cluster.namespace);
    let needs = rights::needs(args, &reach, &own.into());
    let asked = rights::questions(&needs);
    let answers = survey::rights(&cluster.client, &asked.0).await;
    report.lines(rights::judge(&needs, &asked, &answers, &account))?;
    let reading = survey::read(&cluster.client, &reach, &lower_options(args)).await;
    judge(args, reading, report)
}

async fn connect(args: &ServeArgs) -> Result<Cluster, ConnectError> {
    let mut config = client::locate(args.cluster.kubeconfig.as_deref(), None).await?;
    // A second try would only hide what this is to find.
    config.default_retry = false;
    config.connect_timeout = Some(DOCTOR_ANSWER_TIMEOUT);
    client::client(config)
}

fn no_client(error: &ConnectError) -> Line {
    let found = match error {
        ConnectError::Kubeconfig(cause) => {
            format!("this is no pod, and no kubeconfig can be used: {}", survey::chain(cause))
        }
        ConnectError::Account(_) | ConnectError::Client { .. } => survey::chain(error),
    };
    let advice = match error {
        ConnectError::Kubeconfig(_) => {
            "Name a kubeconfig that kubectl can use (kubectl --kubeconfig FILE version) with \
             --kubeconfig or KUBECONFIG, or say --manifests DIR to run without a cluster."
        }
        ConnectError::Account(_) => {
            "Set automountServiceAccountToken: true in the pod and give it a serviceAccountName."
        }
        ConnectError::Client { .. } => {
            "Make new credentials; kubectl config view shows which certificate and key are used."
        }
    };
    Line::error("API server", format!("{found}."), advice)
}

fn api_server(server: &str, version: &Result<String, Unanswered>, took: Duration) -> Vec<Line> {
    const WHAT: &str = "API server";
    let millis = took.as_millis();
    let version = match version {
        Ok(version) => version,
        Err(Unanswered::Refused { code: 401, message }) => {
            return vec![Line::error(
                WHAT,
                format!("{server} does not know this account: {message}."),
                "The token or certificate is wrong or has expired: make a new one, or restart the \
                 pod.",
            )];
        }
        Err(error) => {
            return vec![Line::error(
                WHAT,
                format!("{server} cannot be asked: {error}."),
                format!(
                    "Try curl -k {}/version from here; look at the address, NetworkPolicies, \
                     proxies (HTTPS_PROXY) and the CA of the kubeconfig.",
                    server.trim_end_matches('/')
                ),
            )];
        }
    };
    let found = format!("{server} is {version}, answered in {millis} ms");
    match parse_version(version) {
        Some(parsed) if parsed < (1, KUBERNETES_MINOR_LEAST) => vec![Line::warning(
            WHAT,
            format!("{found}: older than what Ringway is made for (1.{KUBERNETES_MINOR_LEAST})."),
            "Update the cluster; what works now may stop with the next version of Ringway.",
        )],
        _ if took > DOCTOR_ANSWER_SLOW => vec![Line::warning(
            WHAT,
            format!("{found}: slow."),
            "Look at its load; changes reach Ringway late.",
        )],
        _ => vec![Line::ok(WHAT, found)],
    }
}

/// `v1.36.3`, `v1.33.1-gke.100`, `v1.34.0+k3s1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.strip_prefix('v')?.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn account_line(account: &Result<String, Unanswered>) -> Line {
    const WHAT: &str = "account";
    match account {
        Ok(name) if name == "system:anonymous" => Line::error(
            WHAT,
            "system:anonymous: no credentials were sent.",
            "Give the pod a serviceAccountName, or use a kubeconfig with a user.",
        ),
        Ok(name) => Line::ok(WHAT, name),
        // The question came with Kubernetes 1.28; nothing depends on its answer.
        Err(Unanswered::Refused { code: 404, .. }) => {
            Line::ok(WHAT, "its name is not told: this API server is older than the question.")
        }
        Err(error) => Line::warning(
            WHAT,
            format!("its name is not told: {error}."),
            "Let it create selfsubjectreviews.authentication.k8s.io (ClusterRole \
             system:basic-user); kubectl auth whoami shows the same.",
        ),
    }
}

/// Judges objects as lowering does. Where something could not be read, what depends on it is left
/// out rather than told wrong.
fn judge(args: &ServeArgs, reading: Reading, report: &mut Report<'_>) -> io::Result<()> {
    let Reading { objects, unread, unread_named } = reading;
    let mut store = Store::default();
    let dirty = store.apply(objects.into_iter().map(|object| Change::Apply(Box::new(object))));
    for (kind, error) in &unread {
        let advice = match error {
            Unanswered::Refused { code: 400, .. } => {
                "Write --watch-namespace-selector as kubectl's --selector takes it, such as \
                 team=web,tier!=test."
            }
            Unanswered::Refused { .. } => "Give the rights that are named above.",
            Unanswered::TooMany => "Run this with --watch-namespace, one namespace at a time.",
            Unanswered::Late(_) | Unanswered::Broken(_) => {
                "Run this again; if it stays so, look at the load of the API server."
            }
        };
        let KindInfo { plural, need, .. } = info(*kind);
        let found = format!("{plural} cannot be read: {error}.");
        report.line(&match need {
            Need::Optional | Need::IfServed => Line::warning("objects", found, advice),
            Need::Required | Need::Wanted => Line::error("objects", found, advice),
        })?;
    }
    let is_read = |kinds: &[Kind]| !unread.iter().any(|(kind, _)| kinds.contains(kind));
    if !is_read(&[Kind::Namespace, Kind::Ingress]) {
        return Ok(());
    }
    let options = lower_options(args);
    if is_read(&[Kind::IngressClass]) {
        report.line(&objects::class(&store, args))?;
        report.lines(objects::ingresses(&store, &options))?;
    }
    report.lines(named_lines(&unread_named))?;
    if is_read(&[Kind::Service]) {
        report.lines(objects::published(&store, args, &reach(&args.cluster)))?;
    }
    if !is_read(&[Kind::Service, Kind::EndpointSlice]) {
        return Ok(());
    }
    let mut problems =
        Lowerer::new(options).apply(&store, &dirty, SystemTime::now()).problems.to_vec();
    problems.retain(|problem| !is_guess(problem, &unread_named));
    if problems.is_empty() {
        let number = store.counts().iter().map(|(_, count)| count).sum();
        return report
            .line(&Line::ok("objects", format!("{}: no problems", count(number, "object"))));
    }
    report.problems("objects", &problems)
}

/// A Secret or a ConfigMap that was not read counts as missing there.
fn is_guess(problem: &Problem, unread: &[(ObjectRef, Option<Unanswered>)]) -> bool {
    unread.iter().any(|(object, _)| problem.message.contains(&object.to_string()))
}

/// One line for each kind of what was not read.
fn named_lines(unread: &[(ObjectRef, Option<Unanswered>)]) -> Vec<Line> {
    let named =
        KindInfo::followed(KindScope::Namespaced).filter(|info| info.reading == Read::Named);
    named.filter_map(|info| named_line(info, unread)).collect()
}

fn named_line(info: &KindInfo, unread: &[(ObjectRef, Option<Unanswered>)]) -> Option<Line> {
    let unread = unread.iter().filter(|(object, _)| object.kind == info.kind);
    let references: Vec<_> = unread.clone().map(|(reference, _)| reference).collect();
    let names = objects::names(&references);
    let found = format!("{} not read: {names}", references.len());
    match unread.clone().find_map(|(_, error)| error.as_ref()) {
        Some(error) => {
            let advice = format!("Give the rights that are named above. {}", info.unnamed);
            Some(Line::error(info.plural, format!("{found}: {error}."), advice))
        }
        None if !references.is_empty() => Some(Line::warning(
            info.plural,
            format!("{found}: no more than {DOCTOR_NAMED_MAX} are."),
            "Run this with --watch-namespace, one namespace at a time.",
        )),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments;
    use super::super::report::Verdict;
    use super::*;
    use crate::control::source::manifest;
    use crate::control::source::object::SourceObject;

    #[test]
    fn servers_are_judged_by_answer_version_and_time() {
        let ok = |text: &str| Ok(text.to_owned());
        let refused = |code| Err(Unanswered::Refused { code, message: "no".into() });
        let fast = Duration::from_millis(3);
        for (version, took, verdict, part) in [
            (ok("v1.36.3"), fast, Verdict::Ok, "answered in 3 ms"),
            (ok("v1.34.0+k3s1"), fast, Verdict::Ok, "v1.34.0+k3s1"),
            (ok("v1.23.17"), fast, Verdict::Ok, "v1.23.17"),
            (
                ok("v1.22.9-gke.1"),
                fast,
                Verdict::Warning,
                "older than what Ringway is made for (1.23).",
            ),
            (ok("v1.36.3"), DOCTOR_ANSWER_SLOW * 2, Verdict::Warning, "slow"),
            (refused(401), fast, Verdict::Error, "does not know this account"),
            (refused(503), fast, Verdict::Error, "status 503"),
            (Err(Unanswered::Late(fast)), fast, Verdict::Error, "cannot be asked"),
        ] {
            let line = api_server("https://api:6443/", &version, took).remove(0);
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(line.found.contains(part), "{line:?}");
        }
        assert_eq!(account_line(&ok("system:anonymous")).verdict, Verdict::Error);
        assert_eq!(account_line(&refused(403)).verdict, Verdict::Warning);
        assert_eq!(account_line(&refused(404)).verdict, Verdict::Ok);
    }

    fn judged(flags: &str, text: &str, change: impl FnOnce(&mut Reading)) -> String {
        let mut reading = Reading::default();
        for object in manifest::read(&"f".into(), text).objects {
            reading.objects.push(SourceObject { provenance: None, ..object });
        }
        change(&mut reading);
        let mut out = Vec::new();
        let mut report = Report { out: &mut out, errors: 0, warnings: 0 };
        judge(&arguments(flags), reading, &mut report).expect("written");
        String::from_utf8(out).expect("text")
    }

    const SHOP: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: a}
spec:
  ingressClassName: ringway
  tls: [{hosts: [shop.example], secretName: shop}]
  rules: []
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ringway}
spec: {controller: ringway.dev/ingress}
";

    #[test]
    fn objects_are_judged_by_lowering_them() {
        let text = judged("", SHOP, |_| ());
        assert!(text.contains("error    objects: Ingress a/shop: "), "{text}");
        assert!(text.contains("there is no Secret a/shop"), "{text}");
        assert!(text.contains("ok       ingresses: 1 Ingress, 1 of them ours"), "{text}");
        let text = judged("--default-ssl-certificate b/wild", SHOP, |_| ());
        assert!(text.contains("there is no Secret b/wild"), "{text}");
    }

    fn secret(name: &str) -> ObjectRef {
        ObjectRef { kind: Kind::Secret, namespace: "a".into(), name: name.into() }
    }

    #[test]
    fn what_was_not_read_is_not_judged() {
        let text = judged("", SHOP, |reading| reading.unread_named.push((secret("shop"), None)));
        assert!(!text.contains("there is no Secret"), "{text}");
        assert!(text.contains("warning  secrets: 1 not read: a/shop"), "{text}");
        let late = || Unanswered::Late(Duration::from_secs(5));
        let text = judged("", SHOP, |reading| {
            reading.unread_named.push((secret("shop"), Some(late())));
            reading.unread.push((Kind::Service, late()));
            reading.unread.push((Kind::IngressClass, late()));
        });
        assert!(text.contains("error    secrets: 1 not read: a/shop: no answer within 5 s."));
        assert!(text.contains("error    objects: services cannot be read: no answer within 5 s."));
        assert!(text.contains("warning  objects: ingressclasses cannot be read: "), "{text}");
        assert!(!text.contains("no problems"), "{text}");
    }
}
