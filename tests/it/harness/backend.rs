//! Upstreams that do exactly what a test says, and remember every byte they were sent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::message::{self, Kind, Message, Source};
use super::{DEADLINE, wait_until};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something a backend waits for until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    /// Waits until opened, [`DEADLINE`] at most.
    pub(crate) fn wait(&self) {
        let guard = lock(&self.0.0);
        let wait = self.0.1.wait_timeout_while(guard, DEADLINE, |is_open| !*is_open);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Everything a backend saw.
#[derive(Default)]
struct Seen {
    /// Bytes received, per connection in order of acceptance.
    bytes: Mutex<Vec<Vec<u8>>>,
    /// Connections that ended, from either side.
    ended: Mutex<usize>,
    /// Whole requests that an echo backend answered.
    requests: Mutex<usize>,
}

/// A free port.
const LOOPBACK: &str = "127.0.0.1:0";

/// A listening upstream.
pub(crate) struct Backend {
    address: SocketAddr,
    seen: Arc<Seen>,
    is_stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// One accepted connection, in the hands of a script.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Index among the backend's connections.
    pub(crate) index: usize,
    seen: Arc<Seen>,
    _end: End,
}

impl Source for Connection {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn fill(&mut self) -> io::Result<usize> {
        let count = message::read_some(&mut self.stream, &mut self.buffer)?;
        let new = &self.buffer[self.buffer.len() - count..];
        lock(&self.seen.bytes)[self.index].extend_from_slice(new);
        Ok(count)
    }
}

/// Each octet as received: a script may speak TLS over it.
impl Read for Connection {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        let count = octets.len().min(self.buffer.len());
        octets[..count].copy_from_slice(&self.buffer[..count]);
        self.buffer.drain(..count);
        Ok(count)
    }
}

impl Write for Connection {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.stream.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Connection {
    /// Reads one request head and leaves its body.
    pub(crate) fn read_head(&mut self) -> io::Result<Message> {
        message::read_head(self)
    }

    /// Reads one whole request.
    pub(crate) fn read_request(&mut self) -> io::Result<Message> {
        message::read_message(self, Kind::Request)
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn read_exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        message::take_exact(self, count)
    }

    /// Reads until the proxy closes; a reset is an error.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        message::take_to_end(self)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Ends the sending half, keeps reading.
    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Closes with RST.
    pub(crate) fn reset(self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }
}

/// Counts the end of a connection; dropped behind the socket, so that it is closed by then.
struct End(Arc<Seen>);

impl Drop for End {
    fn drop(&mut self) {
        *lock(&self.0.ended) += 1;
    }
}

impl Backend {
    /// Runs `script` for every connection, each on its own thread. An error ends that connection
    /// and nothing else: scripts meet proxies that close, on purpose.
    pub(crate) fn scripted(
        script: impl Fn(Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::with_seen(LOOPBACK, |_| script)
    }

    fn with_seen<S>(address: &str, make_script: impl FnOnce(Arc<Seen>) -> S) -> Self
    where
        S: Fn(Connection) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(address).expect("bind");
        let address = listener.local_addr().expect("address");
        let seen = Arc::new(Seen::default());
        let is_stopping = Arc::new(AtomicBool::new(false));
        let script = Arc::new(make_script(Arc::clone(&seen)));
        let acceptor = std::thread::spawn({
            let (seen, is_stopping) = (Arc::clone(&seen), Arc::clone(&is_stopping));
            move || accept(&listener, &seen, &is_stopping, &script)
        });
        Self { address, seen, is_stopping, acceptor: Some(acceptor) }
    }

    /// Answers every request with 200 and a JSON of what it received, keep-alive.
    pub(crate) fn echo(name: &str) -> Self {
        Self::echo_at(LOOPBACK, name)
    }

    /// The same, at an address of one's choice.
    pub(crate) fn echo_at(address: &str, name: &str) -> Self {
        let name = name.to_owned();
        Self::with_seen(address, move |seen| move |connection| echo(&name, &seen, connection))
    }

    /// Answers every whole request with these bytes, keep-alive.
    pub(crate) fn fixed(response: impl Into<Vec<u8>>) -> Self {
        Self::fixed_at(LOOPBACK, response)
    }

