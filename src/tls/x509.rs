//! What of a certificate the rules about chains are about, version 1 to 3, and signatures under its
//! key. Decides nothing.
//!
//! Source: RFC 5280, RFC 2459 for version 1; the extensions that OpenSSL understands.

use std::ops::Range;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{AlgorithmIdentifier, CertificateDer, ServerName, SubjectPublicKeyInfoDer};
use rustls::{DigitallySignedStruct, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Version;

use super::chain_error::ChainError;
use crate::limits::TLS_RSA_BITS_MIN;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
/// How the identifiers of the extensions of RFC 5280 begin: 2.5.29.
const ID_CE: [u8; 2] = [0x55, 0x1d];

/// What a key may be used for, RFC 5280 section 4.2.1.3, as bits of the extension.
pub(super) const DIGITAL_SIGNATURE: u16 = 1;
pub(super) const KEY_ENCIPHERMENT: u16 = 1 << 2;
pub(super) const KEY_AGREEMENT: u16 = 1 << 4;
pub(super) const KEY_CERT_SIGN: u16 = 1 << 5;
pub(super) const CRL_SIGN: u16 = 1 << 6;

/// Extended key usage, RFC 5280 section 4.2.1.12.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExtendedUsage {
    pub server: bool,
    pub client: bool,
}

/// One certificate.
#[derive(Debug)]
pub(super) struct Node {
    der: Box<[u8]>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    serial: Range<usize>,
    key: Range<usize>,
    signature_algorithm: Range<usize>,
    signature: Range<usize>,
    pub is_version1: bool,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    /// Of basicConstraints: whether it is an authority, and how many may follow it.
    pub constraints: Option<(bool, Option<u32>)>,
    pub usage: Option<u16>,
    pub extended_usage: Option<ExtendedUsage>,
    pub has_unknown_critical: bool,
    pub has_name_constraints: bool,
    subject_key: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
    authority_serial: Option<Vec<u8>>,
    rsa_bits: Option<usize>,
}

/// Where `part`, which lies in `whole`, begins and ends.
fn within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// Tag, content and what follows of the DER element at the front.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = octets.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// AlgorithmIdentifier without its outer header, and octets of the BIT STRING, of a sequence that
/// begins with them.
fn algorithm_and_bits(sequence: &[u8]) -> Option<(&[u8], &[u8])> {
    let (SEQUENCE, algorithm, rest) = element(sequence)? else { return None };
    let (BIT_STRING, bits, _) = element(rest)? else { return None };
    // The first octet counts unused bits, of which neither keys nor signatures have any.
    Some((algorithm, bits.strip_prefix(&[0])?))
}

