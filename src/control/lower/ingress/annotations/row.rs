//! What is known of an annotation before anything is read: one row each.

use crate::model::Kind;
use crate::model::parse_bool;
use State::{Partial, Supported};

/// What the names of all annotations of the dialect begin with.
pub(crate) const DIALECT: &str = "nginx.ingress.kubernetes.io/";

/// One annotation.
#[derive(Debug)]
pub(crate) struct Row {
    /// Without [`DIALECT`].
    pub name: &'static str,
    /// For whom it speaks.
    pub scope: Scope,
    /// What we do with it.
    pub state: State,
    /// Whether it keeps clients out.
    pub guard: Guard,
    /// What a value does that cannot be understood.
    pub invalid: Invalid,
    /// How much depends on it.
    pub risk: Risk,
    /// What its value is the name of.
    pub names: Option<Kind>,
    /// What it means, in a sentence, for the documentation.
    pub doc: &'static str,
}

/// How much depends on an annotation, in ingress-nginx: the ConfigMap says how much may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Risk {
    /// Its own requests, little.
    Low,
    /// What clients or backends are told.
    Medium,
    /// Where requests and credentials go.
    #[default]
    High,
    /// The whole proxy: configuration text.
    Critical,
}

impl Risk {
    /// Its name, as the ConfigMap has it; case is no difference.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let all = [Self::Low, Self::Medium, Self::High, Self::Critical];
        all.into_iter().find(|risk| risk.as_str().eq_ignore_ascii_case(text))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

/// For whom an annotation speaks, in ingress-nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The rules of its Ingress.
    Location,
    /// All rules of the hosts of its Ingress; of several the oldest that sets it counts.
    Host,
    /// The Services that its Ingress names.
    Upstream,
}

/// What we do with an annotation, or with a key of the controller's ConfigMap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// What ingress-nginx does.
    Supported,
    /// The same, but for what is said here.
    Partial(&'static str),
    /// Nothing, and nothing is missing without it, for this reason.
    NoEffect(&'static str),
    /// Nothing, for good, for this reason. If it is a guard that is on, its rules are closed.
    Refused(&'static str),
}

impl State {
    /// What a page of documentation says of it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Supported => "supported".to_owned(),
            Self::Partial(difference) => format!("partial: {difference}"),
            Self::NoEffect(why) => format!("no effect: {why}"),
            Self::Refused(why) => format!("no effect, {why}"),
        }
    }
}

/// What becomes of the rules if a value cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// They are served without it.
    Ignored,
    /// None of their requests is served.
    Denied,
    /// Nothing of this version of the Ingress is; the last good one stays.
    Refused,
}

/// Whether an annotation keeps clients out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// It does not.
    No,
    /// It does, unless its value is one of these. What cannot be read is none of them.
    Unless(Off),
    /// It may: it is configuration text, which `lower/snippet` reads.
    Snippet,
}

/// The values that switch a guard off. The empty one does in any case, as in ingress-nginx.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Off {
    /// No other.
    Never,
    /// What Go's `strconv.ParseBool` takes for false.
    False,
    /// The number.
    Zero,
    /// These words.
    Words(&'static [&'static str]),
    /// A list with the whole of both address families.
    Everybody,
}

/// An annotation that keeps nobody out, whose invalid values are ignored, and on which little
/// depends.
pub(super) const fn row(name: &'static str, scope: Scope, state: State) -> Row {
    let (guard, invalid, risk) = (Guard::No, Invalid::Ignored, Risk::Low);
    Row { name, scope, state, guard, invalid, risk, names: None, doc: "" }
}

impl Row {
    /// It keeps clients out, so that what cannot be understood denies.
    pub(super) const fn guard(self, guard: Guard) -> Self {
        Self { guard, invalid: Invalid::Denied, ..self }
    }

    pub(super) const fn invalid(self, invalid: Invalid) -> Self {
        Self { invalid, ..self }
    }

    pub(super) const fn risk(self, risk: Risk) -> Self {
        Self { risk, ..self }
    }

    pub(super) const fn names(self, kind: Kind) -> Self {
        Self { names: Some(kind), ..self }
    }

    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    /// It is configuration text that is read where the ConfigMap permits it.
    pub(super) fn is_directives(&self) -> bool {
        self.is_read() && matches!(self.guard, Guard::Snippet)
    }

    /// Its group reads it.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.state, Supported | Partial(_))
    }
}

impl Off {
    /// Whether `value`, which is trimmed and not empty, switches the guard off.
    pub(super) fn is_off(self, value: &str) -> bool {
        match self {
            Self::Never => false,
            Self::False => parse_bool(value) == Some(false),
            Self::Zero => value.parse::<i64>() == Ok(0),
            Self::Words(words) => words.contains(&value),
            Self::Everybody => {
                let has = |range| value.split(',').any(|entry| entry.trim() == range);
                has("0.0.0.0/0") && has("::/0")
            }
        }
    }
}

/// The field of an annotation, for problems.
pub(crate) fn field(name: &str) -> String {
    format!("metadata.annotations.{DIALECT}{name}")
}

/// The same, of the whole name.
pub(crate) fn field_of(key: &str) -> String {
    format!("metadata.annotations.{key}")
}
