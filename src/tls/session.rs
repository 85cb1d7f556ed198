//! The record engine of one connection: octets in, octets out, nothing else. It drives rustls'
//! unbuffered API and keeps no buffer of its own, so that an idle connection costs its keys alone.
//!
//! What rustls 0.23 leaves to its caller, and is done here:
//! * `discard` holds also when the call failed, and the alert comes out of the calls after it.
//! * Tickets, alerts and the rest of a handshake come out of reads; [`Session::feed`] hands them
//!   over. The answer to a KeyUpdate waits inside rustls for the next record or close_notify, which
//!   it precedes (RFC 8446 section 4.6.3 asks for no more).
//! * A part of a handshake message whose records are complete stays in the caller's buffer, and
//!   rustls indexes the next buffer it is given by the length of that part: sealing in between with
//!   an empty buffer would panic. `held` is that length.

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, CommonState, Error, HandshakeKind, OtherError,
    ProtocolVersion, ServerConfig,
};

use super::chain_error::ChainError;
use super::masked;

/// Octets of a record header, RFC 8446 section 5.1.
const HEADER_BYTES: usize = 5;
/// Octets of plain text in one record, RFC 8446 section 5.1.
const FRAGMENT_BYTES: usize = 16 * 1024;
/// At least what any suite adds to a fragment: header, nonce, tag, inner content type (29 with
/// AES-GCM of TLS 1.2). An estimate: rustls says so if it needs more.
const EXPANSION_BYTES: usize = 32;

/// Why a connection ended or could not start. Holds no octets of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Octets that are no TLS, or a message that cannot be decoded.
    #[error("the peer sent a malformed record or message")]
    Malformed,
    /// A record whose tag is wrong.
    #[error("a record cannot be decrypted")]
    Decrypt,
    /// A well-formed message at the wrong time.
    #[error("the peer sent a message out of turn")]
    Unexpected,
    /// A message that breaks the protocol.
    #[error("the peer broke the protocol")]
    Misbehaved,
    /// No version, suite, group or signature scheme in common.
    #[error("no protocol version or algorithm in common with the peer")]
    Incompatible,
    /// No application protocol in common, RFC 7301 section 3.2.
    #[error("no application protocol in common with the peer")]
    NoApplicationProtocol,
    /// The certificate of the peer is not acceptable.
    #[error("the certificate of the peer was refused: {0}")]
    CertificateRefused(ChainError),
    /// The peer has to show a certificate and has none.
    #[error("the peer showed no certificate")]
    CertificateMissing,
    /// The peer ended the connection by a fatal alert with this number, RFC 8446 section 6.2.
    #[error("the peer sent alert {0}")]
    Alert(u8),
    /// Plain text was to be sent before the handshake was over.
    #[error("the handshake is not complete")]
    NotEstablished,
    /// Plain text was to be sent after close_notify.
    #[error("the connection was closed for sending")]
    Closed,
    /// The keys have protected as many records as they may, and TLS 1.2 cannot renew them.
    #[error("the keys of the connection are used up")]
    Exhausted,
    /// A configuration that rustls refuses, or a failure on this side.
    #[error("TLS cannot be set up on this side")]
    Local,
}

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidMessage(_)
            | Error::PeerSentOversizedRecord
            | Error::UnsupportedNameType
            | Error::InvalidEncryptedClientHello(_) => Self::Malformed,
            Error::DecryptError => Self::Decrypt,
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
                Self::Unexpected
            }
            Error::PeerMisbehaved(_) => Self::Misbehaved,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::NoApplicationProtocol => Self::NoApplicationProtocol,
            Error::NoCertificatesPresented => Self::CertificateMissing,
            Error::InvalidCertificate(CertificateError::Other(OtherError(error))) => {
                let error = error.downcast_ref::<ChainError>().copied();
                Self::CertificateRefused(error.unwrap_or(ChainError::Malformed))
            }
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                Self::CertificateRefused(ChainError::Signature)
            }
            Error::InvalidCertificate(_) => Self::CertificateRefused(ChainError::Malformed),
            Error::AlertReceived(description) => Self::Alert(description.into()),
            _ => Self::Local,
        }
    }
}