    /// The same, at an address of one's choice.
    pub(crate) fn fixed_at(address: &str, response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::with_seen(address, |_| {
            move |mut connection: Connection| {
                loop {
                    connection.read_request()?;
                    connection.send(&response)?;
                }
            }
        })
    }

    /// Says this first, and then repeats what comes, until its end.
    pub(crate) fn greeting_at(address: &str, greeting: &'static str) -> Self {
        Self::with_seen(address, |_| {
            move |mut connection: Connection| {
                connection.send(greeting)?;
                loop {
                    let octet = match connection.read_exact(1) {
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                        read => read?,
                    };
                    connection.send(octet)?;
                }
                connection.send("bye")
            }
        })
    }

    /// An address on which nobody listens: bound for a moment, then closed.
    pub(crate) fn closed_address() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.local_addr().expect("address")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes received so far, per connection.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        lock(&self.seen.bytes).clone()
    }

    /// Bytes received so far on all connections, as text.
    pub(crate) fn received_text(&self) -> String {
        String::from_utf8_lossy(&self.received().concat()).into_owned()
    }

    pub(crate) fn connection_count(&self) -> usize {
        lock(&self.seen.bytes).len()
    }

    /// Whole requests answered by an echo backend.
    pub(crate) fn request_count(&self) -> usize {
        *lock(&self.seen.requests)
    }

    /// Connections that ended, from either side.
    pub(crate) fn end_count(&self) -> usize {
        *lock(&self.seen.ended)
    }

    /// Waits until so many connections ended.
    #[track_caller]
    pub(crate) fn wait_for_ends(&self, count: usize) {
        wait_until("ended connections at the backend", || self.end_count() >= count);
    }

    /// Waits until `text` was received on some connection.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) {
        wait_until(&format!("{text:?} at the backend"), || self.received_text().contains(text));
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor; when even that fails the process is ending anyway.
        drop(TcpStream::connect_timeout(&self.address, DEADLINE));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept<S>(listener: &TcpListener, seen: &Arc<Seen>, is_stopping: &AtomicBool, script: &Arc<S>)
where
    S: Fn(Connection) -> io::Result<()> + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        if is_stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(DEADLINE * 2)))
            .and_then(|()| stream.set_write_timeout(Some(DEADLINE * 2)));
        if prepared.is_err() {
            continue;
        }
        let index = {
            let mut bytes = lock(&seen.bytes);
            bytes.push(Vec::new());
            bytes.len() - 1
        };
        let connection = Connection {
            stream,
            buffer: Vec::new(),
            index,
            seen: Arc::clone(seen),
            _end: End(Arc::clone(seen)),
        };
        let script = Arc::clone(script);
        std::thread::spawn(move || drop(script(connection)));
    }
}

/// Echo of one connection. `?close` and `?chunked` in the target choose the framing of the answer.
fn echo(name: &str, seen: &Seen, mut connection: Connection) -> io::Result<()> {
    loop {
        let mut request = connection.read_head()?;
        if request.field("expect").is_some() {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        message::read_body(&mut connection, Kind::Request, &mut request)?;
        *lock(&seen.requests) += 1;
        let body = describe(name, &connection, &request);
        let length = body.len();
        let target = request.target();
        let (head, body) = if target.contains("chunked") {
            let chunk = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
            ("Transfer-Encoding: chunked".to_owned(), chunk)
        } else if target.contains("close") {
            ("Connection: close".to_owned(), body)
        } else {
            (format!("Content-Length: {length}"), body)
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n");
        connection.send(head)?;
        if request.method() != "HEAD" {
            connection.send(body)?;
        }
        if target.contains("close") {
            return Ok(());
        }
    }
}

fn describe(name: &str, connection: &Connection, request: &Message) -> String {
    json!({
        "backend": name,
        "connection": connection.index,
        "method": request.method(),
        "target": request.target(),
        "start_line": request.start_line,
        "fields": request.fields,
        "body": request.text(),
        "is_chunked": request.is_chunked,
        "trailers": request.trailers,
    })
    .to_string()
}
