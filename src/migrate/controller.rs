//! The workload that runs ingress-nginx: its command line, and how many pods it has. Pure; nothing
//! in the object is trusted to have its shape.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::control::source::manifest::Workload;
use crate::model::SourcePosition;

/// The program, as the first word of `args:` names it.
const PROGRAM: &str = "nginx-ingress-controller";
/// A part of the names of its images, for those whose `args:` are flags alone.
const IMAGE: &str = "ingress-nginx";
/// Flags stand behind it.
const FLAG: &str = "--";

/// A Deployment or DaemonSet that runs ingress-nginx.
#[derive(Debug, Clone)]
pub struct Controller {
    /// `kind`.
    pub kind: &'static str,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Where it stands; `None`: it is of a cluster.
    pub position: Option<SourcePosition>,
    /// Words behind the program, with `$(NAME)` put in.
    pub flags: Vec<String>,
    /// How many pods it has.
    pub replicas: Replicas,
    /// `minAvailable` of the PodDisruptionBudget for its pods.
    pub min_available: Option<Value>,
    /// `spec.template`.
    pub template: Value,
    /// The container that runs it.
    pub container: Value,
}

/// How many pods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// Nobody says it.
    Unknown,
    /// So many.
    Fixed(u32),
    /// From so many to so many, by load.
    Scaled(u32, u32),
    /// One a node.
    PerNode,
}

impl Replicas {
    /// The most there can be; `None`: nobody knows.
    #[must_use]
    pub const fn most(self) -> Option<u32> {
        match self {
            Self::Unknown | Self::PerNode => None,
            Self::Fixed(number) | Self::Scaled(_, number) => Some(number),
        }
    }

    /// In words, such as `3 pods`.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Unknown => "an unknown number of pods".to_owned(),
            Self::Fixed(1) => "1 pod".to_owned(),
            Self::Fixed(number) => format!("{number} pods"),
            Self::Scaled(least, most) => format!("{least} to {most} pods"),
            Self::PerNode => "one pod on each node".to_owned(),
        }
    }
}

/// The workloads that run ingress-nginx, in the order in which they stand.
#[must_use]
pub fn controllers(workloads: &[Workload]) -> Vec<Controller> {
    workloads.iter().filter_map(|workload| of(workload, workloads)).collect()
}

/// Whether a Deployment or DaemonSet runs ingress-nginx.
#[must_use]
pub fn is_controller(workload: &Value) -> bool {
    let containers = workload.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    containers.into_iter().flatten().any(|container| flags_of(container).is_some())
}

fn of(workload: &Workload, all: &[Workload]) -> Option<Controller> {
    let Workload { kind, position, object } = workload;
    let template = object.pointer("/spec/template")?;
    let containers = template.pointer("/spec/containers")?.as_array()?;
    let (container, flags) = containers.iter().find_map(|it| Some((it, flags_of(it)?)))?;
    let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    let known = variables(container, namespace, name);
    let scaler = all.iter().find(|other| scales(other, kind, namespace, name));
    let budget = all.iter().find(|other| is_budget(other, namespace, template));
    Some(Controller {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        position: position.clone(),
        flags: flags.into_iter().map(|flag| put_in(flag, &known)).collect(),
        replicas: replicas(kind, object, scaler),
        min_available: budget
            .and_then(|budget| budget.object.pointer("/spec/minAvailable").cloned()),
        template: template.clone(),
        container: container.clone(),
    })
}

/// The words behind the program; `None`: the container runs something else.
fn flags_of(container: &Value) -> Option<Vec<&str>> {
    let words = |field| container.get(field).and_then(Value::as_array).into_iter().flatten();
    let words: Vec<_> = words("command").chain(words("args")).filter_map(Value::as_str).collect();
    let is_program = |word: &&str| word.rsplit('/').next() == Some(PROGRAM);
    if let Some(at) = words.iter().position(is_program) {
        return Some(words.get(at.saturating_add(1)..).unwrap_or_default().to_vec());
    }
    let is_image = text(container, "/image").contains(IMAGE);
    let first = words.iter().position(|word| word.starts_with(FLAG) && *word != FLAG);
    let is_webhook_job = words.iter().any(|word| matches!(*word, "create" | "patch"));
    // What starts it, such as `dumb-init -c --`, has flags of its own.
    let before = words.get(..first.filter(|_| is_image && !is_webhook_job)?).unwrap_or_default();
    let start = before.iter().rposition(|word| *word == FLAG || word.starts_with('/'));
    let flags = words.into_iter().skip(start.map_or(0, |at| at.saturating_add(1)));
    Some(flags.skip_while(|word| !word.starts_with('-')).collect())
}

fn variables<'a>(
    container: &'a Value,
    namespace: &'a str,
    name: &'a str,
) -> BTreeMap<&'a str, &'a str> {
    let mut known = BTreeMap::new();
    for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        let value = match text(variable, "/valueFrom/fieldRef/fieldPath") {
            "metadata.namespace" => namespace,
            "metadata.name" => name,
            _ => text(variable, "/value"),
        };
        known.insert(text(variable, "/name"), value);
    }
    known
}

/// `$(NAME)` as Kubernetes puts it in; what is not known stays.
fn put_in(word: &str, known: &BTreeMap<&str, &str>) -> String {
    let put =
        |text: String, (name, value): (&&str, &&str)| text.replace(&format!("$({name})"), value);
    known.iter().fold(word.to_owned(), put)
}

