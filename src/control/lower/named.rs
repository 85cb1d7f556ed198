//! Objects that a claim names besides backends and certificates → what they come to for its rules.
//!
//! INVARIANT: an object that is missing or cannot be used closes the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::claim::Claim;
use super::configmap::globals::Globals;
use super::ingress::annotations::{external_auth, headers};
use super::passwords::PasswordFiles;
use super::settings::Settings;
use crate::control::source::report::{Finding, Report};
use crate::control::store::Store;
use crate::filter::{FieldEditError, FieldEdits, PasswordDemand, Text};
use crate::limits::AUTH_NAMES_MAX;
use crate::model::{ExternalAuthPolicy, ObjectRef, Policies, Problem, Refusal, reason};

/// What the objects that one claim names come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    answer_fields: Option<Arc<FieldEdits>>,
    external_auth: Option<ExternalAuthPolicy>,
    password: Option<Arc<PasswordDemand>>,
    refusal: Option<Refusal>,
}

/// Of all claims that name some.
#[derive(Debug, Default)]
pub(super) struct Named {
    found: BTreeMap<ObjectRef, (Found, Vec<Arc<Problem>>)>,
    files: PasswordFiles,
}

/// Whether something is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    Same,
    Problems,
    /// And perhaps problems.
    Rules,
}

impl Named {
    /// Finds out anew what a claim comes to; `None`: it is gone.
    pub(super) fn update(
        &mut self,
        owner: &ObjectRef,
        claim: Option<&Claim>,
        store: &Store,
        globals: &Globals,
    ) -> Difference {
        let new = claim.filter(|claim| names_any(claim)).map(|claim| {
            let mut report = claim.report();
            let found = find(claim, store, globals, &mut self.files, &mut report);
            (found, report.finish())
        });
        let old = match &new {
            Some(new) => self.found.insert(owner.clone(), new.clone()),
            None => self.found.remove(owner),
        };
        match (old, new) {
            (old, new) if old == new => Difference::Same,
            (Some((old, _)), Some((new, _))) if old == new => Difference::Problems,
            _ => Difference::Rules,
        }
    }

    /// The policies of a rule of `claim` with what it names.
    pub(super) fn policies(&self, claim: &Claim, policies: Policies) -> Policies {
        if !names_any(claim) {
            return policies;
        }
        // What nobody looked for yet is not there.
        let Some((found, _)) = self.found.get(&claim.owner) else {
            return Policies { refusal: Some(Refusal::Guard), ..policies };
        };
        Policies {
            answer_fields: found.answer_fields.clone(),
            external_auth: policies
                .external_auth
                .clone()
                .map(|own| found.external_auth.clone().unwrap_or(own)),
            password: found.password.clone(),
            refusal: policies.refusal.or(found.refusal),
            ..policies
        }
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &Arc<Problem>> {
        self.found.values().flat_map(|(_, problems)| problems)
    }
}

fn names_any(claim: &Claim) -> bool {
    let Settings { answer_fields, auth_fields, password, .. } = &*claim.settings;
    answer_fields.is_some() || auth_fields.is_some() || password.is_some()
}

/// What `claim` would come to, told to `report`.
pub(super) fn find(
    claim: &Claim,
    store: &Store,
    globals: &Globals,
    files: &mut PasswordFiles,
    report: &mut Report<'_>,
) -> Found {
    let mut found = Found::default();
    if let Some(map) = &claim.settings.answer_fields {
        let entry = store.config_maps.get(map).map(|entry| &*entry.object);
        match answer_fields(map, entry, globals) {
            Ok(fields) => found.answer_fields = Some(Arc::new(fields)),
            Err(defect) => {
                report.error(defect.finding(headers::custom_headers_field()));
                found.refusal = Some(Refusal::Guard);
            }
        }
    }
    if let Some(map) = &claim.settings.auth_fields
        && let Some(policy) = &claim.settings.policies.external_auth
    {
        let entry = store.config_maps.get(map).map(|entry| &*entry.object);
        match auth_fields(map, entry) {
            Ok(fields) => {
                let question = Arc::new(policy.question.with_fields(fields));
                let server = policy.server.clone();
                found.external_auth = Some(ExternalAuthPolicy { question, server });
            }
            Err(defect) => {
                report.error(defect.finding(external_auth::added_fields_field()));
                found.refusal = Some(Refusal::Guard);
            }
        }
    }
    if let Some(file) = &claim.settings.password {
        match files.demand(file, store, report) {
            Some(demand) => found.password = Some(demand),
            None => found.refusal = Some(Refusal::Guard),
        }
    }
    found
}

/// Why the fields of a ConfigMap cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum FieldsDefect {
    #[error("there is no {0}")]
    Missing(ObjectRef),
    #[error("the {0} sets {1}, which is not among global-allowed-response-headers")]
    NotAllowed(ObjectRef, String),
    #[error("the value of {1} in the {0} is empty")]
    Empty(ObjectRef, String),
    #[error("the {0} cannot be used: {1}")]
    Field(ObjectRef, FieldEditError),
    #[error("the {0} cannot be used: {1}")]
    Question(ObjectRef, String),
}

