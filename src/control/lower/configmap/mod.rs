//! The controller's own ConfigMap → what holds for all objects: one row a key.

mod access;
mod answers;
mod auth;
mod backends;
mod bodies;
pub(super) mod compression;
mod connections;
mod field_maps;
mod fields;
mod firewall;
mod forwarded;
pub(super) mod globals;
mod groups;
mod logs;
mod objects;
mod page;
mod process;
mod redirects;
mod row;
mod snippets;
mod streams;
mod telemetry;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::ingress::annotations;
use super::ingress::annotations::row::State;
use super::options::LowerOptions;
use super::slip;
use crate::control::source::object::Object;
use crate::control::source::report::{Finding, Report};
use crate::control::store::{Entry, Store};
use crate::model::{ObjectRef, Problem, reason};
use globals::Globals;
use row::{Effect, Guards, Key, field};
use snippets::HTTP_SNIPPET;

pub(super) use field_maps::find as find_fields;
pub use page::page;

/// Whether clients may be kept out by the key `name`.
#[must_use]
pub fn is_guard_key(name: &str) -> bool {
    let is_guard = |key: &Key| match key.effect {
        Effect::Annotation(name) | Effect::Auth(name) => annotations::is_guard(name),
        Effect::Own(_) | Effect::Unread => name.contains("modsecurity"),
    };
    groups::find(name).is_some_and(|key| key.guards == Guards::Clients || is_guard(key))
}

/// The values in force, by key: of each the last one that could be understood, as long as the
/// ConfigMap has the key.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce(BTreeMap<&'static str, Box<str>>);

impl InForce {
    /// What is said over flags, and what is wrong with it. Whoever takes the ConfigMap away does
    /// not mean to let everybody in: what it said last stays.
    pub(super) fn read(
        &mut self,
        reference: &ObjectRef,
        found: Found<'_>,
        options: &LowerOptions,
    ) -> (Globals, Vec<Arc<Problem>>) {
        let entry = match found {
            Found::Object(entry) => Some(entry),
            Found::Unreadable | Found::Nothing => None,
        };
        let mut report = Report::new(reference, entry.and_then(|entry| entry.provenance.as_ref()));
        let mut globals = Globals::of_flags(options);
        match found {
            Found::Object(entry) => self.take(reference, entry, options, &mut globals, &mut report),
            // Where it was read it was told.
            Found::Unreadable => globals.is_closed = self.0.is_empty(),
            Found::Nothing => report.warning(missing(reference, self)),
        }
        for (name, value) in &self.0 {
            // Each was checked.
            let put = groups::find(name).map(|key| key.put_into(value, &mut globals));
            debug_assert!(put.is_none_or(|put| put.is_ok()), "{name}: {value}");
        }
        globals.auth = annotations::general_auth(reference, &globals);
        globals.nothing = annotations::of_none(reference, &globals);
        // Of requests for hosts that nobody has, too.
        if let Some(plan) = &globals.nothing.policies.trace {
            Arc::make_mut(&mut globals.downstream.traces).unmatched = Some(Arc::clone(plan));
        }
        (globals, report.finish())
    }

    /// Takes what a version of it says.
    fn take(
        &mut self,
        reference: &ObjectRef,
        entry: &Entry<ConfigMap>,
        options: &LowerOptions,
        globals: &mut Globals,
        report: &mut Report<'_>,
    ) {
        let old = std::mem::take(&mut self.0);
        let ConfigMap { data, binary_data: _, immutable: _, metadata: _ } = &*entry.object;
        for (name, value) in data.iter().flatten() {
            let Some(key) = groups::find(name) else {
                report.warning(unknown(name));
                continue;
            };
            let said = value.trim();
            if said.is_empty() && !key.may_be_empty || !key.tell_state(report) {
                continue;
            }
            let last = old.get(key.name).map(|last| &**last);
            let last = last.filter(|_| key.guards != Guards::Grants);
            // Other texts use the variables of this one, which comes before them.
            let mut scratch = Globals::of_flags(options);
            if let Some((http, text)) = groups::find(HTTP_SNIPPET).zip(self.0.get(HTTP_SNIPPET)) {
                http.put_into(text, &mut scratch).ok();
            }
            let value = match key.check(said, reference, &mut scratch) {
                Ok(()) => {
                    key.tell_doubts(said, &scratch, report);
                    Some(said)
                }
                Err(why) => {
                    report.warning(key.invalid(&why, last));
                    last
                }
            };
            match (value, key.effect) {
                (Some(value), _) => drop(self.0.insert(key.name, value.into())),
                // It closes those that nobody else guards.
                (None, Effect::Auth(name)) => {
                    globals.auth_annotations.insert(name, said.into());
                }
                (None, _) => globals.is_closed |= key.guards == Guards::Clients,
            }
        }
    }
}

/// What there is of the ConfigMap.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// A version.
    Object(&'a Entry<ConfigMap>),
    /// One that could not be read.
    Unreadable,
    /// None.
    Nothing,
}