impl Node {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`ChainError::Malformed`].
    pub(super) fn parse(der: &[u8]) -> Result<Self, ChainError> {
        let (rest, parsed) = parse_x509_certificate(der).or(Err(ChainError::Malformed))?;
        if !rest.is_empty() {
            return Err(ChainError::Malformed);
        }
        Self::of(der, &parsed).ok_or(ChainError::Malformed)
    }

    fn of(der: &[u8], parsed: &X509Certificate<'_>) -> Option<Self> {
        let tbs = parsed.tbs_certificate.as_ref();
        let (SEQUENCE, whole, _) = element(der)? else { return None };
        let (_, _, behind) = element(whole)?;
        let (algorithm, signature) = algorithm_and_bits(behind)?;
        let rsa_bits = match parsed.public_key().parsed() {
            Ok(key @ x509_parser::public_key::PublicKey::RSA(_)) => Some(key.key_size()),
            _ => None,
        };
        let mut node = Self {
            der: der.into(),
            tbs: within(der, tbs),
            issuer: within(der, parsed.issuer().as_raw()),
            subject: within(der, parsed.subject().as_raw()),
            serial: within(der, parsed.raw_serial()),
            key: within(der, parsed.public_key().raw),
            signature_algorithm: within(der, algorithm),
            signature: within(der, signature),
            is_version1: parsed.version() == X509Version::V1,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            constraints: None,
            usage: None,
            extended_usage: None,
            has_unknown_critical: false,
            has_name_constraints: false,
            subject_key: None,
            authority_key: None,
            authority_serial: None,
            rsa_bits,
        };
        node.read_extensions(parsed)?;
        Some(node)
    }

    /// `None`: one cannot be read, or is there twice.
    fn read_extensions(&mut self, parsed: &X509Certificate<'_>) -> Option<()> {
        let mut seen = Vec::new();
        for extension in parsed.extensions() {
            if seen.contains(&&extension.oid) {
                return None;
            }
            seen.push(&extension.oid);
            match extension.parsed_extension() {
                // Others than those of the standard are nobody's business here.
                ParsedExtension::ParseError { .. }
                    if extension.critical || extension.oid.as_bytes().starts_with(&ID_CE) =>
                {
                    return None;
                }
                ParsedExtension::BasicConstraints(found) => {
                    self.constraints = Some((found.ca, found.path_len_constraint));
                }
                ParsedExtension::KeyUsage(found) => self.usage = Some(found.flags),
                ParsedExtension::ExtendedKeyUsage(found) => {
                    let (server, client) = (found.server_auth, found.client_auth);
                    self.extended_usage = Some(ExtendedUsage { server, client });
                }
                ParsedExtension::SubjectKeyIdentifier(found) => {
                    self.subject_key = Some(found.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(found) => {
                    self.authority_key = found.key_identifier.as_ref().map(|key| key.0.to_vec());
                    self.authority_serial = found.authority_cert_serial.map(<[u8]>::to_vec);
                }
                ParsedExtension::NameConstraints(_) => self.has_name_constraints = true,
                ParsedExtension::SubjectAlternativeName(_)
                | ParsedExtension::CertificatePolicies(_)
                | ParsedExtension::PolicyMappings(_)
                | ParsedExtension::PolicyConstraints(_)
                | ParsedExtension::InhibitAnyPolicy(_)
                | ParsedExtension::CRLDistributionPoints(_)
                | ParsedExtension::NSCertType(_) => {}
                _ => self.has_unknown_critical |= extension.critical,
            }
        }
        Some(())
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER of the name.
    pub(super) fn subject(&self) -> &[u8] {
        self.part(&self.subject)
    }

    /// DER of the name.
    pub(super) fn issuer(&self) -> &[u8] {
        self.part(&self.issuer)
    }

    pub(super) fn serial(&self) -> &[u8] {
        self.part(&self.serial)
    }

    /// Whether its own name and key identifiers say that it signed itself; the signature is not
    /// asked, as OpenSSL does not.
    pub(super) fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.may_have_issued(self)
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Whether name and key identifiers let it be the issuer of `other`, and its usage allows it.
    pub(super) fn may_have_issued(&self, other: &Self) -> bool {
        let same = |wanted: &Option<Vec<u8>>, own: Option<&[u8]>| match (wanted, own) {
            (Some(wanted), Some(own)) => wanted == own,
            _ => true,
        };
        self.subject() == other.issuer()
            && same(&other.authority_key, self.subject_key.as_deref())
            && same(&other.authority_serial, Some(self.serial()))
            && (std::ptr::eq(self, other) || self.may(KEY_CERT_SIGN))
    }

    /// Whether the key may be used for one of `bits` at least.
    pub(super) fn may(&self, bits: u16) -> bool {
        self.usage.is_none_or(|usage| usage & bits != 0)
    }

    pub(super) fn is_weak(&self) -> bool {
        self.rsa_bits.is_some_and(|bits| bits < TLS_RSA_BITS_MIN)
    }

    /// Whether the signature of `other` is one of this key.
    ///
    /// # Errors
    /// [`ChainError::Signature`]; [`ChainError::Algorithm`] for one that is not accepted, MD5 and
    /// SHA-1 among them.
    pub(super) fn has_signed(
        &self,
        other: &Self,
        algorithms: Algorithms,
    ) -> Result<(), ChainError> {
        let signature = Signature {
            algorithm: other.part(&other.signature_algorithm),
            message: other.part(&other.tbs),
            octets: other.part(&other.signature),
        };
        self.public_key().and_then(|key| key.verify(&signature, algorithms))
    }

    /// The key.
    ///
    /// # Errors
    /// [`ChainError::Malformed`].
    pub(super) fn public_key(&self) -> Result<PublicKey<'_>, ChainError> {
        PublicKey::read(self.part(&self.key)).ok_or(ChainError::Malformed)
    }
}

/// What signatures are checked by.
pub(super) type Algorithms = WebPkiSupportedAlgorithms;

/// A subjectPublicKeyInfo.
#[derive(Clone, Copy)]
pub(super) struct PublicKey<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

/// Something signed.
#[derive(Clone, Copy)]
pub(super) struct Signature<'a> {
    /// AlgorithmIdentifier without its outer header.
    pub algorithm: &'a [u8],
    pub message: &'a [u8],
    pub octets: &'a [u8],
}

