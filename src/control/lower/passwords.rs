//! The Secret with the users of a claim → whose passwords are right.
//!
//! Each version of a Secret is parsed once, however many claims name it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use k8s_openapi::api::core::v1::Secret;

use super::ingress::annotations::access;
use super::secrets::{self, ObjectName, SecretDefect};
use super::settings::{PasswordFile, UsersForm};
use crate::control::source::report::{Finding, Report};
use crate::control::store::Store;
use crate::filter::PasswordDemand;
use crate::model::{ObjectRef, reason};
use crate::passwords::users::{Users, UsersDefect};

/// What follows from a Secret that cannot be used.
const CLOSED: &str = "until then all requests to the Ingress get status 503";
/// Key of a Secret with an htpasswd file.
const FILE: &str = "auth";

/// What Secrets in use were read to.
#[derive(Debug, Default)]
pub(super) struct PasswordFiles(BTreeMap<(ObjectRef, UsersForm), Known>);

#[derive(Debug, Clone)]
struct Known {
    /// What it was read from.
    version: Weak<Secret>,
    users: Weak<Users>,
    defects: Arc<[UsersDefect]>,
}

impl PasswordFiles {
    /// Whose passwords are right, told to `report` where that is nobody's. `None`: it cannot be
    /// known, and nobody may come in.
    pub(super) fn demand(
        &mut self,
        file: &PasswordFile,
        store: &Store,
        report: &mut Report<'_>,
    ) -> Option<Arc<PasswordDemand>> {
        let (users, defects) = match self.users(file, store) {
            Ok(found) => found,
            Err(defect) if defect.is_told(&store.broken) => return None,
            Err(defect) => {
                report.error(defect.finding(access::secret_field(), CLOSED));
                return None;
            }
        };
        for defect in &*defects {
            report.warning(finding(&file.secret, defect));
        }
        Some(Arc::new(PasswordDemand { users, challenge: file.challenge.clone() }))
    }

    fn users(
        &mut self,
        file: &PasswordFile,
        store: &Store,
    ) -> Result<(Arc<Users>, Arc<[UsersDefect]>), SecretDefect> {
        let PasswordFile { secret, form, challenge: _ } = file;
        let missing = || SecretDefect::Missing(ObjectName(secret.clone()));
        let version = &store.secrets.get(secret).ok_or_else(missing)?.object;
        let key = (secret.clone(), *form);
        if let Some(known) = self.0.get(&key)
            && known.version.ptr_eq(&Arc::downgrade(version))
            && let Some(users) = known.users.upgrade()
        {
            return Ok((users, Arc::clone(&known.defects)));
        }
        let (users, defects) = read(secret, version, *form)?;
        let (users, defects) = (Arc::new(users), Arc::from(defects));
        // What nobody uses any more is let go.
        self.0.retain(|_, known| known.users.strong_count() > 0);
        let known = Known {
            version: Arc::downgrade(version),
            users: Arc::downgrade(&users),
            defects: Arc::clone(&defects),
        };
        self.0.insert(key, known);
        Ok((users, defects))
    }
}

fn read(
    reference: &ObjectRef,
    secret: &Secret,
    form: UsersForm,
) -> Result<(Users, Vec<UsersDefect>), SecretDefect> {
    match form {
        UsersForm::File => {
            let no_key = || SecretDefect::NoKey(ObjectName(reference.clone()), FILE);
            secrets::value(secret, FILE).map(Users::from_file).ok_or_else(no_key)
        }
        UsersForm::Map => Ok(Users::from_map(secrets::values(secret))),
    }
}

fn finding(secret: &ObjectRef, defect: &UsersDefect) -> Finding {
    Finding {
        reason: reason!("PasswordInvalid"),
        field: access::secret_field(),
        message: format!("the Secret {}/{}: {defect}.", secret.namespace, secret.name),
        advice: "Write NAME:HASH lines as htpasswd makes them.".into(),
    }
}
