//! What the annotations of one object say, and where it is told if they say nothing.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use super::row::{Invalid, Row, field};
use crate::control::lower::configmap::globals::{Globals, NamingScope};
use crate::control::source::manifest::is_dns_subdomain;
use crate::control::source::report::{Finding, Report};
use crate::filter::nginx_size;
use crate::limits::TLS_VERIFY_DEPTH;
use crate::model::parse_bool;
use crate::model::{ObjectRef, reason};

/// One annotation of an object.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    /// Its whole name.
    pub key: &'a str,
    /// Trimmed.
    pub value: &'a str,
    /// `None`: it is none of the dialect.
    pub row: Option<&'static Row>,
}

/// How a value may name an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameForm {
    /// NAMESPACE/NAME.
    Qualified,
    /// The same, or NAME for one in the namespace of the owner.
    Short,
}

/// Hands a group its annotations.
pub(crate) struct Reader<'a, 'r> {
    /// Whose annotations they are.
    pub owner: &'a ObjectRef,
    /// Its `metadata.uid`, if an API server gave it one.
    pub uid: Option<&'a str>,
    /// What holds for all objects.
    pub globals: &'a Globals,
    pub report: &'a mut Report<'r>,
    /// What they name, of what is to be read.
    pub needs: &'a mut BTreeSet<ObjectRef>,
    pub said: &'a [Said<'a>],
    /// Of the group.
    pub rows: &'static [Row],
    /// A value was found that nothing of this version may be served with.
    pub is_refused: bool,
}