impl<'a> PublicKey<'a> {
    fn read(info: &'a [u8]) -> Option<Self> {
        let (SEQUENCE, content, _) = element(info)? else { return None };
        let (algorithm, bits) = algorithm_and_bits(content)?;
        Some(Self { algorithm, bits })
    }

    /// See [`Node::has_signed`].
    pub(super) fn verify(
        self,
        signature: &Signature<'_>,
        algorithms: Algorithms,
    ) -> Result<(), ChainError> {
        let id = |algorithm: AlgorithmIdentifier, octets: &[u8]| algorithm.as_ref() == octets;
        let fitting = algorithms.all.iter().find(|algorithm| {
            id(algorithm.signature_alg_id(), signature.algorithm)
                && id(algorithm.public_key_alg_id(), self.algorithm)
        });
        let fitting = fitting.ok_or(ChainError::Algorithm)?;
        let verified = fitting.verify_signature(self.bits, signature.message, signature.octets);
        verified.or(Err(ChainError::Signature))
    }

    /// Octets of the key itself.
    pub(super) fn bits(self) -> &'a [u8] {
        self.bits
    }
}

/// The signed parts of a list or certificate: see [`Signature`].
pub(super) fn signed(der: &[u8]) -> Option<Signature<'_>> {
    let (SEQUENCE, whole, _) = element(der)? else { return None };
    let (_, _, behind) = element(whole)?;
    let message = whole.get(..whole.len().checked_sub(behind.len())?)?;
    let (algorithm, octets) = algorithm_and_bits(behind)?;
    Some(Signature { algorithm, message, octets })
}

/// The key of a certificate of any version, with nothing else of it looked at; whole and its parts.
fn key_of(der: &[u8]) -> Option<(&[u8], PublicKey<'_>)> {
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    let info = parsed.tbs_certificate.subject_pki.raw;
    Some((info, PublicKey::read(info)?))
}

/// Whether `info`, a subjectPublicKeyInfo, is the key of the certificate. `None`: it has none that
/// can be read.
pub(super) fn is_key_of(info: &[u8], certificate: &[u8]) -> Option<bool> {
    let (_, key) = key_of(certificate)?;
    Some(PublicKey::read(info)?.bits() == key.bits())
}

/// Checks the signature in a handshake under the key of a certificate of any version.
///
/// # Errors
/// It is none of that key, or its scheme was not offered.
pub(super) fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: Algorithms,
    version: HandshakeVersion,
) -> Result<HandshakeSignatureValid, Error> {
    let refused = |error| Error::InvalidCertificate(error);
    let (info, key) = key_of(certificate).ok_or(refused(rustls::CertificateError::BadEncoding))?;
    if version == HandshakeVersion::Tls13 {
        let info = SubjectPublicKeyInfoDer::from(info);
        return verify_tls13_signature_with_raw_key(message, &info, signed, &algorithms);
    }
    let schemes = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
    // TLS 1.2 leaves the curve open.
    let mut fitting = schemes.flat_map(|(_, fitting)| *fitting);
    let fitting = fitting.find(|fitting| fitting.public_key_alg_id().as_ref() == key.algorithm);
    let fitting = fitting.ok_or(refused(rustls::CertificateError::BadSignature))?;
    match fitting.verify_signature(key.bits, message, signed.signature()) {
        Ok(()) => Ok(HandshakeSignatureValid::assertion()),
        Err(_) => Err(refused(rustls::CertificateError::BadSignature)),
    }
}