fn replicas(kind: &str, object: &Value, scaler: Option<&Workload>) -> Replicas {
    let number = |object: &Value, field| {
        object.pointer(field).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
    };
    if kind == "DaemonSet" {
        return Replicas::PerNode;
    }
    let bounds = scaler.and_then(|scaler| {
        let most = number(&scaler.object, "/spec/maxReplicas")?;
        Some((number(&scaler.object, "/spec/minReplicas").unwrap_or(1), most))
    });
    match bounds {
        Some((least, most)) => Replicas::Scaled(least, most),
        None => Replicas::Fixed(number(object, "/spec/replicas").unwrap_or(1)),
    }
}

fn scales(workload: &Workload, kind: &str, namespace: &str, name: &str) -> bool {
    let Workload { kind: own, object, .. } = workload;
    *own == "HorizontalPodAutoscaler"
        && is_in(object, namespace)
        && text(object, "/spec/scaleTargetRef/kind") == kind
        && text(object, "/spec/scaleTargetRef/name") == name
}

fn is_budget(workload: &Workload, namespace: &str, template: &Value) -> bool {
    let Workload { kind, object, .. } = workload;
    *kind == "PodDisruptionBudget"
        && is_in(object, namespace)
        && selects(object.pointer("/spec/selector/matchLabels"), template)
}

fn is_in(object: &Value, namespace: &str) -> bool {
    let own = text(object, "/metadata/namespace");
    own == namespace || own.is_empty() && namespace == "default"
}

/// Whether labels that are asked for are those of the pods; none ask for nobody.
pub(super) fn selects(asked: Option<&Value>, template: &Value) -> bool {
    let asked = asked.and_then(Value::as_object).filter(|asked| !asked.is_empty());
    let labels = template.pointer("/metadata/labels");
    asked.is_some_and(|asked| {
        asked.iter().all(|(name, value)| labels.and_then(|labels| labels.get(name)) == Some(value))
    })
}

/// A text of an object; empty: there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::source::manifest;

    fn read(text: &str) -> Vec<Controller> {
        controllers(&manifest::read(&"f.yaml".into(), text).workloads)
    }

    #[test]
    fn a_controller_is_known_by_its_program_or_image() {
        let of = |container: &str| {
            let found = read(&format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: c, namespace: n}}\n\
                 spec: {{template: {{spec: {{containers: [{{name: a, image: x}}, \
                 {container}]}}}}}}\n"
            ));
            found.into_iter().map(|found| found.flags.join(" ")).collect::<Vec<_>>()
        };
        for (container, flags) in [
            ("{args: [/nginx-ingress-controller, --v=2]}", Some("--v=2")),
            (
                "{command: [/usr/bin/dumb-init, --, /nginx-ingress-controller], args: [-v, '2']}",
                Some("-v 2"),
            ),
            ("{image: registry.k8s.io/ingress-nginx/controller:v1, args: [--v=2]}", Some("--v=2")),
            (
                "{image: k8s.io/ingress-nginx/controller, args: [-v, '2', --x=1]}",
                Some("-v 2 --x=1"),
            ),
            (
                "{image: k8s.io/ingress-nginx/controller, command: [/usr/bin/dumb-init, -c, --], \
                 args: [-v=2, --x=1]}",
                Some("-v=2 --x=1"),
            ),
            ("{image: k8s.io/ingress-nginx/kube-webhook-certgen, args: [create, --host=a]}", None),
            ("{image: nginx, args: [--v=2]}", None),
            (
                "{args: [/nginx-ingress-controller, --configmap=$(NS)/$(POD), --x=$(LIT)$(NO)], \
                 env: [\
              {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}, \
              {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, \
                 {name: LIT, value: l}]}",
                Some("--configmap=n/c --x=l$(NO)"),
            ),
        ] {
            assert_eq!(of(container), flags.into_iter().collect::<Vec<_>>(), "{container}");
        }
    }

    #[test]
    fn pods_are_counted_by_who_decides_on_them() {
        let template = "template: {metadata: {labels: {a: b}}, spec: {containers: \
                        [{args: [/nginx-ingress-controller]}]}}";
        let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n\
                      metadata: {name: h}\nspec: {minReplicas: 2, maxReplicas: 9, \
                      scaleTargetRef: {kind: Deployment, name: c}}\n";
        let budget = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: h}\n\
                      spec: {minAvailable: 2, selector: {matchLabels: {a: b}}}\n";
        for (kind, spec, more, expected, words) in [
            ("Deployment", "replicas: 3, ", "", Replicas::Fixed(3), "3 pods"),
            ("Deployment", "", "", Replicas::Fixed(1), "1 pod"),
            ("Deployment", "replicas: 3, ", scaler, Replicas::Scaled(2, 9), "2 to 9 pods"),
            ("DaemonSet", "", "", Replicas::PerNode, "one pod on each node"),
        ] {
            let text = format!(
                "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: c}}\n\
                 spec: {{{spec}{template}}}\n{more}{budget}"
            );
            let found = read(&text);
            let [controller] = &found[..] else { panic!("{text}: {found:?}") };
            assert_eq!(controller.replicas, expected, "{text}");
            assert_eq!(controller.replicas.words(), words);
            assert_eq!(controller.min_available, Some(2.into()));
        }
    }
}
