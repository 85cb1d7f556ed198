//! Who a client is by its certificate, as field lines for backends: written once for a connection.
//!
//! Source: the fields that ingress-nginx sends behind `auth-tls-secret`, which are nginx's
//! `$ssl_client_verify`, `$ssl_client_s_dn`, `$ssl_client_i_dn` and `$ssl_client_escaped_cert`.

use std::cell::OnceCell;

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use super::chain_error::ChainError;
use super::distinguished_name::put_name;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Octets of one line of PEM, RFC 7468 section 2: 64 characters.
const PEM_LINE_BYTES: usize = 48;

/// What a host demands and a connection does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    /// A certificate.
    #[error("none was sent")]
    Missing,
    /// One that is believed.
    #[error("{0}")]
    Untrusted(ChainError),
}

/// What became of the client's certificate in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientVerdict {
    /// None was shown.
    None,
    /// It is believed.
    Success,
    /// It is not.
    Failed(ChainError),
}

/// Who a client is.
#[derive(Debug)]
pub struct ClientIdentity {
    verdict: ClientVerdict,
    admitted: Result<(), ClientRefusal>,
    fields: Vec<u8>,
    subject: Vec<u8>,
    certificate: Vec<u8>,
    with_certificate: OnceCell<Vec<u8>>,
}

impl ClientIdentity {
    pub(super) fn new(
        leaf: Option<&CertificateDer<'_>>,
        verdict: ClientVerdict,
        admitted: Result<(), ClientRefusal>,
    ) -> Self {
        let mut fields = b"ssl-client-verify: ".to_vec();
        match verdict {
            ClientVerdict::None => fields.extend_from_slice(b"NONE"),
            ClientVerdict::Success => fields.extend_from_slice(b"SUCCESS"),
            ClientVerdict::Failed(error) => {
                fields.extend_from_slice(format!("FAILED:{error}").as_bytes());
            }
        }
        fields.extend_from_slice(b"\r\n");
        let mut subject = Vec::new();
        let parsed = leaf.and_then(|leaf| parse_x509_certificate(leaf).ok());
        if let Some((_, parsed)) = parsed {
            put_name(&mut subject, parsed.subject());
            put_name_field(&mut fields, b"ssl-client-subject-dn: ", parsed.subject());
            put_name_field(&mut fields, b"ssl-client-issuer-dn: ", parsed.issuer());
        }
        let certificate = leaf.map(|leaf| leaf.to_vec()).unwrap_or_default();
        Self { verdict, admitted, fields, subject, certificate, with_certificate: OnceCell::new() }
    }

    /// Of a client that nobody asked, where the host has authorities and does not use them.
    pub const UNASKED_FIELDS: &[u8] = b"ssl-client-verify: NONE\r\n";

    /// What became of the certificate.
    #[must_use]
    pub const fn verdict(&self) -> ClientVerdict {
        self.verdict
    }

    /// Whether requests of the connection are served.
    ///
    /// # Errors
    /// What is amiss.
    pub const fn admitted(&self) -> Result<(), ClientRefusal> {
        self.admitted
    }

    /// Whom a certificate that is believed is for; printable ASCII. `None`: there is none.
    #[must_use]
    pub fn subject(&self) -> Option<&[u8]> {
        (self.verdict == ClientVerdict::Success).then_some(&self.subject)
    }

    /// Whole field lines; a name without parts has none.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// The same with the certificate itself.
    pub fn fields_with_certificate(&self) -> &[u8] {
        self.with_certificate.get_or_init(|| {
            let mut fields = self.fields.clone();
            if !self.certificate.is_empty() {
                fields.extend_from_slice(b"ssl-client-cert: ");
                put_escaped_pem(&mut fields, &self.certificate);
                fields.extend_from_slice(b"\r\n");
            }
            fields
        })
    }
}

fn put_name_field(out: &mut Vec<u8>, name: &[u8], value: &x509_parser::x509::X509Name<'_>) {
    let start = out.len();
    out.extend_from_slice(name);
    let before = out.len();
    put_name(out, value);
    if out.len() == before {
        out.truncate(start);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// PEM with everything percent-encoded but what RFC 3986 calls unreserved.
fn put_escaped_pem(out: &mut Vec<u8>, der: &[u8]) {
    out.extend_from_slice(b"-----BEGIN%20CERTIFICATE-----%0A");
    for line in der.chunks(PEM_LINE_BYTES) {
        for group in line.chunks(3) {
            put_escaped_group(out, group);
        }
        out.extend_from_slice(b"%0A");
    }
    out.extend_from_slice(b"-----END%20CERTIFICATE-----%0A");
}

/// Up to three octets as four characters, RFC 4648 section 4.
fn put_escaped_group(out: &mut Vec<u8>, group: &[u8]) {
    let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
    let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
    for at in 0..4 {
        let index = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
        match BASE64.get(index).copied().filter(|_| at <= group.len()) {
            Some(b'+') => out.extend_from_slice(b"%2B"),
            Some(b'/') => out.extend_from_slice(b"%2F"),
            Some(character) => out.push(character),
            None => out.extend_from_slice(b"%3D"),
        }
    }
}
