//! What ejects an endpoint: no answer in time, and answers that end before their end.

use std::io;

use crate::for_each_driver;
use crate::harness::backend::Connection;
use crate::harness::{Backend, Driver};

for_each_driver!(what_breaks_off_or_lets_time_pass_is_ejected, whole_answers_keep_an_endpoint);

/// What an endpoint does with each request.
#[derive(Debug, Clone, Copy)]
enum Fault {
    NoAnswer,
    ShortLength,
    NoLastChunk,
    BadChunk,
    Reset,
    SilentBody,
}

fn fail(fault: Fault, mut connection: Connection) -> io::Result<()> {
    connection.read_request()?;
    match fault {
        Fault::NoAnswer => connection.read_to_end().map(drop),
        Fault::ShortLength => connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        Fault::NoLastChunk => {
            let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
            connection.send(text)
        }
        Fault::BadChunk => {
            let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n";
            connection.send(text)
        }
        Fault::Reset => {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")?;
            connection.reset()
        }
        Fault::SilentBody => {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")?;
            connection.read_to_end().map(drop)
        }
    }
}

fn what_breaks_off_or_lets_time_pass_is_ejected(driver: Driver) {
    for fault in [
        Fault::NoAnswer,
        Fault::ShortLength,
        Fault::NoLastChunk,
        Fault::BadChunk,
        Fault::Reset,
        Fault::SilentBody,
    ] {
        let bad = Backend::scripted(move |connection| fail(fault, connection));
        let good = Backend::echo("good");
        let proxy = super::builder(driver, &[bad.address(), good.address()])
            .flag("--proxy-read-timeout", 0.5)
            .start();
        let mut failures = 0;
        let ejected = || proxy.metric("ringway_upstream_ejections_total", &[]) >= 1.0;
        while !ejected() {
            let mut client = proxy.client();
            client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
            let is_whole = client.try_response().is_ok_and(|response| response.status() == 200);
            failures += u32::from(!is_whole);
            assert!(failures < 20, "{fault:?}: never ejected");
        }
        assert!(failures >= 5, "{fault:?}: ejected after {failures}");
        let asked = bad.connection_count();
        for _ in 0..20 {
            assert_eq!(proxy.get("a.example", "/").status(), 200, "{fault:?}");
        }
        assert_eq!(bad.connection_count(), asked, "{fault:?}: asked although ejected");
    }
}

/// One broken body now and then is no reason.
fn whole_answers_keep_an_endpoint(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        if connection.index.is_multiple_of(2) {
            return fail(Fault::ShortLength, connection);
        }
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    });
    let proxy = super::start(driver, &[&backend]);
    let mut whole = 0;
    for _ in 0..30 {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        whole += u32::from(client.try_response().is_ok());
    }
    assert_eq!(whole, 15);
    assert_eq!(proxy.metric("ringway_upstream_ejections_total", &[]), 0.0);
}
