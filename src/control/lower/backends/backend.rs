//! A Service port that some rule names → its endpoints, or why it has none.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use super::dial::{DialDefect, Dialers, Made};
use super::service::{self, Location, ServiceError, SlicePort, service_ref};
use super::slices::{self, SliceIndex};
use crate::control::lower::options::{ExternalNames, LowerOptions};
use crate::control::lower::secrets::SecretDefect;
use crate::control::resolve::Resolution;
use crate::control::source::report::Finding;
use crate::control::store::Store;
use crate::model::{BackendKey, Reach, reason};
use crate::table::{EndpointSet, Wire};

/// One backend at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Backend {
    /// What cores get.
    pub set: Arc<EndpointSet>,
    /// Why requests get 503, or will not go where they should.
    pub defect: Option<Defect>,
    /// The DNS name behind it.
    pub external_name: Option<Arc<str>>,
}

/// Why a backend has no endpoints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Defect {
    /// No such object.
    #[error("there is no Service {0}")]
    MissingService(String),
    /// It stands in a file and cannot be used; whoever can mend that is told there.
    #[error("the Service {0} cannot be used")]
    RefusedService(String),
    /// See [`ServiceError`].
    #[error("{0}")]
    Service(#[from] ServiceError),
    /// Slices exist, none with this port.
    #[error("no EndpointSlice of the Service has this port")]
    MissingSlicePort,
    /// Nothing that could be used, and so many that may become so.
    #[error("the Service has no ready endpoint ({0} are not ready)")]
    NoEndpoints(usize),
    /// Not a name that DNS knows, or DNS does not answer.
    #[error("the external name {name} has no address: {why}")]
    Unresolved {
        /// `spec.externalName`.
        name: Arc<str>,
        /// What the resolver said.
        why: String,
    },
    /// See [`slices::refusal`].
    #[error("the external name {0} leads to the host itself, which is refused")]
    ExternalRefused(Arc<str>),
    /// It cannot be spoken to as its owner wants, so not at all.
    #[error("{0}")]
    Dial(#[from] DialDefect),
    /// It is shown a certificate, which is perhaps not good enough.
    #[error("{0}")]
    ClientCertificate(SecretDefect),
}

impl Defect {
    /// The object that names the backend is at fault, not what becomes of pods.
    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Dial(_))
    }

    /// The cause is a problem of another object already.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::RefusedService(_))
    }

    /// No other object has to do with it.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Dial(DialDefect::NoCa))
    }

    /// For the owner of what names the backend in `field`; `effect` is what follows from it.
    pub(crate) fn finding(&self, field: &str, effect: &str) -> Finding {
        let (reason, advice) = match self {
            Self::MissingService(_) => {
                (reason!("ServiceMissing"), "Create it, or correct the name.")
            }
            Self::RefusedService(_) => (reason!("ServiceMissing"), "Correct it."),
            Self::Service(error) => (reason!("ServicePort"), error.advice()),
            Self::MissingSlicePort => (reason!("ServicePort"), "Name a port that the Service has."),
            Self::NoEndpoints(_) => (reason!("NoEndpoints"), "See why its pods are not ready."),
            Self::Unresolved { .. } => (reason!("NameNotResolved"), "Correct spec.externalName."),
            Self::ExternalRefused(_) => (reason!("AddressRefused"), "Name another host."),
            Self::Dial(defect) => return defect.finding(effect),
            Self::ClientCertificate(defect) => {
                let field =
                    crate::control::lower::ingress::annotations::backend_tls::secret_field();
                return defect.finding(field, "the backend is shown it or the last good one");
            }
        };
        let message = format!("{self}; {effect}.");
        Finding { reason, field: field.to_owned(), message, advice: advice.into() }
    }
}

/// Everything that backends are made of.
pub(crate) struct Sources<'a> {
    pub store: &'a Store,
    pub slices: &'a SliceIndex,
    pub resolutions: &'a BTreeMap<Arc<str>, Resolution>,
    pub options: &'a LowerOptions,
    pub now: SystemTime,
}

/// Lowers one backend. Total: what is missing is a defect.
pub(crate) fn lower(key: &BackendKey, sources: &Sources<'_>, dialers: &mut Dialers) -> Backend {
    let of_service = service_of_host(key, sources.store);
    let key = of_service.as_ref().unwrap_or(key);
    let mut backend = locate(key, sources);
    let reference = service_ref(key);
    let service = sources.store.services.get(&reference);
    let of_port = || service.map(|entry| service::protocol(&entry.object, key));
    let Some(protocol) = key.dial.protocol.or_else(of_port) else { return backend };
    let is_http2 = protocol.is_http2();
    let made = if protocol.is_tls() {
        dialers.make(sources.store, key.dial.tls.as_deref(), protocol, sources.now).map(Some)
    } else {
        Ok(None)
    };
    let (wire, defect) = match made {
        Ok(Some(Made { tls, defect })) => {
            (Wire { is_http2, tls: Some(tls) }, defect.map(Defect::ClientCertificate))
        }
        Ok(None) => (Wire { is_http2, tls: None }, None),
        // Nothing to connect to is what keeps requests from a backend nobody vouches for.
        Err(defect) => {
            let Backend { external_name, .. } = backend;
            let is_told = defect.is_told(&sources.store.broken);
            let defect = (!is_told).then(|| defect.into());
            return Backend { external_name, defect, ..Backend::default() };
        }
    };
    Arc::make_mut(&mut backend.set).wire = wire;
    backend.defect = backend.defect.or(defect);
    backend
}