impl<'a> Found<'a> {
    /// What the store has.
    pub(super) fn of(reference: &ObjectRef, store: &'a Store) -> Self {
        match store.config_maps.get(reference) {
            Some(entry) => Self::Object(entry),
            None if store.broken.contains(reference) => Self::Unreadable,
            None => Self::Nothing,
        }
    }
}

impl Key {
    /// Whether a value of it counts; the rest is told.
    fn tell_state(&self, report: &mut Report<'_>) -> bool {
        let told = |message: String| Finding {
            reason: reason!("KeyNotSupported"),
            field: field(self.name),
            message,
            advice: "See whether all is right without it.".into(),
        };
        match self.state {
            State::Supported | State::Partial(_) => return true,
            State::NoEffect(why) => {
                let finding = told(format!("the key has no effect here: {why}."));
                report.note(Finding { advice: String::new(), ..finding });
            }
            State::Refused(why) => report.warning(told(format!("the key has no effect, {why}."))),
        }
        false
    }

    /// Whether `value` can be used, and if not, why, as a sentence.
    fn check(
        &self,
        value: &str,
        reference: &ObjectRef,
        scratch: &mut Globals,
    ) -> Result<(), String> {
        self.put_into(value, scratch).map_err(|why| format!("{value:?} cannot be used: {why}."))?;
        match self.effect {
            Effect::Annotation(name) => annotations::check(name, reference, scratch),
            Effect::Auth(name) => annotations::check_auth(name, reference, scratch),
            Effect::Own(_) | Effect::Unread => Ok(()),
        }
    }

    /// Tells what of a value that counts has no effect.
    fn tell_doubts(&self, value: &str, scratch: &Globals, report: &mut Report<'_>) {
        let doubts = self.doubts.map(|doubts| doubts(value, scratch));
        for message in doubts.into_iter().flatten() {
            report.warning(Finding {
                reason: reason!("DirectiveNotSupported"),
                field: field(self.name),
                message,
                advice: "See whether all is right without it, or say it otherwise.".into(),
            });
        }
    }

    fn put_into(&self, value: &str, globals: &mut Globals) -> Result<(), String> {
        match self.effect {
            Effect::Own(put) => put(value, globals),
            Effect::Annotation(name) => {
                globals.annotations.insert(name, value.into());
                Ok(())
            }
            Effect::Auth(name) => {
                globals.auth_annotations.insert(name, value.into());
                Ok(())
            }
            Effect::Unread => Ok(()),
        }
    }

    fn invalid(&self, why: &str, last: Option<&str>) -> Finding {
        let is_auth = matches!(self.effect, Effect::Auth(_));
        let until = match (last, self.guards) {
            (Some(last), _) => format!("the last good value, {last:?}, stays in force"),
            (None, _) if is_auth => "all whom that server should be asked about get 503".into(),
            (None, Guards::Clients) => "all requests get status 503".to_owned(),
            (None, _) => "it is as if the key were not there".to_owned(),
        };
        Finding {
            reason: reason!("InvalidValue"),
            field: field(self.name),
            message: why.to_owned(),
            advice: format!("Correct it; until then {until}."),
        }
    }
}

fn missing(reference: &ObjectRef, said: &InForce) -> Finding {
    let counts = match said.0.is_empty() {
        true => "flags alone count",
        false => "what it said last stays in force until the next start",
    };
    Finding {
        reason: reason!("ConfigMapMissing"),
        field: String::new(),
        message: format!("there is no {reference}, which --configmap names: {counts}."),
        advice: "Create it, or leave the flag out.".into(),
    }
}

fn unknown(name: &str) -> Finding {
    let meant = slip::nearest(name, groups::names().map(|key| key.name));
    let (why, advice) = match meant {
        Some(meant) => (format!("; did you mean {meant}?"), "Correct the name."),
        None => (" and has no effect.".to_owned(), "Correct the name, or remove it."),
    };
    Finding {
        reason: reason!("KeyNotSupported"),
        field: field(name),
        message: format!("ingress-nginx has no such key{why}"),
        advice: advice.into(),
    }
}

/// The globals of the ConfigMap that the flag names, if it is among `objects`.
pub fn globals_of<'a>(
    objects: impl IntoIterator<Item = (&'a ObjectRef, &'a Object)>,
    options: &LowerOptions,
) -> Globals {
    InForce::default().globals_of(objects, options)
}

impl InForce {
    /// The same, after what was in force.
    pub(super) fn globals_of<'a>(
        &mut self,
        objects: impl IntoIterator<Item = (&'a ObjectRef, &'a Object)>,
        options: &LowerOptions,
    ) -> Globals {
        let found = objects.into_iter().find_map(|(reference, object)| match object {
            Object::ConfigMap(map) if Some(reference) == options.config_map.as_ref() => {
                let entry = Entry { object: Arc::clone(map), provenance: None };
                Some(self.read(reference, Found::Object(&entry), options).0)
            }
            _ => None,
        });
        found.unwrap_or_else(|| match &options.config_map {
            Some(flag) => self.read(flag, Found::Nothing, options).0,
            None => Globals::of_flags(options),
        })
    }
}

#[cfg(test)]
mod tests;
