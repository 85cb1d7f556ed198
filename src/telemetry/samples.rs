//! Exchanges and labels for the tests of this module and of those above it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::{Attempt, ExchangeRecord};
use crate::model::{BackendKey, Kind, ObjectRef, Origin, PortRef};
use crate::table::SeriesId;
use crate::table::compile::SeriesLabels;

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

/// 2006-01-02T15:04:05.250Z.
pub(crate) fn started_at() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_136_214_245_250)
}

pub(crate) fn backend() -> BackendKey {
    let port = PortRef::Name("http".into());
    BackendKey {
        namespace: "shop".into(),
        service: "cart".into(),
        port,
        dial: crate::model::Dial::default(),
    }
}

pub(crate) fn object() -> ObjectRef {
    ObjectRef { kind: Kind::Ingress, namespace: "shop".into(), name: "front".into() }
}

pub(crate) fn origin() -> Origin {
    Origin { object: object(), rule: Some(0), path: Some(2), position: None }
}

pub(crate) fn labels(ingress: &str, service: &str) -> SeriesLabels {
    let object = ObjectRef { kind: Kind::Ingress, namespace: "shop".into(), name: ingress.into() };
    let key = BackendKey { service: service.into(), ..backend() };
    let backend = (!service.is_empty()).then_some(key);
    SeriesLabels { object, host: "".into(), path: "".into(), backend, canary: None }
}

pub(crate) fn series(slot: u32, generation: u32) -> SeriesId {
    SeriesId { slot, generation }
}

pub(crate) fn attempt(port: u16, status: Option<u16>, bytes: u64, millis: u64) -> Attempt {
    let address = SocketAddr::from(([10, 0, 0, 1], port));
    let reason = if status.is_none() { Some("timeout") } else { None };
    let duration = Duration::from_millis(millis);
    let connect_time = Some(Duration::from_millis(1));
    let header_time = status.map(|_status| duration / 2);
    let call = None;
    Attempt {
        address,
        status,
        reason,
        response_bytes: bytes,
        duration,
        connect_time,
        header_time,
        call,
    }
}

/// A request that nothing matched, 12 ms long.
pub(crate) fn record() -> ExchangeRecord<'static> {
    ExchangeRecord {
        series: None,
        origin: None,
        backend: None,
        named: None,
        canary: None,
        status: 404,
        started_at: started_at(),
        duration: Duration::from_millis(12),
        client: address("192.0.2.7:40000"),
        method: b"GET",
        target: b"/a?b=c",
        protocol: "HTTP/1.1",
        host: b"shop.example",
        referer: b"",
        user_agent: b"curl/8",
        request_id: b"0123456789abcdef",
        request_bytes: 80,
        response_body_bytes: 19,
        response_bytes: 150,
        sent_head: b"",
        upstream_head: b"",
        attempts: &[],
    }
}
