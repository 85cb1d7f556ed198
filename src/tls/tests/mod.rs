//! Unit tests of TLS: both ends in memory, the other end always rustls' own buffered connection,
//! which shares no code with the glue under test.

mod certificate;
mod chain;
mod client;
mod hello;
mod identity;
mod policy;
mod session;

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection};
use rustls::{SupportedProtocolVersion, version};

use super::certificate::Certificate;
use super::client_auth::ClientAuth;
use super::provider;
use super::server::ServerTls;
use super::session::{Session, TlsError};
use super::tickets::Tickets;

/// What a test needs of a small public-key infrastructure.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(Self::params(name), key).unwrap() }
    }

    /// An authority that this one vouches for.
    pub(super) fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(Self::params(name), key, &self.issuer);
        Self { issuer: issuer.unwrap() }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params
    }

    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Chain and key of a leaf for `host`.
    pub(super) fn issue(&self, host: &str, serial: u64) -> (String, String) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A revocation list, current for a hundred years or out of date.
    pub(super) fn revoke(&self, serial: u64, is_current: bool) -> String {
        let last = if is_current { 2120 } else { 2021 };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(last, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: rcgen::date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

pub(super) fn load((chain, key): &(String, String)) -> Arc<Certificate> {
    Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

/// A server for `ringway.test` and the means to be its client.
pub(super) struct World {
    pub(super) authority: Authority,
    pub(super) certificate: Arc<Certificate>,
    pub(super) tickets: Tickets,
}

impl World {
    pub(super) fn new() -> Self {
        let authority = Authority::new("Test authority");
        let certificate = load(&authority.issue("ringway.test", 1));
        Self { authority, certificate, tickets: Tickets::new() }
    }

    pub(super) fn server(&self, auth: &Arc<ClientAuth>) -> Arc<ServerTls> {
        ServerTls::new(&self.certificate, auth, &self.tickets).unwrap()
    }

    pub(super) fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        self.client_with(version, None)
    }

    pub(super) fn client_with(
        &self,
        version: &'static SupportedProtocolVersion,
        certificate: Option<(String, String)>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match certificate {
            Some((chain, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(8);
        config
    }
}

pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from("ringway.test").unwrap()
}

/// The session under test, its buffers, and a real peer.
pub(super) struct Pair {
    pub(super) session: Session,
    pub(super) peer: Connection,
    /// Octets on their way to the session.
    pub(super) cipher: Vec<u8>,
    pub(super) plain: Vec<u8>,
    pub(super) out: Vec<u8>,
    /// Plain text that the peer read.
    pub(super) peer_plain: Vec<u8>,
    pub(super) is_peer_closed: bool,
    /// Octets handed to the session at a time.
    pub(super) step: usize,
}

impl Pair {
    pub(super) fn server(tls: &ServerTls, client: ClientConfig) -> Self {
        Self::server_by(tls, &Arc::new(client))
    }

    pub(super) fn server_by(tls: &ServerTls, client: &Arc<ClientConfig>) -> Self {
        let session = Session::server(Arc::clone(tls.config())).unwrap();
        let peer = ClientConnection::new(Arc::clone(client), name()).unwrap();
        Self::new(session, peer.into())
    }

    pub(super) fn client(config: Arc<ClientConfig>, server: Arc<rustls::ServerConfig>) -> Self {
        let session = Session::client(config, name()).unwrap();
        Self::new(session, ServerConnection::new(server).unwrap().into())
    }

    fn new(session: Session, peer: Connection) -> Self {
        Self {
            session,
            peer,
            cipher: Vec::new(),
            plain: Vec::new(),
            out: Vec::new(),
            peer_plain: Vec::new(),
            is_peer_closed: false,
            step: usize::MAX,
        }
    }

    pub(super) fn feed(&mut self) -> Result<(), TlsError> {
        self.session.feed(&mut self.cipher, &mut self.plain, &mut self.out)
    }

    /// Takes what the peer wants to send to `wire`.
    pub(super) fn peer_sends(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.peer.wants_write() {
            self.peer.write_tls(&mut wire).unwrap();
        }
        wire
    }

    /// Hands over what the session wants to send.
    pub(super) fn peer_reads(&mut self) -> Result<(), rustls::Error> {
        let out = std::mem::take(&mut self.out);
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            self.peer.read_tls(&mut rest).unwrap();
            let state = self.peer.process_new_packets()?;
            self.is_peer_closed |= state.peer_has_closed();
            let mut octets = vec![0; state.plaintext_bytes_to_read()];
            self.peer.reader().read_exact(&mut octets).unwrap();
            self.peer_plain.extend(octets);
        }
        Ok(())
    }

    /// Exchanges octets until both sides have nothing to say.
    pub(super) fn run(&mut self) -> Result<(), TlsError> {
        self.feed()?;
        loop {
            self.peer_reads().unwrap();
            let wire = self.peer_sends();
            if wire.is_empty() {
                return Ok(());
            }
            for piece in wire.chunks(self.step) {
                self.cipher.extend_from_slice(piece);
                self.feed()?;
            }
        }
    }

    pub(super) fn peer_writes(&mut self, octets: &[u8]) {
        self.peer.writer().write_all(octets).unwrap();
    }
}

/// Runs `openssl` in a folder of its own, once for each line, and gives the folder.
pub(super) fn openssl(lines: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for line in lines {
        let done = Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }
    folder
}

pub(super) fn file(folder: &tempfile::TempDir, name: &str) -> Vec<u8> {
    fs::read(folder.path().join(name)).unwrap()
}
