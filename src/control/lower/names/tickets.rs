//! Secret → keys of session tickets, so that replicas open each other's.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use crate::control::lower::secrets::{SecretDefect, is_same, ticket_keys};
use crate::control::source::report::Report;
use crate::control::store::Entries;
use crate::model::{ObjectRef, Problem};
use crate::tls::tickets::Tickets;

/// The tickets of the process, and the Secret of `--tls-ticket-keys` if there is one.
pub(crate) struct TicketKeys {
    secret: Option<ObjectRef>,
    /// The version that the rest was read from.
    version: Option<Arc<Secret>>,
    defect: Option<SecretDefect>,
    /// Those of the Secret are in force.
    is_given: bool,
    tickets: Tickets,
    problems: Vec<Arc<Problem>>,
}

impl TicketKeys {
    /// Keys of this process alone, until the Secret was looked at.
    pub(crate) fn new(secret: Option<ObjectRef>) -> Self {
        Self {
            defect: secret.as_ref().and_then(|secret| ticket_keys(secret, None).err()),
            secret,
            version: None,
            is_given: false,
            tickets: Tickets::new(),
            problems: Vec::new(),
        }
    }

    /// Looks at the Secret; whether the keys are others now.
    ///
    /// No older version stands in for a defect: its keys may be replaced because they leaked.
    pub(crate) fn update(
        &mut self,
        stored: &Entries<Secret>,
        broken: &BTreeSet<ObjectRef>,
    ) -> bool {
        let Some(secret) = &self.secret else { return false };
        let entry = stored.get(secret);
        let version = entry.map(|entry| &entry.object);
        let mut is_changed = false;
        if !is_same(self.version.as_ref(), version) {
            let before = self.version.as_deref();
            let before = before.and_then(|version| ticket_keys(secret, Some(version)).ok());
            let found = ticket_keys(secret, version.map(|version| &**version));
            let found = found.and_then(|keys| {
                let tickets = Tickets::with_keys(keys);
                let tickets = tickets.map_err(|e| SecretDefect::ticket_keys(secret, e))?;
                Ok((before != Some(keys)).then_some(tickets))
            });
            match found {
                Ok(None) => {}
                Ok(Some(tickets)) => {
                    (self.tickets, self.is_given, self.defect) = (tickets, true, None);
                    is_changed = true;
                }
                Err(defect) => {
                    self.defect = Some(defect);
                    if std::mem::take(&mut self.is_given) {
                        self.tickets = Tickets::new();
                        is_changed = true;
                    }
                }
            }
            self.version = version.cloned();
        }
        let mut report = Report::new(secret, entry.and_then(|entry| entry.provenance.as_ref()));
        if let Some(defect) = self.defect.as_ref().filter(|defect| !defect.is_told(broken)) {
            let effect = "session tickets are made with keys of this process alone";
            report.error(defect.finding(String::new(), effect));
        }
        self.problems = report.finish();
        is_changed
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    pub(crate) fn problems(&self) -> &[Arc<Problem>] {
        &self.problems
    }
}
