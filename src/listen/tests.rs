//! Real sockets on loopback.

use super::*;

fn loopback(port: u16) -> Bind {
    Bind::At(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Whether this machine has IPv6 at all.
fn has_v6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn each_core_gets_a_socket_on_the_same_free_port() {
    let all = listen(loopback(0), "--x", 3).unwrap();
    assert_eq!(all.len(), 1);
    let ports: Vec<u16> =
        all[0].sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    assert_eq!(ports, [all[0].address.port(); 3]);
    assert_ne!(ports[0], 0);
}

/// The first of them was opened before it let the others join.
#[test]
fn every_socket_of_a_group_gets_connections() {
    let all = listen(loopback(0), "--x", 3).unwrap();
    let sockets = &all[0].sockets;
    let _clients: Vec<_> =
        (0..200).map(|_| std::net::TcpStream::connect(all[0].address).unwrap()).collect();
    let accepted = sockets.iter().map(|socket| {
        socket.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| socket.accept().ok()).count()
    });
    let accepted: Vec<usize> = accepted.collect();
    assert_eq!(accepted.iter().sum::<usize>(), 200);
    assert!(accepted.iter().all(|&count| count > 10), "{accepted:?}");
}

#[test]
fn an_address_in_use_is_an_error_even_when_its_owner_shares_it() {
    for sockets in [1, 2] {
        let theirs = listen(loopback(0), "--x", sockets).unwrap();
        let begun = Instant::now();
        let error = listen(loopback(theirs[0].address.port()), "--http-bind", 2).unwrap_err();
        assert!(begun.elapsed() >= BIND_PATIENCE);
        assert_eq!(error.source.kind(), ErrorKind::AddrInUse);
        let own = format!("(pid {}) listens on {}", std::process::id(), theirs[0].address);
        let text = error.to_string();
        assert!(text.contains("(--http-bind): ") && text.ends_with(&own), "{text}");
    }
}

/// However many start together: one has the port.
#[test]
fn two_that_start_together_never_share() {
    for _ in 0..20 {
        let port = listen(loopback(0), "--x", 1).unwrap()[0].address.port();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let start = || scope.spawn(|| listen_all(&loopback(port).addresses(), 2));
            let all: Vec<_> = (0..4).map(|_| start()).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() <= 1);
    }
}

#[test]
fn a_port_that_gets_free_in_time_is_taken() {
    let theirs = listen(loopback(0), "--x", 2).unwrap();
    let port = theirs[0].address.port();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pause(BIND_PATIENCE / 5);
            drop(theirs);
        });
        assert_eq!(listen(loopback(port), "--x", 2).unwrap()[0].address.port(), port);
    });
}

#[test]
fn both_families_have_one_port_and_a_socket_each() {
    if !has_v6() {
        return;
    }
    for bind in [Bind::Everywhere(0), Bind::Loopback(0)] {
        let all = listen(bind, "--x", 2).unwrap();
        assert_eq!(all.len(), 2, "{bind}");
        assert_eq!(all[0].address.port(), all[1].address.port(), "{bind}");
        let v4 = SocketAddr::from(([127, 0, 0, 1], all[0].address.port()));
        let client = std::net::TcpStream::connect(v4).unwrap();
        let peers = all[0].sockets.iter().filter_map(|socket| {
            socket.set_nonblocking(true).unwrap();
            socket.accept().ok()
        });
        let peers: Vec<SocketAddr> = peers.map(|(_, peer)| peer).collect();
        assert_eq!(peers, [client.local_addr().unwrap()], "{bind}: never the mapped form");
    }
}

/// 192.0.2.0/24 (TEST-NET-1) is nobody's.
#[test]
fn a_lacking_family_is_left_out_where_both_are_named_and_an_error_where_one_is() {
    let lacking: SocketAddr = "192.0.2.1:0".parse().unwrap();
    let has: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let all = listen_all(&[lacking, has], 1).unwrap();
    assert_eq!(all.iter().map(|one| one.address.ip()).collect::<Vec<_>>(), [has.ip()]);
    for addresses in [&[lacking][..], &[lacking, lacking]] {
        let (address, error) = listen_all(addresses, 1).unwrap_err();
        assert_eq!((address, error.kind()), (lacking, ErrorKind::AddrNotAvailable));
    }
    let error = listen(Bind::At(lacking), "--admin-bind", 1).unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:0 (--admin-bind)");
}

#[test]
fn only_a_lacking_family_is_forgiven() {
    for (code, expected) in [
        (libc::EAFNOSUPPORT, true),
        (libc::EADDRNOTAVAIL, true),
        (libc::EADDRINUSE, false),
        (libc::EACCES, false),
        (libc::EMFILE, false),
    ] {
        assert_eq!(is_family_lacking(&io::Error::from_raw_os_error(code)), expected, "{code}");
    }
}
