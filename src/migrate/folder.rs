//! What is written for who moves: the report, the chart's values, the changes, a script that
//! compares both controllers, and the order of the cut-over with the way back.

use std::sync::Arc;

use super::controller::Controller;
use super::facts::World;
use super::markdown::Markdown;
use super::report::{Judged, Report, Verdict};
use super::values::{Made, Values};
use super::verify;
use crate::control::lower::LowerOptions;
use crate::control::store::Store;
use crate::model::{ObjectRef, Problem};

/// One file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutFile {
    /// Below the folder.
    pub name: String,
    /// Its content.
    pub text: String,
    /// How it is used.
    pub usage: Usage,
}

/// How a file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// It is read.
    Read,
    /// It is run.
    Run,
}

/// What the files are made of.
pub(super) struct Sources<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a LowerOptions,
    pub(super) controller: Option<&'a Controller>,
    pub(super) world: &'a World,
    pub(super) ours: &'a [ObjectRef],
    pub(super) report: &'a Report,
    /// Flags, without dashes, that have no effect here or cannot be had.
    pub(super) dropped: &'a [String],
    /// What lowering says.
    pub(super) problems: &'a [Arc<Problem>],
}

/// The files; their names are not in each other's way.
pub(super) fn files(sources: &Sources<'_>) -> Vec<OutFile> {
    let Sources { store, options, controller, world, ours, report, dropped, problems } = *sources;
    let made = Made { store, options, controller, world, dropped, problems };
    let values = Values::of(&made);
    let mut files = vec![
        file("report.md", Markdown(report).to_string()),
        file("values.yaml", values.text()),
        file("cutover.md", cutover(report, options, controller)),
        OutFile { usage: Usage::Run, ..file("verify.sh", verify::script(store, ours, world)) },
    ];
    let changes = report
        .objects
        .iter()
        .filter_map(|object| Some(file(&change_name(object), object.change.clone()?)));
    files.extend(changes);
    files
}

fn file(name: &str, text: String) -> OutFile {
    OutFile { name: name.to_owned(), text, usage: Usage::Read }
}

/// Names of Kubernetes have no underscore.
fn change_name(object: &Judged) -> String {
    let Judged { kind, namespace, name, .. } = object;
    format!("changes/{}_{namespace}_{name}.yaml", kind.to_ascii_lowercase())
}

/// The order of the cut-over, and the way back.
fn cutover(report: &Report, options: &LowerOptions, controller: Option<&Controller>) -> String {
    let of = |verdict| report.totals.iter().find(|total| total.verdict == verdict);
    let number = |verdict| of(verdict).map_or(0, |total| total.ingresses);
    let (stuck, open) = (number(Verdict::CannotWork), number(Verdict::NeedsChange));
    let other = match controller {
        Some(Controller { kind, namespace, name, .. })
            if [name, namespace].iter().all(|text| verify::is_name(text)) =>
        {
            format!("{} {name} --namespace {namespace}", kind.to_ascii_lowercase())
        }
        // Or of names that no object has.
        _ => "deployment ingress-nginx-controller --namespace ingress-nginx".to_owned(),
    };
    let class = &options.ingress_class;
    format!(
        "# The cut-over, step by step\n\nClients move when DNS (or the load balancer) does. Until \
         then, and for as long as ingress-nginx runs, the way back is to point it there again.\n\n\
         1. **Changes.** {open} Ingresses need a change and {stuck} cannot work here: see \
         `report.md`. Apply what `changes/` proposes, each after a look: \
         `kubectl patch … --patch-file`. They hold for ingress-nginx, too. Ingresses that cannot \
         work stay with it: give them a class of their own before step 5.\n   \
         *Way back:* the objects as they were in what was read.\n\
         2. **Install beside it.** Put your image into `values.yaml`, then\n   \
         `helm install ringway deploy/chart/ringway --namespace ringway --create-namespace \
         --values values.yaml`.\n   It serves class `{class}` at an address of its own and writes \
         no status. \
         Limits of clients count in each controller by itself.\n   \
         *Way back:* `helm uninstall ringway --namespace ringway`; nobody noticed.\n\
         3. **Compare.** `sh verify.sh OLD NEW` with both addresses: every host and path, status \
         and redirects. What is told as different stands in `report.md`, or is a fault to \
         report.\n   *Way back:* none is needed.\n\
         4. **Move clients.** Lower the TTL of the DNS records a day before; then move one host, \
         watch its errors, move the rest. external-dns: it follows the status of Ingresses, so \
         stop that of ingress-nginx first (`--update-status=false`), then set \
         `controller.extraArgs.update-status=true` here.\n   \
         *Way back:* DNS to the old address; undo the two flags in the other order.\n\
         5. **Retire.** When a TTL and the longest connection have passed and its access log is \
         silent, scale it down and keep it: `kubectl scale {other} --replicas=0` (a DaemonSet: a \
         nodeSelector that fits no node).\n   \
         *Way back:* scale it up again, and DNS as above.\n\
         6. **Remove.** Before its release goes, upgrade Ringway with \
         `controller.ingressClassResource.enabled=true`: the IngressClass goes with that release. \
         Its admission webhook goes with it, too (`kubectl get \
         validatingwebhookconfigurations`).\n   \
         *Way back:* install it again from its own values.\n"
    )
}