impl FieldsDefect {
    fn finding(&self, field: String) -> Finding {
        let (reason, advice) = match self {
            Self::Missing(_) => (reason!("ConfigMapMissing"), "Create it, or correct the name."),
            Self::NotAllowed(..) => (
                reason!("FieldNotAllowed"),
                "Have the name added to that key of the ConfigMap of --configmap.",
            ),
            Self::Empty(..) | Self::Field(..) | Self::Question(..) => {
                (reason!("ConfigMapInvalid"), "Name fields and their values, one line each.")
            }
        };
        Finding {
            reason,
            field,
            message: format!("{self}; until then all requests get status 503."),
            advice: advice.into(),
        }
    }
}

/// The fields that a ConfigMap adds to questions to a server of external authentication.
fn auth_fields(
    reference: &ObjectRef,
    map: Option<&ConfigMap>,
) -> Result<Vec<(Box<str>, Text)>, FieldsDefect> {
    let of = || reference.clone();
    let map = map.ok_or_else(|| FieldsDefect::Missing(of()))?;
    let lines = map.data.iter().flatten().take(AUTH_NAMES_MAX);
    let field = |(name, value): (&String, &String)| external_auth::field(name, value.trim());
    let fields = lines.map(field).collect::<Result<_, _>>();
    fields.map_err(|why| FieldsDefect::Question(of(), why))
}

/// The fields that a ConfigMap has every answer set to.
fn answer_fields(
    reference: &ObjectRef,
    map: Option<&ConfigMap>,
    globals: &Globals,
) -> Result<FieldEdits, FieldsDefect> {
    let of = || reference.clone();
    let map = map.ok_or_else(|| FieldsDefect::Missing(of()))?;
    let lines = map.data.iter().flatten().map(|(name, value)| (name.as_str(), value.trim()));
    for (name, value) in lines.clone() {
        if !globals.allowed_answer_fields.contains(&*name.to_ascii_lowercase()) {
            return Err(FieldsDefect::NotAllowed(of(), name.to_owned()));
        }
        if value.is_empty() {
            return Err(FieldsDefect::Empty(of(), name.to_owned()));
        }
    }
    FieldEdits::new(lines, [], []).map_err(|error| FieldsDefect::Field(of(), error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Kind;

    #[test]
    fn maps_set_what_is_allowed() {
        let reference =
            ObjectRef { kind: Kind::ConfigMap, namespace: "a".into(), name: "m".into() };
        let of = || reference.clone();
        let names = ["x-a", "x-b", "content-length"];
        let globals = Globals {
            allowed_answer_fields: names.iter().map(|name| (*name).into()).collect(),
            ..Globals::default()
        };
        let fields = |lines: &[(&str, &str)]| {
            let data: BTreeMap<_, _> =
                lines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let map = ConfigMap { data: Some(data), ..ConfigMap::default() };
            answer_fields(&reference, Some(&map), &globals)
        };
        let set = |lines: &[(&str, &str)]| {
            Ok(FieldEdits::new(lines.iter().copied(), [], []).expect("usable"))
        };
        assert_eq!(fields(&[]), set(&[]));
        assert_eq!(fields(&[("X-A", "$host \"1\"\n"), ("x-b", "2")]), {
            set(&[("X-A", "$host \"1\""), ("x-b", "2")])
        });
        let not_allowed = FieldsDefect::NotAllowed(of(), "X-C".into());
        assert_eq!(fields(&[("X-A", "1"), ("X-C", "1")]), Err(not_allowed));
        assert_eq!(fields(&[("X-A", " ")]), Err(FieldsDefect::Empty(of(), "X-A".into())));
        for (lines, why) in [
            (&[("X-A", "a\r\nb: c")][..], FieldEditError::Value("X-A".into())),
            (&[("Content-Length", "1")], FieldEditError::Reserved("content-length".into())),
            (&[("X-A", "1"), ("x-a", "2")], FieldEditError::Repeated("x-a".into())),
        ] {
            assert_eq!(fields(lines), Err(FieldsDefect::Field(of(), why)));
        }
        assert_eq!(answer_fields(&reference, None, &globals), Err(FieldsDefect::Missing(of())));
    }
}