/// One connection, the server's or the client's side. After an error it is dead: every later call
/// returns that error, and what `out` holds is still to be sent.
pub struct Session {
    engine: Engine,
    /// Octets at the front of the caller's cipher text that rustls has read and not given up.
    held: usize,
    failure: Option<TlsError>,
    is_closed_by_peer: bool,
    is_closed: bool,
    /// The server name is none, and to be hidden from rustls.
    is_masked: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("is_handshaking", &self.is_handshaking())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Boxed: the state is more than a kilobyte, and a connection moves through several futures.
enum Engine {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What is to be done once the connection can send.
#[derive(Clone, Copy)]
enum Task<'a> {
    Nothing,
    Seal(&'a [u8]),
    CloseNotify,
}

/// Where one call into rustls ended.
enum Step {
    /// Call again.
    Again,
    /// The peer has to send something first.
    Blocked,
    /// Application data can be sent, and the task was done.
    Ready,
    /// close_notify of the peer was read.
    PeerClosed,
    /// Both sides sent close_notify.
    Closed,
}

impl Session {
    /// The server's side of a new connection.
    ///
    /// # Errors
    /// [`TlsError::Local`] if rustls refuses the configuration.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self::new(Engine::Server(Box::new(UnbufferedServerConnection::new(config)?))))
    }

    /// The same with a configuration of `masked::provider`.
    pub(super) fn masked_server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self { is_masked: true, ..Self::server(config)? })
    }

    /// The client's side of a new connection; `name` is sent as SNI and is what the certificate is
    /// checked against. The first [`Session::feed`], with nothing, yields the ClientHello.
    ///
    /// # Errors
    /// [`TlsError::Local`] if rustls refuses the configuration.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        Ok(Self::new(Engine::Client(Box::new(UnbufferedClientConnection::new(config, name)?))))
    }

    fn new(engine: Engine) -> Self {
        Self {
            engine,
            held: 0,
            failure: None,
            is_closed_by_peer: false,
            is_closed: false,
            is_masked: false,
        }
    }

    /// Reads the whole records at the front of `cipher` and removes them. What is left is a part of
    /// a record or of a handshake message: at most 64 KiB and one record, and the caller must hand
    /// it over again, with what follows it, unchanged. Appends decrypted octets to `plain`, and to
    /// `out` whatever must be sent now. Octets after close_notify are thrown away (RFC 8446 section
    /// 6.1).
    ///
    /// # Errors
    /// Any but [`TlsError::NotEstablished`], [`TlsError::Closed`] and [`TlsError::Exhausted`].
    /// `plain` holds what came before the fault, `out` may hold an alert that must still be sent.
    pub fn feed(
        &mut self,
        cipher: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.is_masked && self.is_handshaking() {
            // Also a second one, after HelloRetryRequest; others have nothing to hide.
            masked::mask(cipher);
        }
        let records = records_end(cipher, self.held);
        let mut taken = 0;
        let result = loop {
            if self.is_closed_by_peer {
                break Ok(());
            }
            let (discard, step) = self.step(&mut cipher[taken..], Task::Nothing, plain, out);
            taken += discard;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::PeerClosed | Step::Closed) => self.is_closed_by_peer = true,
                Ok(Step::Blocked | Step::Ready) => break Ok(()),
                Err(error) => {
                    self.failure = Some(error);
                    self.flush(&mut cipher[taken..], plain, out);
                    break Err(error);
                }
            }
        };
        if self.is_closed_by_peer || result.is_err() {
            cipher.clear();
            self.held = 0;
        } else {
            cipher.drain(..taken);
            self.held = records.saturating_sub(taken);
        }
        result
    }

    /// Appends `plain` to `out` as records of at most 16 KiB; nothing if `plain` is empty.
    ///
    /// # Errors
    /// [`TlsError::NotEstablished`]; [`TlsError::Closed`]; [`TlsError::Exhausted`], and then `out`
    /// holds a close_notify; or the error that ended the session before.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.is_closed {
            return Err(TlsError::Closed);
        }
        self.send(Task::Seal(plain), out)
    }

    /// Appends close_notify to `out`, the first time; nothing if the handshake is not over or the
    /// session has failed, because then the end of the transport says it all.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if !self.is_closed && self.send(Task::CloseNotify, out).is_ok() {
            self.is_closed = true;
        }
    }

    /// Performs `task` without input.
    fn send(&mut self, task: Task<'_>, out: &mut Vec<u8>) -> Result<(), TlsError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        // Stands in for the octets that the caller keeps; rustls skips exactly as many. Almost
        // always none, and then nothing is allocated.
        let mut held = vec![0; self.held];
        // Every read leaves no plain text behind, so that nothing can come out here.
        let mut plain = Vec::new();
        loop {
            let (_, step) = self.step(&mut held, task, &mut plain, out);
            match step {
                Ok(Step::Again | Step::PeerClosed) => {}
                Ok(Step::Ready) => return Ok(()),
                Ok(Step::Blocked) => return Err(TlsError::NotEstablished),
                Ok(Step::Closed) => return Err(TlsError::Closed),
                Err(error) => {
                    self.failure = Some(error);
                    self.flush(&mut held, &mut plain, out);
                    return Err(error);
                }
            }
        }
    }

    /// Takes out what rustls has queued, the alert of a failure above all. Stops as soon as the
    /// queue is empty: one call more and rustls would read the bad record a second time.
    fn flush(&mut self, cipher: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        while self.common().wants_write() {
            let (_, step) = self.step(cipher, Task::Nothing, plain, out);
            if !matches!(step, Ok(Step::Again)) {
                return;
            }
        }
    }

    fn step(
        &mut self,
        cipher: &mut [u8],
        task: Task<'_>,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> (usize, Result<Step, TlsError>) {
        match &mut self.engine {
            Engine::Server(server) => {
                settle::<ServerConnectionData>(server.process_tls_records(cipher), task, plain, out)
            }
            Engine::Client(client) => {
                settle::<ClientConnectionData>(client.process_tls_records(cipher), task, plain, out)
            }
        }
    }

    fn common(&self) -> &CommonState {
        match &self.engine {
            Engine::Server(server) => server,
            Engine::Client(client) => client,
        }
    }

    /// Whether the handshake is still under way; until it is over nothing can be sealed.
    pub fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// Whether the peer sent close_notify. The end of the transport without it is a truncation.
    pub fn is_closed_by_peer(&self) -> bool {
        self.is_closed_by_peer
    }

    /// The application protocol chosen, RFC 7301; none before the handshake is over or if the peer
    /// named none.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// The protocol version as logs name it.
    pub fn version(&self) -> Option<&'static str> {
        match self.common().protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => None,
        }
    }

    /// What was agreed on, as logs name it.
    pub fn facts(&self) -> TlsFacts {
        let suite = self.common().negotiated_cipher_suite().map(|suite| suite.suite());
        TlsFacts {
            version: self.version().unwrap_or_default(),
            cipher: suite.map_or("", openssl_name),
        }
    }

    /// What the peer showed of certificates, in this handshake or in the one it resumes, its own
    /// first. Of a client they say nothing until `ServerTls::identify` has judged them.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.common().peer_certificates().unwrap_or_default()
    }

    /// Whether the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

