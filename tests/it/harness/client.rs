//! A raw client: bytes out as given, one response at a time in.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::message::{self, Kind, Message, Source};
use super::{DEADLINE, QUIET};

/// What octets travel through.
enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// One connection.
pub(crate) struct Client {
    stream: Socket,
    buffer: Vec<u8>,
}

impl Source for Client {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn fill(&mut self) -> io::Result<usize> {
        message::read_some(&mut self.stream, &mut self.buffer)
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(DEADLINE)).expect("read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("write timeout");
        Self { stream: Socket::Plain(stream), buffer: Vec::new() }
    }

    /// Connects and goes through the handshake for `name`.
    #[track_caller]
    pub(crate) fn tls(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        let result = Self::connect(address).handshake(config, name);
        result.unwrap_or_else(|error| panic!("no handshake for {name}: {error}"))
    }

    /// Makes a plain connection one of TLS; the error when the peer refuses.
    pub(crate) fn handshake(self, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        self.handshake_of(tls)
    }

    /// The same for a session that the test made, and may have started by hand.
    pub(crate) fn handshake_of(self, mut tls: ClientConnection) -> io::Result<Self> {
        let Socket::Plain(mut stream) = self.stream else { panic!("TLS already") };
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        let stream = Socket::Tls(Box::new(StreamOwned::new(tls, stream)));
        Ok(Self { stream, buffer: self.buffer })
    }

    /// The session of a TLS connection.
    #[track_caller]
    pub(crate) fn session(&mut self) -> &mut ClientConnection {
        match &mut self.stream {
            Socket::Tls(stream) => &mut stream.conn,
            Socket::Plain(_) => panic!("not TLS"),
        }
    }

    /// Ends TLS properly, then the sending half.
    pub(crate) fn finish_with_close_notify(&mut self) {
        self.session().send_close_notify();
        self.stream.flush().expect("close_notify");
        self.finish_sending();
    }

    /// The whole connection as something to read and write.
    pub(crate) fn into_stream(self) -> impl Read + Write {
        assert!(self.buffer.is_empty(), "unread bytes: {:?}", self.buffer_text());
        self.stream
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("send");
    }

    /// Sends as far as the peer takes it; a peer that closed early is not a failure.
    pub(crate) fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// A second handle on the same connection, below TLS if there is any: to send while the first
    /// one reads.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.tcp().try_clone().expect("clone")
    }

    /// Sends `GET path` for `host` and reads the response.
    #[track_caller]
    pub(crate) fn get(&mut self, host: &str, path: &str) -> Message {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        self.response()
    }

    /// Reads exactly one response to a method whose response has a body; 1xx count.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Message {
        self.response_to("GET")
    }

    /// Reads exactly one response to `method`.
    #[track_caller]
    pub(crate) fn response_to(&mut self, method: &str) -> Message {
        match message::read_message(self, Kind::ResponseTo(method)) {
            Ok(response) => response,
            Err(error) => panic!("no whole response: {error}"),
        }
    }

    /// Reads one response; the error when its end did not come.
    pub(crate) fn try_response(&mut self) -> io::Result<Message> {
        message::read_message(self, Kind::ResponseTo("GET"))
    }

    /// Reads one response head and leaves the body.
    #[track_caller]
    pub(crate) fn response_head(&mut self) -> Message {
        message::read_head(self).expect("a response head")
    }

    /// Takes exactly `count` bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        message::take_exact(self, count).expect("bytes")
    }

    /// Everything until the peer closes; a reset counts as closing.
    #[track_caller]
    pub(crate) fn read_until_close(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("not closed: {error}; got {:?}", self.buffer_text()),
            }
        }
        std::mem::take(&mut self.buffer)
    }

    /// Fails unless the peer closes without another byte.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        let rest = self.read_until_close();
        assert!(rest.is_empty(), "bytes before the close: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Fails if the peer sends or closes within [`QUIET`].
    #[track_caller]
    pub(crate) fn assert_quiet(&mut self) {
        assert!(self.buffer.is_empty(), "unread bytes: {:?}", self.buffer_text());
        self.stream.tcp().set_read_timeout(Some(QUIET)).expect("read timeout");
        let result = self.fill();
        self.stream.tcp().set_read_timeout(Some(DEADLINE)).expect("read timeout");
        match result {
            Ok(0) => panic!("closed"),
            Ok(_) => panic!("unexpected bytes: {:?}", self.buffer_text()),
            Err(error) => {
                let is_timeout =
                    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                assert!(is_timeout, "{error}");
            }
        }
    }

    /// Time until the peer closes.
    #[track_caller]
    pub(crate) fn time_to_close(&mut self) -> Duration {
        let start = Instant::now();
        self.read_until_close();
        start.elapsed()
    }

    /// Ends the sending half.
    pub(crate) fn finish_sending(&self) {
        self.stream.tcp().shutdown(Shutdown::Write).expect("shutdown");
    }

    /// Closes with RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.stream.tcp()).set_linger(Some(Duration::ZERO)).expect("linger");
    }

    fn buffer_text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}