/// What the owner of a new rule can be told about its backend: whether Service and port exist, and
/// whether it can be spoken to. How its pods are is another matter, and passes.
pub(crate) fn review(key: &BackendKey, store: &Store, dialers: &Dialers) -> Option<Defect> {
    if key.as_host().is_some() {
        return None;
    }
    let entry = store.services.get(&service_ref(key));
    let of_port = || entry.map(|entry| service::protocol(&entry.object, key));
    let protocol = key.dial.protocol.or_else(of_port);
    if let Some(dial) = key.dial.tls.as_deref().filter(|_| protocol.is_some_and(|p| p.is_tls()))
        && let Some(defect) = dialers.review(store, dial)
        && !defect.is_told(&store.broken)
    {
        return Some(defect.into());
    }
    match entry {
        Some(entry) => service::locate(&entry.object, key).err().map(Defect::Service),
        None => Some(Defect::MissingService(format!("{}/{}", key.namespace, key.service))),
    }
}

/// The Service port that a host name means, if it is one that is known.
fn service_of_host(key: &BackendKey, store: &Store) -> Option<BackendKey> {
    let (name, _) = key.as_host()?;
    let (namespace, service) = service::of_host_name(name)?;
    let of_service =
        BackendKey { namespace: namespace.into(), service: service.into(), ..key.clone() };
    let entry = store.services.get(&service_ref(&of_service))?;
    service::locate(&entry.object, key).ok().map(|_| of_service)
}

fn locate(key: &BackendKey, sources: &Sources<'_>) -> Backend {
    if let Some((name, port)) = key.as_host() {
        return external(Arc::clone(name), port, sources);
    }
    let reference = service_ref(key);
    let Some(entry) = sources.store.services.get(&reference) else {
        let name = format!("{}/{}", key.namespace, key.service);
        let defect = match sources.store.broken.contains(&reference) {
            true => Defect::RefusedService(name),
            false => Defect::MissingService(name),
        };
        return Backend { defect: Some(defect), ..Backend::default() };
    };
    if key.dial.reach == Reach::Service {
        match service::own_address(&entry.object, key) {
            Ok(Some(at)) if slices::refusal(&at.ip(), sources.options).is_none() => {
                let set = EndpointSet { addresses: vec![at], ..EndpointSet::default() };
                return Backend { set: Arc::new(set), ..Backend::default() };
            }
            Ok(_) => {}
            Err(error) => return Backend { defect: Some(error.into()), ..Backend::default() },
        }
    }
    match service::locate(&entry.object, key) {
        Ok(Location::Slices(port)) => from_slices(key, &port, sources),
        Ok(Location::External { .. })
            if sources.options.external_names == ExternalNames::Refused =>
        {
            let defect = Some(ServiceError::ExternalNamesRefused.into());
            Backend { defect, ..Backend::default() }
        }
        Ok(Location::External { name, port }) => external(name.into(), port, sources),
        Err(error) => Backend { defect: Some(error.into()), ..Backend::default() },
    }
}

fn from_slices(key: &BackendKey, port: &SlicePort, sources: &Sources<'_>) -> Backend {
    let references = sources.slices.of(key);
    let slices = references.filter_map(|r| sources.store.endpoint_slices.get(r));
    let with_ip = slices.map(|entry| &*entry.object).filter(|s| s.address_type != "FQDN");
    let mut with_ip = with_ip.peekable();
    let has_slices = with_ip.peek().is_some();
    let found = slices::collect(with_ip, port, sources.options);
    let defect = match found.set.addresses.is_empty() {
        false => None,
        true if has_slices && found.lacks_port => Some(Defect::MissingSlicePort),
        true if !has_slices && sources.options.is_offline => None,
        true => Some(Defect::NoEndpoints(found.not_ready)),
    };
    Backend { set: Arc::new(found.set), defect, external_name: None }
}

fn external(name: Arc<str>, port: u16, sources: &Sources<'_>) -> Backend {
    // An address is its own.
    let known = match name.parse() {
        Ok(address) => Resolution { addresses: vec![address], error: None },
        Err(_) => Resolution::default(),
    };
    let resolution = sources.resolutions.get(&name).unwrap_or(&known);
    let usable = |address: &&IpAddr| slices::refusal(address, sources.options).is_none();
    let mut addresses: Vec<_> = resolution
        .addresses
        .iter()
        .filter(usable)
        .map(|address| SocketAddr::new(*address, port))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let defect = match (addresses.is_empty(), resolution.addresses.is_empty(), &resolution.error) {
        (false, ..) => None,
        (true, false, _) => Some(Defect::ExternalRefused(Arc::clone(&name))),
        (true, true, Some(why)) => {
            Some(Defect::Unresolved { name: Arc::clone(&name), why: why.clone() })
        }
        // Asked and not answered yet: nothing to tell anyone.
        (true, true, None) => None,
    };
    Backend {
        set: Arc::new(EndpointSet { addresses, ..EndpointSet::default() }),
        defect,
        external_name: Some(name),
    }
}
