//! A pooled connection that the upstream closed in the meantime.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Gate, wait_until};

for_each_driver!(
    closed_while_idle_is_noticed,
    closed_under_the_request_is_tried_again,
    content_sent_again_counts_once,
    rubbish_on_an_idle_connection_costs_no_answer,
    rubbish_while_idle_is_noticed_before_anything_is_sent,
    keep_alive_races_are_no_tries,
);

/// The upstream closes after each response without saying so; no client may notice.
fn closed_while_idle_is_noticed(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    for round in 1..=20 {
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(client.response().status(), 200, "round {round}");
        backend.wait_for_ends(round);
    }
}

/// RFC 9112 9.3.1: a reused connection that ends before any response byte; GET is asked again.
fn closed_under_the_request_is_tried_again(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            connection.read_head()?;
            if connection.index == 0 {
                gate.open();
                return Ok(());
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
        }
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/1").text(), "ok");
    let second = client.get("a.example", "/2");
    gate.wait();
    assert_eq!(second.status(), 200);
    assert_eq!(backend.connection_count(), 2);
    assert_eq!(backend.received_text().matches("GET /2").count(), 2);
}

/// `--client-max-body-size` bounds what the client sent, not what the attempts sent together.
fn content_sent_again_counts_once(driver: Driver) {
    const FIRST: usize = 2000;
    const SECOND: usize = 5000;
    let backend = Backend::scripted(|mut connection| {
        if connection.index == 0 {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
            connection.read_head()?;
            return connection.read_exact(FIRST).map(drop);
        }
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
    });
    let proxy =
        super::builder(driver, &[backend.address()]).flag("--client-max-body-size", 8000).start();
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/").status(), 200);
    let length = FIRST + SECOND;
    client.send(format!(
        "PUT /2 HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n{}",
        "x".repeat(FIRST)
    ));
    let sent = || backend.received_text().matches("PUT /2").count();
    wait_until("a second attempt", || sent() == 2);
    client.send("y".repeat(SECOND));
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (200, "again"));
    assert_eq!((sent(), backend.connection_count()), (2, 2));
}

/// What a backend may say on a connection that served a request before, to the next one.
const RUBBISH: [&str; 5] = [
    "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Le",
    // RFC 9110 15.5.9: a word of farewell to an idle connection.
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "",
];

/// It answers no request, so one that may be repeated gets a fresh connection.
fn rubbish_on_an_idle_connection_costs_no_answer(driver: Driver) {
    for rubbish in RUBBISH {
        let backend = Backend::scripted(move |mut connection| {
            let request = connection.read_request()?;
            if request.target() == "/fresh" {
                return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh");
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            connection.read_request()?;
            connection.send(rubbish)
        });
        let proxy = super::start(driver, &[&backend]);
        let mut client = proxy.client();
        assert_eq!(client.get("a.example", "/").text(), "ok");
        let response = client.get("a.example", "/fresh");
        assert_eq!((response.status(), response.text().as_str()), (200, "fresh"), "{rubbish:?}");
        assert_eq!(client.get("a.example", "/").text(), "ok");
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
        let expected = if rubbish.contains(" 408 ") { 408 } else { 502 };
        assert_eq!(client.response().status(), expected, "{rubbish:?}: a POST is not repeated");
    }
}

/// Nobody asked for it, so nothing is sent behind it, whatever the method.
fn rubbish_while_idle_is_noticed_before_anything_is_sent(driver: Driver) {
    for rubbish in RUBBISH.into_iter().filter(|rubbish| !rubbish.is_empty()) {
        // One for each connection: what is sent on a later one may come late, too.
        let gates: [Gate; 3] = Default::default();
        let backend = Backend::scripted({
            let gates = gates.clone();
            move |mut connection| {
                connection.read_request()?;
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
                connection.send(rubbish)?;
                gates[connection.index].open();
                connection.read_to_end().map(drop)
            }
        });
        let proxy = super::start(driver, &[&backend]);
        let mut client = proxy.client();
        for (round, gate) in gates.iter().enumerate() {
            client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
            let response = client.response();
            assert_eq!((response.status(), response.text().as_str()), (200, "ok"), "{rubbish:?}");
            gate.wait();
            assert_eq!(backend.connection_count(), round + 1, "{rubbish:?}");
        }
    }
}

/// nginx does not count them either: with one try allowed no client notices.
fn keep_alive_races_are_no_tries(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        connection.read_head().map(drop)
    });
    let proxy =
        super::builder(driver, &[backend.address()]).flag("--proxy-next-upstream-tries", 1).start();
    let mut client = proxy.client();
    for round in 0..5 {
        assert_eq!(client.get("a.example", "/").text(), "ok", "round {round}");
    }
}