/// Acts on the outcome of one call into rustls. Also gives how many octets it has done with.
fn settle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    task: Task<'_>,
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> (usize, Result<Step, TlsError>) {
    let mut discard = status.discard;
    let step = match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut step = Ok(Step::Again);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    Err(error) => step = Err(error.into()),
                }
            }
            step
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let start = out.len();
            let written = match data.encode(&mut out[start..]) {
                Err(EncodeError::InsufficientSize(need)) => {
                    out.resize(start + need.required_size, 0);
                    data.encode(&mut out[start..])
                }
                other => other,
            };
            out.truncate(start + written.as_ref().map_or(0, |written| *written));
            written.map(|_| Step::Again).or(Err(TlsError::Local))
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::WriteTraffic(traffic)) => perform(traffic, task, out),
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Blocked),
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(ConnectionState::Closed) => Ok(Step::Closed),
        // Early data, which no configuration of ours allows.
        Ok(_) => Err(TlsError::Misbehaved),
        Err(error) => Err(error.into()),
    };
    (discard, step)
}

/// Encrypts straight into the room behind `out`.
fn perform<Data>(
    mut traffic: WriteTraffic<'_, Data>,
    task: Task<'_>,
    out: &mut Vec<u8>,
) -> Result<Step, TlsError> {
    let octets = match task {
        Task::Nothing => return Ok(Step::Ready),
        Task::Seal(plain) => plain,
        Task::CloseNotify => &[],
    };
    let start = out.len();
    let records = octets.len().div_ceil(FRAGMENT_BYTES).max(1);
    let mut room = octets.len() + records * EXPANSION_BYTES;
    loop {
        out.resize(start + room, 0);
        let written = match task {
            Task::CloseNotify => traffic.queue_close_notify(&mut out[start..]),
            Task::Nothing | Task::Seal(_) => traffic.encrypt(octets, &mut out[start..]),
        };
        match written {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(Step::Ready);
            }
            Err(EncryptError::InsufficientSize(need)) if need.required_size > room => {
                room = need.required_size;
            }
            Err(EncryptError::InsufficientSize(_) | EncryptError::EncryptExhausted) => {
                out.truncate(start);
                return Err(TlsError::Exhausted);
            }
        }
    }
}

/// Where the last complete record ends, if one begins at `start`.
fn records_end(cipher: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(&[_, _, _, high, low]) = cipher.get(end..end + HEADER_BYTES) {
        let next = end + HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
        if next > cipher.len() {
            break;
        }
        end = next;
    }
    end
}
/// What a handshake came to, as logs name it; empty before its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct TlsFacts {
    /// `TLSv1.3`, …
    pub version: &'static str,
    /// As OpenSSL names it.
    pub cipher: &'static str,
}

/// The name of a suite in OpenSSL.
fn openssl_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "",
    }
}