/// How the curve of a signature is chosen, see [`verify_handshake`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeVersion {
    Tls12,
    Tls13,
}

/// Whether signatures of the certificate's key can be checked at all.
pub(super) fn is_checkable(certificate: &[u8], algorithms: Algorithms) -> bool {
    let Some((_, key)) = key_of(certificate) else { return false };
    let is_known =
        algorithms.all.iter().any(|known| known.public_key_alg_id().as_ref() == key.algorithm);
    let Ok((_, parsed)) = parse_x509_certificate(certificate) else { return false };
    let is_weak = match parsed.public_key().parsed() {
        Ok(key @ x509_parser::public_key::PublicKey::RSA(_)) => key.key_size() < TLS_RSA_BITS_MIN,
        _ => false,
    };
    is_known && !is_weak
}

/// The names that a certificate stands for as a server: the dNSNames of subjectAltName, or without
/// any the common name; and its iPAddresses.
#[derive(Debug, Default)]
pub(super) struct ServerNames {
    pub dns: Vec<String>,
    pub addresses: Vec<Vec<u8>>,
    pub uris: Vec<String>,
    /// The name of the subject stands for those that are not there.
    is_common: bool,
}

impl ServerNames {
    /// Lower case, without a final dot.
    ///
    /// # Errors
    /// [`ChainError::Malformed`].
    pub(super) fn read(der: &[u8]) -> Result<Self, ChainError> {
        let (_, leaf) = parse_x509_certificate(der).or(Err(ChainError::Malformed))?;
        let mut names = Self::default();
        let extension = leaf.subject_alternative_name().or(Err(ChainError::Malformed))?;
        for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.dns.push(canonical(name)),
                GeneralName::IPAddress(octets) => names.addresses.push(octets.to_vec()),
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        names.is_common = names.dns.is_empty();
        if names.is_common {
            let common = leaf.subject().iter_common_name();
            names.dns.extend(common.filter_map(|name| name.as_str().ok()).map(canonical));
        }
        Ok(names)
    }

    /// Whether one of the alternative names stands for `name`.
    pub(super) fn lists(&self, name: &str) -> bool {
        !self.is_common && self.dns.iter().any(|own| stands_for(own, name))
    }

    /// Whether they stand for `name`. An address may also be written where DNS names are: nginx
    /// looks there alone.
    pub(super) fn include(&self, name: &ServerName<'_>) -> bool {
        match name {
            ServerName::DnsName(name) => self.dns.iter().any(|own| stands_for(own, name.as_ref())),
            ServerName::IpAddress(address) => {
                let address = std::net::IpAddr::from(*address);
                let text = address.to_string();
                let is = |octets: &Vec<u8>| match address {
                    std::net::IpAddr::V4(address) => octets[..] == address.octets(),
                    std::net::IpAddr::V6(address) => octets[..] == address.octets(),
                };
                self.addresses.iter().any(is) || self.dns.contains(&text)
            }
            _ => false,
        }
    }
}

pub(super) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a name of a certificate stands for `host`: it is the host, or a wildcard for exactly the
/// first label (RFC 6125 section 6.4.3). Case and a final dot do not matter.
pub(super) fn stands_for(name: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let parent = host.split_once('.').filter(|(label, _)| !label.is_empty());
    name.eq_ignore_ascii_case(host)
        || name
            .strip_prefix("*.")
            .is_some_and(|zone| parent.is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(zone)))
}
