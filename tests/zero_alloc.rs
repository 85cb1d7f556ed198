//! The keep-alive path allocates nothing: a whole data plane in this process, a counting allocator,
//! and a client and a backend that allocate nothing themselves.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::mem_forget, reason = "nothing may end while another test measures")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ringway::config::{AccessLogFormat, Driver, ProxyConfig};
use ringway::filter::{
    AddressRanges, AddressRules, ClientLimits, Cors, FieldEdits, GoesTo, IncomingSpans, LimitKey,
    OriginPattern, PathReplacement, Rate, Replaced, Replacement, ReturnedPlaces, Text, TracePlan,
    Zone,
};
use ringway::listen::{Listening, listen};
use ringway::model::{
    BackendKey, BackendTarget, Defaults, Dial, EntryPoint, Host, HostPattern, Kind, Listener,
    Model, NginxMetrics, ObjectRef, OnMiss, Origin, PathMatch, PathPattern, Policies, PortRef,
    RequestMatch, Rule, Scheme, WeightedBackend,
};
use ringway::publish::{Publisher, channel};
use ringway::table::{Compiler, EndpointSet};
use ringway::telemetry::access_log::{Sink, access_log};
use ringway::telemetry::{Bounds, Outlets};
use ringway::{proxy, telemetry};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every method passes its arguments on to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

const REQUEST: &[u8] = b"GET /shop/cart?item=1 HTTP/1.1\r\nHost: shop.example\r\n\
    User-Agent: test\r\nAccept: */*\r\nAccept-Language: en\r\nCookie: a=b; c=d\r\n\r\n";
const POST: &[u8] = b"POST /shop/cart HTTP/1.1\r\nHost: shop.example\r\n\
    Content-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
    Content-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nhello\r\n0\r\n\r\n";

/// Answers every head with `response`; allocates nothing once it runs.
fn start_backend(response: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0_u8; 4096];
                while matches!(stream.read(&mut buffer), Ok(1..)) {
                    stream.write_all(response).unwrap();
                }
            });
        }
    });
    address
}

fn config(driver: Driver, log: AccessLogFormat) -> ProxyConfig {
    let minute = Duration::from_secs(60);
    ProxyConfig {
        cores: 1,
        pin: false,
        driver,
        ring_defer_taskrun: false,
        tls_handshake_timeout: minute,
        pool_idle_per_endpoint: 16,
        pool_idle_timeout: minute,
        pool_max_age: minute,
        pool_total: 16,
        pipes: 16,
        max_connections: 100,
        defaults: Defaults::default(),
        health_check_path: "/healthz".into(),
        access_log: log,
    }
}

fn model(key: &BackendKey, entry_point: EntryPoint, policies: &Policies) -> Model {
    let object =
        ObjectRef { kind: Kind::Ingress, namespace: "default".into(), name: "shop".into() };
    let path = match policies.replacement {
        Some(_) => PathMatch::Regex(PathPattern::new("/shop/(.*)", "(?i)^/shop/(.*)").unwrap()),
        None => PathMatch::Prefix("/shop".into()),
    };
    let rule = Rule {
        origin: Origin { object, rule: Some(0), path: Some(0), position: None },
        matches: vec![RequestMatch::path(path)],
        filters: Vec::new(),
        backends: vec![WeightedBackend::only(BackendTarget::Service(key.clone()))],
        canaries: Vec::new(),
        policies: policies.clone(),
    };
    let host = Host {
        pattern: HostPattern::Any,
        on_miss: OnMiss::Default,
        rules: vec![Arc::new(rule)],
        locations: Vec::new(),
    };
    let (entry_points, hosts) = (vec![entry_point], vec![Arc::new(host)]);
    let listener = Listener { entry_points, hosts, ..Listener::default() };
    Model { listeners: vec![listener], ..Model::default() }
}

/// A data plane of one core in front of `backend`. The publisher must outlive its use.
fn start(driver: Driver, policies: &Policies, backend: SocketAddr) -> (SocketAddr, Publisher) {
    let log = AccessLogFormat::Off;
    let config = config(driver, log);
    let (mut publisher, subscribers) = channel(1).unwrap();
    let (shards, _scrape) = telemetry::telemetry(1, Bounds::new(Some(&NginxMetrics::default())));
    std::mem::forget(_scrape);
    let (logs, writer) = access_log(log, 1, Sink::new(Box::new(std::io::sink()))).unwrap();
    std::mem::forget(writer);
    let (outlets, spans) = Outlets::of(logs);
    std::mem::forget(spans);
    proxy::start(&config, subscribers, shards, outlets).unwrap();
    let bind = SocketAddr::from(([127, 0, 0, 1], 0)).into();
    let Listening { address, sockets } = listen(bind, "--http-bind", 1).unwrap().remove(0);
    let entry_point = EntryPoint { address, scheme: Scheme::Http };
    let port = PortRef::Number(80);
    let key = BackendKey {
        namespace: "default".into(),
        service: "shop".into(),
        port,
        dial: Dial::default(),
    };
    let compiled = Compiler::default().compile(&model(&key, entry_point, policies));
    let set = Arc::new(EndpointSet { addresses: vec![backend], ..EndpointSet::default() });
    for added in &compiled.added {
        publisher.publish_endpoints(added.id, &added.key, &set);
    }
    publisher.publish_table(&compiled.table);
    publisher.open(entry_point, sockets);
    (address, publisher)
}