impl<'a> Reader<'a, '_> {
    /// The value under `name`, or what the ConfigMap of the controller says in its place; an empty
    /// one counts as absent.
    ///
    /// INVARIANT: the row of the name says that it is read.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        debug_assert!(self.row(name).is_some_and(Row::is_read), "{name} is read, says no row");
        self.unread(name).or_else(|| self.general(name))
    }

    /// What the ConfigMap says. It was checked: where an annotation cannot be understood, this can.
    pub(super) fn general(&self, name: &str) -> Option<&'a str> {
        self.globals.annotations.get(name).map(|text| &**text)
    }

    /// The same, of one that nothing reads.
    pub(super) fn unread(&self, name: &str) -> Option<&'a str> {
        let is_it = |said: &&Said<'_>| said.row.is_some_and(|row| row.name == name);
        let said = self.said.iter().find(is_it)?;
        Some(said.value).filter(|value| !value.is_empty())
    }

    /// A truth value; one that cannot be understood has no effect.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        parse_bool(text).or_else(|| {
            let advice = "Write \"true\" or \"false\".";
            self.invalid(name, text, "it is no truth value.", advice);
            parse_bool(self.general(name)?)
        })
    }

    /// A number without sign; one that cannot be understood has no effect.
    pub(super) fn number(&mut self, name: &str) -> Option<u32> {
        let text = self.text(name)?;
        let number = decimal(text);
        if number.is_none() {
            let why = format!("it is no number from 0 to {}.", u32::MAX);
            let advice = "Write digits alone, without a unit; until then the default counts.";
            self.invalid(name, text, &why, advice);
            return decimal(self.general(name)?);
        }
        number
    }

    /// Octets, with one of `suffixes` for more: `k`, `m`, `g`. What cannot be understood has no
    /// effect.
    pub(super) fn size(&mut self, name: &str, suffixes: &str) -> Option<u64> {
        let text = self.text(name)?;
        let size = nginx_size(text, suffixes);
        if size.is_none() {
            let all = suffixes.split("").filter(|s| !s.is_empty()).collect::<Vec<_>>().join(", ");
            let advice =
                format!("Write digits, and perhaps one of {all}; until then the default counts.");
            self.invalid(name, text, "it is no size.", &advice);
            return nginx_size(self.general(name)?, suffixes);
        }
        size
    }

    /// The object that the value names, in a namespace where it may be. `until`: what follows from
    /// a value that names none.
    pub(super) fn named(
        &mut self,
        name: &str,
        form: NameForm,
        until: &str,
    ) -> Option<Result<ObjectRef, ()>> {
        let text = self.text(name)?;
        let kind = self.row(name)?.names?;
        let own = &*self.owner.namespace;
        let (namespace, name_of) = match (text.split_once('/'), form) {
            (Some((namespace, name)), _) => (namespace, name),
            (None, NameForm::Short) => (own, text),
            (None, NameForm::Qualified) => ("", text),
        };
        // The long form leaves it to whoever looks for the object.
        let is_none = form == NameForm::Short && !is_dns_subdomain(name_of);
        let is_near = namespace == own || self.globals.naming == NamingScope::Any;
        if is_none
            || !is_near
            || namespace.is_empty()
            || name_of.is_empty()
            || name_of.contains('/')
        {
            let why = format!("it names no {kind} in the namespace of the Ingress.");
            let advice = format!(
                "Write NAMESPACE/NAME of a {kind} in the namespace of the Ingress; {until}."
            );
            self.invalid(name, text, &why, &advice);
            return Some(Err(()));
        }
        let namespace = match namespace == own {
            true => Arc::clone(&self.owner.namespace),
            false => namespace.into(),
        };
        let found = ObjectRef { kind, namespace, name: name_of.into() };
        self.needs.insert(found.clone());
        Some(Ok(found))
    }

    /// How many intermediate authorities a chain may have. Zero is the default, as in
    /// ingress-nginx.
    pub(super) fn verify_depth(&mut self, name: &str) -> u8 {
        let Some(text) = self.text(name) else { return TLS_VERIFY_DEPTH };
        match text.parse() {
            Ok(0) => TLS_VERIFY_DEPTH,
            Ok(depth) => depth,
            Err(_) => {
                let why = format!("it is no number up to 255, and {TLS_VERIFY_DEPTH} counts.");
                let advice = "Write how many intermediate authorities a chain may have.";
                self.invalid(name, text, &why, advice);
                TLS_VERIFY_DEPTH
            }
        }
    }

    /// Tells that a value cannot be used.
    pub(super) fn invalid(&mut self, name: &str, value: &str, why: &str, advice: &str) {
        self.report.error(invalid(name, value, why, advice));
    }

    /// Tells of a value that ingress-nginx does not take the Ingress with.
    ///
    /// INVARIANT: the row of the name says so.
    pub(super) fn refuse(&mut self, name: &str, why: &str) {
        debug_assert!(self.row(name).is_some_and(|row| row.invalid == Invalid::Refused), "{name}");
        let text = self.text(name).unwrap_or_default();
        let advice = "Correct it; until then nothing of this version is served.";
        self.invalid(name, text, why, advice);
        self.is_refused = true;
    }

    /// Tells of a value that is not what its author thinks.
    pub(super) fn doubtful(&mut self, name: &str, value: &str, why: &str, advice: &str) {
        self.report.warning(invalid(name, value, why, advice));
    }

    /// Tells of a value that ingress-nginx takes for another one.
    pub(super) fn taken_for(&mut self, name: &str, value: &str, meaning: &str, advice: &str) {
        let message = format!("{value:?} is taken for {meaning}, as in ingress-nginx.");
        self.report.warning(Finding { message, ..invalid(name, value, "", advice) });
    }

    fn row(&self, name: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// Digits alone.
pub(super) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn invalid(name: &str, value: &str, why: &str, advice: &str) -> Finding {
    Finding {
        reason: reason!("InvalidAnnotation"),
        field: field(name),
        message: format!("{value:?} cannot be used: {why}"),
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_digits_and_perhaps_a_suffix() {
        for (text, number, bytes) in [
            ("0", Some(0), Some(0)),
            ("007", Some(7), Some(7)),
            ("4294967295", Some(u32::MAX), Some(u64::from(u32::MAX))),
            ("4294967296", None, Some(1 << 32)),
            ("8k", None, Some(8 << 10)),
            ("8K", None, Some(8 << 10)),
            ("1m", None, Some(1 << 20)),
            ("2G", None, Some(2 << 30)),
            ("18446744073709551615k", None, None),
            ("18446744073709551616", None, None),
            ("8b", None, None),
            ("8kb", None, None),
            ("k", None, None),
            ("-1", None, None),
            ("+1", None, None),
            ("1.5", None, None),
            ("1 k", None, None),
            ("1s", None, None),
            ("\u{661}", None, None),
            ("1\u{212a}", None, None),
        ] {
            assert_eq!(decimal(text), number, "{text}");
            assert_eq!(nginx_size(text, "kmg"), bytes, "{text}");
        }
        assert_eq!(nginx_size("1g", "km"), None);
    }
}
