//! Reads the ClientHello before anything is decided: which name the client asks for and which
//! protocols it speaks. Consumes nothing, so that the same octets can go to a session or a backend.

use rustls::server::Acceptor;
use rustls::{Error, PeerMisbehaved};

use super::masked;
use crate::limits::TLS_HELLO_BYTES_MAX;

const HEADER_BYTES: usize = 5;
/// Content type of a handshake record, RFC 8446 section 5.1.
const HANDSHAKE: u8 = 22;
/// Handshake type of a ClientHello, RFC 8446 section 4.
const CLIENT_HELLO: u8 = 1;
/// Octets of plain text in one record, RFC 8446 section 5.1.
const FRAGMENT_BYTES: usize = 16 * 1024;

/// Why octets are no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// They do not begin with a handshake record, or not with a ClientHello in it.
    #[error("the client does not speak TLS")]
    NotTls,
    /// More octets than [`TLS_HELLO_BYTES_MAX`].
    #[error("the ClientHello is too large")]
    TooLarge,
    /// The message cannot be decoded or breaks the protocol.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// The server name is not a host name, RFC 6066 section 3, and OpenSSL refuses it, too.
    #[error("the server name of the ClientHello is not a host name")]
    ServerName,
}

impl HelloError {
    /// The fatal alert to send before closing, as a whole record; nothing to who speaks no TLS.
    pub fn alert(self) -> &'static [u8] {
        match self {
            Self::NotTls => &[],
            Self::TooLarge | Self::Malformed => &[21, 3, 3, 0, 2, 2, 50], // decode_error
            Self::ServerName => &[21, 3, 3, 0, 2, 2, 47],                 // illegal_parameter
        }
    }
}

/// What the octets so far hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// The beginning of a ClientHello.
    Incomplete,
    /// All of it.
    Complete(ClientHello),
}

/// What is read of a ClientHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// Host asked for, lower case, without a final dot. None also if the client sent an address,
    /// which RFC 6066 section 3 does not allow and which is treated as if it were absent.
    pub server_name: Option<String>,
    /// Application protocols, in the order of the client.
    pub alpn: Vec<Vec<u8>>,
    /// The client sent a name that is none, which counts as if it were absent, as nginx does it;
    /// see [`super::server::ServerTls::session_with_masked_name`].
    pub is_name_masked: bool,
}

/// Looks at the first octets of a connection, however they are split into records. May be called
/// again with more; until the message is complete it costs one look at every record.
///
/// # Errors
/// See [`HelloError`]. It is told as soon as it is certain.
pub fn read_hello(octets: &[u8]) -> Result<Hello, HelloError> {
    let Some(end) = hello_end(octets)? else {
        return Ok(Hello::Incomplete);
    };
    match accept(&octets[..end]) {
        Err(HelloError::ServerName | HelloError::Malformed) => {
            let mut own = octets[..end].to_vec();
            let is_masked = masked::mask(&mut own);
            match accept(if is_masked { &own } else { &octets[..end] })? {
                Hello::Complete(hello) => {
                    Ok(Hello::Complete(ClientHello { is_name_masked: is_masked, ..hello }))
                }
                incomplete @ Hello::Incomplete => Ok(incomplete),
            }
        }
        read => read,
    }
}

/// Has rustls read whole records.
fn accept(records: &[u8]) -> Result<Hello, HelloError> {
    let mut acceptor = Acceptor::default();
    let mut rest = records;
    while !rest.is_empty() {
        if acceptor.read_tls(&mut rest).or(Err(HelloError::Malformed))? == 0 {
            return Err(HelloError::Malformed);
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let name = hello.server_name().map(|name| name.strip_suffix('.').unwrap_or(name));
                return Ok(Hello::Complete(ClientHello {
                    server_name: name.map(str::to_ascii_lowercase),
                    alpn: hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect(),
                    is_name_masked: false,
                }));
            }
            Err((Error::PeerMisbehaved(PeerMisbehaved::ServerNameMustContainOneHostName), _)) => {
                return Err(HelloError::ServerName);
            }
            Err(_) => return Err(HelloError::Malformed),
        }
    }
    Err(HelloError::Malformed)
}

/// Where the record ends that completes the ClientHello, if it is there.
fn hello_end(octets: &[u8]) -> Result<Option<usize>, HelloError> {
    let mut message = MessageHead::default();
    let mut at = 0;
    while at < octets.len() {
        let first = at == 0;
        let broken = if first { HelloError::NotTls } else { HelloError::Malformed };
        let header = &octets[at..octets.len().min(at + HEADER_BYTES)];
        if header[0] != HANDSHAKE || header.get(1).is_some_and(|major| *major != 3) {
            return Err(broken);
        }
        let &[_, _, _, high, low] = header else {
            break;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > FRAGMENT_BYTES {
            return Err(broken);
        }
        let end = at + HEADER_BYTES + length;
        message.read(&octets[at + HEADER_BYTES..octets.len().min(end)])?;
        if message.is_complete() {
            if end > TLS_HELLO_BYTES_MAX {
                return Err(HelloError::TooLarge);
            }
            return Ok((end <= octets.len()).then_some(end));
        }
        at = end;
    }
    if octets.len() >= TLS_HELLO_BYTES_MAX { Err(HelloError::TooLarge) } else { Ok(None) }
}

/// Type and length of a handshake message, RFC 8446 section 4, wherever records cut it.
#[derive(Default)]
struct MessageHead {
    head: [u8; 4],
    seen: usize,
}

impl MessageHead {
    fn read(&mut self, fragment: &[u8]) -> Result<(), HelloError> {
        for (head, octet) in self.head.iter_mut().skip(self.seen).zip(fragment) {
            *head = *octet;
        }
        self.seen += fragment.len();
        if self.seen > 0 && self.head[0] != CLIENT_HELLO {
            return Err(HelloError::NotTls);
        }
        if self.bytes().is_some_and(|bytes| bytes > TLS_HELLO_BYTES_MAX) {
            return Err(HelloError::TooLarge);
        }
        Ok(())
    }

    /// Octets of the message, head included.
    fn bytes(&self) -> Option<usize> {
        let [_, high, middle, low] = self.head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        (self.seen >= self.head.len())
            .then(|| self.head.len() + usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn is_complete(&self) -> bool {
        self.bytes().is_some_and(|bytes| self.seen >= bytes)
    }
}
