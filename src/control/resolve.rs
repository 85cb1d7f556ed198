//! Names of ExternalName Services → addresses, on the control thread.
//!
//! A name that cannot be resolved keeps its last addresses: no route dies of a DNS failure. Nothing
//! else in the process asks DNS.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use crate::limits::{DNS_ADDRESSES_MAX, DNS_REFRESH, DNS_TIMEOUT};

/// What is known of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Sorted, no duplicates; the last good answer.
    pub addresses: Vec<IpAddr>,
    /// What the last attempt failed with; `None`: it did not, or is under way.
    pub error: Option<String>,
}

impl Resolution {
    /// Takes the result of an attempt; addresses survive a failure.
    pub fn update(&mut self, answer: Result<Vec<IpAddr>, String>) {
        match answer {
            Ok(mut addresses) if !addresses.is_empty() => {
                addresses.sort_unstable();
                addresses.dedup();
                addresses.truncate(DNS_ADDRESSES_MAX);
                *self = Self { addresses, error: None };
            }
            Ok(_none) => self.error = Some("the name has no address".into()),
            Err(why) => self.error = Some(why),
        }
    }
}

/// One finished attempt.
#[derive(Debug)]
pub struct Answer {
    /// The name.
    pub name: Arc<str>,
    /// Its addresses, or what the resolver said.
    pub result: Result<Vec<IpAddr>, String>,
}

/// Resolves a changing set of names again and again.
#[derive(Debug, Default)]
pub struct Resolver {
    wanted: BTreeSet<Arc<str>>,
    /// One task per wanted name, asking or waiting for its next turn.
    running: BTreeSet<Arc<str>>,
    tasks: JoinSet<Answer>,
}

impl Resolver {
    /// Sets the names that matter. New ones are asked for at once.
    ///
    /// Shape: must be called within a Tokio runtime.
    pub fn want(&mut self, names: BTreeSet<Arc<str>>) {
        self.wanted = names;
        let fresh: Vec<_> = self.wanted.difference(&self.running).cloned().collect();
        for name in fresh {
            self.ask(name, Duration::ZERO);
        }
    }

    /// Waits for the next answer about a name that still matters; for ever if there are none. Safe
    /// to cancel.
    pub async fn answer(&mut self) -> Answer {
        loop {
            let Some(finished) = self.tasks.join_next().await else {
                return std::future::pending().await;
            };
            let answer = match finished.map_err(JoinError::try_into_panic) {
                Ok(answer) => answer,
                // A defect like any other on this thread: it ends the process.
                Err(Ok(payload)) => std::panic::resume_unwind(payload),
                Err(Err(_aborted)) => continue,
            };
            self.running.remove(&answer.name);
            if self.wanted.contains(&answer.name) {
                self.ask(Arc::clone(&answer.name), DNS_REFRESH);
                return answer;
            }
        }
    }

    fn ask(&mut self, name: Arc<str>, delay: Duration) {
        self.running.insert(Arc::clone(&name));
        self.tasks.spawn(async move {
            tokio::time::sleep(delay).await;
            let result = lookup(&name).await.map_err(|error| error.to_string());
            Answer { name, result }
        });
    }
}

async fn lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    let answer = tokio::time::timeout(DNS_TIMEOUT, tokio::net::lookup_host((name, 0))).await??;
    Ok(answer.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_addresses_survive_a_failure() {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let mut resolution = Resolution::default();
        resolution.update(Err("no answer".into()));
        assert_eq!(resolution, Resolution { addresses: vec![], error: Some("no answer".into()) });
        resolution.update(Ok(vec![address(2), address(1), address(2)]));
        let good = Resolution { addresses: vec![address(1), address(2)], error: None };
        assert_eq!(resolution, good);
        resolution.update(Ok(vec![]));
        assert_eq!(resolution.addresses, good.addresses);
        resolution.update(Err("no answer".into()));
        assert_eq!(resolution.addresses, good.addresses);
        assert!(resolution.error.is_some());
    }

    #[test]
    fn wanted_names_are_resolved() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut resolver = Resolver::default();
            resolver.want(BTreeSet::from(["127.0.0.1".into()]));
            let answer = resolver.answer().await;
            assert_eq!(&*answer.name, "127.0.0.1");
            assert_eq!(answer.result, Ok(vec![IpAddr::from([127, 0, 0, 1])]));
        });
    }
}
