//! A tiny HTTP/1.1 server that tells who it is and what it was asked; loopback only.
//!
//! Not a server for anything but the demo: one thread a connection, bounded in number and size.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::limits::{
    DEMO_BODY_BYTES_MAX, DEMO_CONNECTIONS_MAX, DEMO_HEAD_BYTES_MAX, DEMO_IDLE_TIMEOUT,
};

/// A backend that serves until the process ends.
#[derive(Debug)]
pub(super) struct DemoBackend {
    name: &'static str,
    address: SocketAddr,
}

impl DemoBackend {
    /// Listens on `address` (port 0: a free one) and serves from a thread of its own.
    ///
    /// # Errors
    /// The address cannot be bound, or no thread can be started.
    pub(super) fn start(name: &'static str, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        thread::Builder::new()
            .name(format!("demo-{name}"))
            .spawn(move || accept(name, &listener))?;
        Ok(Self { name, address })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn accept(name: &'static str, listener: &TcpListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().filter_map(Result::ok) {
        if open.fetch_add(1, Ordering::Relaxed) >= DEMO_CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let closed = Arc::clone(&open);
        let serving = thread::Builder::new().spawn(move || {
            // A connection that breaks off is an everyday end of it.
            serve(name, &stream).ok();
            closed.fetch_sub(1, Ordering::Relaxed);
        });
        if serving.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One request as far as the demo looks at it.
struct Request {
    /// Request line and field lines, without line ends.
    lines: Vec<String>,
    body_bytes: u64,
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn is_last(&self) -> bool {
        let is_old = self.lines.first().is_some_and(|line| line.ends_with("HTTP/1.0"));
        is_old || self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

fn serve(name: &str, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEMO_IDLE_TIMEOUT))?;
    stream.set_write_timeout(Some(DEMO_IDLE_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(mut request) = read_head(&mut reader)? {
        if request.field("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body_bytes = skip_body(&mut reader, &request)?;
        writer.write_all(&answer(name, &request))?;
        if request.is_last() {
            break;
        }
    }
    Ok(())
}

/// Reads lines up to the blank one; `None`: the client is done.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut limited = reader.take(DEMO_HEAD_BYTES_MAX);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        limited.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return if line.is_empty() && lines.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::InvalidData.into())
            };
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            return Ok(Some(Request { lines, body_bytes: 0 }));
        }
        lines.push(line);
    }
}

/// Reads the body and returns its size.
fn skip_body(reader: &mut impl BufRead, request: &Request) -> io::Result<u64> {
    if request.field("transfer-encoding").is_none() {
        let length = request.field("content-length").and_then(|value| value.parse().ok());
        return skip(reader, length.unwrap_or(0));
    }
    let mut total = 0;
    loop {
        let mut line = String::new();
        reader.take(DEMO_HEAD_BYTES_MAX).read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if size == 0 {
            break;
        }
        total += skip(reader, size)?;
        skip(reader, 2)?;
        if total > DEMO_BODY_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    // Trailers have the form of a head without request line.
    read_head(reader)?;
    Ok(total)
}

fn skip(reader: &mut impl BufRead, bytes: u64) -> io::Result<u64> {
    if bytes > DEMO_BODY_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let skipped = io::copy(&mut reader.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn answer(name: &str, request: &Request) -> Vec<u8> {
    let mut body = format!("{name} received:\n\n");
    for line in &request.lines {
        body.push_str(line);
        body.push('\n');
    }
    if request.body_bytes > 0 {
        body.push_str(&format!("\n{} bytes of body\n", request.body_bytes));
    }
    let is_head = request.lines.first().is_some_and(|line| line.starts_with("HEAD "));
    let end = if request.is_last() { "Connection: close\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Backend: {name}\r\n\
         Content-Length: {}\r\n{end}\r\n",
        body.len()
    );
    if is_head { head.into_bytes() } else { (head + &body).into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, expected: &[&str]) {
        let address = "127.0.0.1:0".parse().expect("address");
        let backend = DemoBackend::start("hello-1", address).expect("start");
        let mut stream = TcpStream::connect(backend.address()).expect("connect");
        stream.write_all(request.as_bytes()).expect("send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        for part in expected {
            assert!(answer.contains(part), "{part:?} is not in {answer}");
        }
    }

    #[test]
    fn answers_who_it_is_and_what_it_received() {
        check(
            "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n",
            &["hello-1 received:\n\nGET /a HTTP/1.1\nHost: h\n", "GET /b", "Connection: close\r\n"],
        );
    }

    #[test]
    fn reads_bodies_of_both_framings() {
        check(
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
             POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            &["\n5 bytes of body", "\n3 bytes of body"],
        );
    }

    #[test]
    fn sends_no_body_to_head() {
        let request = Request { lines: vec!["HEAD / HTTP/1.1".into()], body_bytes: 0 };
        assert!(answer("x", &request).ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn refuses_what_is_too_large() {
        assert!(skip(&mut io::empty(), DEMO_BODY_BYTES_MAX + 1).is_err());
        assert!(skip(&mut io::empty(), 1).is_err());
        let long = vec![b'a'; usize::try_from(DEMO_HEAD_BYTES_MAX).expect("fits") + 1];
        assert!(read_head(&mut long.as_slice()).is_err());
    }
}