/// Sends `request` and reads the response with this status, whose last octets are `end`.
fn exchange(client: &mut TcpStream, request: &[u8], status: &str, end: &[u8]) {
    client.write_all(request).unwrap();
    let mut buffer = [0_u8; 4096];
    let mut length = 0;
    while !buffer[..length].ends_with(end) {
        let count = client.read(&mut buffer[length..]).unwrap();
        assert!(count > 0, "the proxy closed the connection");
        length += count;
    }
    assert!(buffer[9..].starts_with(status.as_bytes()));
}

/// Listeners open once the core has its table.
fn connect(address: SocketAddr) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(address) {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        std::thread::yield_now();
    }
}

#[track_caller]
fn check(driver: Driver, policies: &Policies, request: &[u8], response: &'static [u8]) {
    const WARM_UP: usize = 500;
    const MEASURED: usize = 5_000;
    let (address, _publisher) = start(driver, policies, start_backend(response));
    let mut client = connect(address);
    let is_preflight = request.starts_with(b"OPTIONS");
    let (status, end): (_, &[u8]) = match response {
        _ if is_preflight => ("204", b"\r\n\r\n"),
        response if response == CHUNKED => ("200", b"0\r\n\r\n"),
        _ => ("200", b"hello"),
    };
    for _ in 0..WARM_UP {
        exchange(&mut client, request, status, end);
    }
    let before = ALLOCATIONS.load(Relaxed);
    for _ in 0..MEASURED {
        exchange(&mut client, request, status, end);
    }
    let allocated = ALLOCATIONS.load(Relaxed) - before;
    // Its end would be counted in the next measurement.
    std::mem::forget(client);
    let request = String::from_utf8_lossy(request);
    assert_eq!(allocated, 0, "in {MEASURED} requests on {driver:?}: {request}");
}

/// Origins, fields of a ConfigMap and places, all on every answer.
fn answers() -> Policies {
    let fields = |name, value| FieldEdits::new([(name, value)], [], []).unwrap();
    let text = |text| Text::new(text, |_| false).unwrap();
    let origins = ["https://b.example", "https://*.a.example"];
    let origins = origins.map(|origin| OriginPattern::parse(origin).unwrap()).into();
    let from = Replaced::Text(text("http://$host/"));
    let location = Replacement { from, to: text("/") };
    Policies {
        answer_fields: Some(Arc::new(fields("x-a", "1"))),
        cors: Some(Arc::new(Cors::Listed { origins, fields: fields("x-cors", "1") })),
        returned_places: Some(Arc::new(ReturnedPlaces {
            location: [location].into(),
            ..ReturnedPlaces::default()
        })),
        upstream_host: Some(text("$host.inner")),
        ..Policies::default()
    }
}

/// A path of what an expression captured, for those of a list.
fn rewritten() -> Policies {
    let text = |text| Some(Text::new(text, |_| false).unwrap());
    let rules = AddressRules {
        deny: AddressRanges::parse("192.0.2.0/24,2001:db8::/32").unwrap(),
        allow: Some(AddressRanges::parse("10.0.0.0/8,127.0.0.0/8,::1").unwrap()),
    };
    let replacement = PathReplacement {
        target: text("/new/$1").unwrap(),
        forwarded_prefix: text("/shop"),
        goes_to: GoesTo::Backend,
    };
    Policies {
        addresses: Some(Arc::new(rules)),
        replacement: Some(Arc::new(replacement)),
        ..Policies::default()
    }
}

/// Limits of every kind that nobody reaches.
fn limited() -> Policies {
    let many = NonZeroU32::new(1_000).unwrap();
    let limits = ClientLimits {
        zone: Zone::of("default", "shop", None),
        key: LimitKey::Address,
        per_second: Some(Rate::per_second(many, 1_000_000)),
        per_minute: Some(Rate::per_minute(many, 1_000_000)),
        open: Some(many),
        exempt: AddressRanges::parse("10.0.0.0/8,::1").unwrap(),
    };
    Policies { limits: Some(Arc::new(limits)), ..Policies::default() }
}

/// Requests whose traces are told to the backend and recorded by nobody.
fn traced() -> Policies {
    let plan = TracePlan { incoming: IncomingSpans::Continued, name: None };
    Policies { trace: Some(Arc::new(plan)), ..Policies::default() }
}

const TRACED: &[u8] = b"GET /shop/cart HTTP/1.1\r\nHost: shop.example\r\n\
    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\
    tracestate: a=b,c=d\r\nb3: 0\r\n\r\n";
const CORS: &[u8] = b"GET /shop/cart HTTP/1.1\r\nHost: shop.example\r\n\
    Origin: https://x.a.example\r\n\r\n";
const PREFLIGHT: &[u8] = b"OPTIONS /shop/cart HTTP/1.1\r\nHost: shop.example\r\n\
    Origin: https://x.a.example\r\n\r\n";
const PLACES: &[u8] = b"HTTP/1.1 200 OK\r\nLocation: http://shop.example/x\r\n\
    Set-Cookie: a=1; Path=/\r\nContent-Length: 5\r\n\r\nhello";

/// One test, because the allocator counts for the whole process.
#[test]
fn keep_alive_requests_allocate_nothing() {
    for driver in [Driver::Auto, Driver::Epoll] {
        let plain = &Policies::default();
        check(driver, plain, REQUEST, RESPONSE);
        check(driver, plain, REQUEST, CHUNKED);
        check(driver, plain, POST, RESPONSE);
        let answers = &answers();
        check(driver, answers, CORS, PLACES);
        check(driver, answers, REQUEST, RESPONSE);
        check(driver, answers, PREFLIGHT, RESPONSE);
        check(driver, &limited(), REQUEST, RESPONSE);
        check(driver, &rewritten(), REQUEST, RESPONSE);
        check(driver, &traced(), REQUEST, RESPONSE);
        check(driver, &traced(), TRACED, RESPONSE);
    }
}
