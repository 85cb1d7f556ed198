//! Classes and whose Ingresses are; what lowering does not say, because it is nobody's fault.

use std::collections::BTreeSet;

use super::report::Line;
use crate::cli::serve::ServeArgs;
use crate::control::lower::{Classes, LowerOptions, is_ours};
use crate::control::source::reach::Reach;
use crate::control::store::Store;
use crate::limits::DOCTOR_NAMES_MAX;
use crate::model::ObjectRef;

/// The IngressClass of `--ingress-class`. Its controller is judged by lowering.
pub(super) fn class(store: &Store, args: &ServeArgs) -> Line {
    const WHAT: &str = "class";
    let (name, controller) = (&args.common.ingress_class, &args.common.controller_class);
    let controller_of = |reference: &ObjectRef| {
        let entry = store.ingress_classes.get(reference)?;
        entry.object.spec.as_ref()?.controller.clone()
    };
    let found = store.ingress_classes.keys().find(|reference| *reference.name == **name);
    let ours: Vec<_> = store
        .ingress_classes
        .keys()
        .filter(|reference| controller_of(reference).as_ref() == Some(controller))
        .collect();
    match found {
        Some(_) if ours.is_empty() => {
            Line::ok(WHAT, format!("{name}; no class is of our controller {controller}"))
        }
        Some(_) => {
            Line::ok(WHAT, format!("{name}; of our controller {controller}: {}", names(&ours)))
        }
        None if !ours.is_empty() => Line::ok(
            WHAT,
            format!("of our controller {controller}: {}; there is no {name}", names(&ours)),
        ),
        None => Line::warning(
            WHAT,
            format!("there is no IngressClass {name}, nor one of our controller {controller}."),
            format!(
                "Install the chart with ingressClassResource.enabled=true, or: kubectl create -f - \
                 <<< '{{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"IngressClass\",\
                 \"metadata\":{{\"name\":\"{name}\"}},\
                 \"spec\":{{\"controller\":\"{controller}\"}}}}'"
            ),
        ),
    }
}

/// Whether the Service exists whose addresses go into the status, as far as it was looked for.
pub(super) fn published(store: &Store, args: &ServeArgs, reach: &Reach) -> Option<Line> {
    let service = args.cluster.publish_service.as_ref().filter(|_| args.cluster.update_status)?;
    let is_read = match reach {
        Reach::All => true,
        Reach::Namespaces(namespaces) => namespaces.iter().any(|name| **name == *service.namespace),
        Reach::Selector(_) => false,
    };
    (is_read && !store.services.contains_key(service)).then(|| {
        Line::warning(
            "status",
            format!("there is no {service}: no Ingress shows an address."),
            "Create it, or correct --publish-service.",
        )
    })
}

/// How many Ingresses are ours, and which ones nobody will serve.
pub(super) fn ingresses(store: &Store, options: &LowerOptions) -> Vec<Line> {
    const WHAT: &str = "ingresses";
    let classes = store.ingress_classes.iter().map(|(r, entry)| (r, &*entry.object));
    let classes = Classes::of(classes, options);
    let known: BTreeSet<&str> = store.ingress_classes.keys().map(|r| &*r.name).collect();
    let (mut ours, mut orphans) = (0_usize, Vec::new());
    for (reference, entry) in &store.ingresses {
        let spec = entry.object.spec.as_ref();
        let class = spec.and_then(|spec| spec.ingress_class_name.as_deref());
        if is_ours(&entry.object, &classes, options) {
            ours = ours.saturating_add(1);
        } else if class.is_some_and(|class| !known.contains(class)) {
            orphans.push(reference);
        }
    }
    let total = match store.ingresses.len() {
        1 => "1 Ingress".to_owned(),
        number => format!("{number} Ingresses"),
    };
    let advice = format!(
        "Set spec.ingressClassName to a class of {} or to {}, mark our class as the default, or \
         start with --watch-ingress-without-class.",
        options.controller_class, options.ingress_class
    );
    let mut lines = match ours {
        0 if !store.ingresses.is_empty() => {
            vec![Line::warning(WHAT, format!("{total}, none of them ours."), advice)]
        }
        _ => vec![Line::ok(WHAT, format!("{total}, {ours} of them ours"))],
    };
    if !orphans.is_empty() {
        lines.push(Line::warning(
            WHAT,
            format!("{} of a class that does not exist: {}.", orphans.len(), names(&orphans)),
            "Correct spec.ingressClassName, or make the IngressClass: kubectl get ingressclass",
        ));
    }
    lines
}

/// The first few.
pub(super) fn names(references: &[&ObjectRef]) -> String {
    let name = |reference: &&ObjectRef| match reference.namespace.is_empty() {
        true => reference.name.to_string(),
        false => format!("{}/{}", reference.namespace, reference.name),
    };
    let mut shown: Vec<_> = references.iter().take(DOCTOR_NAMES_MAX).map(name).collect();
    let rest = references.len().saturating_sub(DOCTOR_NAMES_MAX);
    if rest > 0 {
        shown.push(format!("{rest} more"));
    }
    if shown.is_empty() { "none".into() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::arguments;
    use super::super::report::Verdict;
    use super::*;
    use crate::cli::serve::lower_options;
    use crate::control::source::{Change, manifest};

    fn store(text: &str) -> Store {
        let mut store = Store::default();
        let objects = manifest::read(&"f".into(), text).objects;
        store.apply(objects.into_iter().map(|object| Change::Apply(Box::new(object))));
        store
    }

    fn class_of(name: &str, controller: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: {name}}}\n\
             spec: {{controller: {controller}}}\n---\n"
        )
    }

    fn ingress(name: &str, class: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\n\
             spec: {{ingressClassName: {class}, rules: []}}\n---\n"
        )
    }

    #[test]
    fn a_class_that_is_missing_is_told_with_the_command_that_makes_it() {
        let args = arguments("");
        let line = class(&store(""), &args);
        assert_eq!(line.verdict, Verdict::Warning);
        assert!(line.advice.contains("\"controller\":\"ringway.dev/ingress\""), "{}", line.advice);
        let line = class(&store(&class_of("ringway", "ringway.dev/ingress")), &args);
        assert_eq!(line.verdict, Verdict::Ok);
        let line = class(&store(&class_of("edge", "ringway.dev/ingress")), &args);
        assert_eq!(line.found, "of our controller ringway.dev/ingress: edge; there is no ringway");
    }

    #[test]
    fn a_published_service_that_is_missing_is_told_where_it_was_looked_for() {
        let flags = "--publish-service a/front";
        let found = |text: &str, flags: &str, reach: &Reach| {
            published(&store(text), &arguments(flags), reach).map(|line| line.found)
        };
        let told = "there is no Service a/front: no Ingress shows an address.";
        assert_eq!(found("", flags, &Reach::All).as_deref(), Some(told));
        let of = |namespace: &str| Reach::Namespaces(vec![namespace.into()]);
        assert_eq!(found("", flags, &of("a")).as_deref(), Some(told));
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: a}\n\
                       spec: {ports: [{port: 80}]}\n";
        assert_eq!(found(service, flags, &Reach::All), None);
        assert_eq!(found("", flags, &of("b")), None);
        assert_eq!(found("", flags, &Reach::Selector("a=b".into())), None);
        let silent = "--publish-service a/front --update-status false";
        assert_eq!(found("", silent, &Reach::All), None);
    }

    #[test]
    fn ingresses_are_counted_by_whose_they_are() {
        let options = lower_options(&arguments(""));
        let found = |text: &str| -> Vec<_> {
            let lines = ingresses(&store(text), &options).into_iter();
            lines.map(|line| (line.verdict, line.found)).collect()
        };
        assert_eq!(found(""), [(Verdict::Ok, "0 Ingresses, 0 of them ours".into())]);
        let classes = class_of("ringway", "ringway.dev/ingress") + &class_of("other", "x/y");
        let all = classes.clone() + &ingress("a", "ringway") + &ingress("b", "other");
        assert_eq!(found(&all), [(Verdict::Ok, "2 Ingresses, 1 of them ours".into())]);
        let all = classes + &ingress("b", "other") + &ingress("c", "nobody");
        let expected = [
            (Verdict::Warning, "2 Ingresses, none of them ours.".to_owned()),
            (Verdict::Warning, "1 of a class that does not exist: default/c.".to_owned()),
        ];
        assert_eq!(found(&all), expected);
    }
}
