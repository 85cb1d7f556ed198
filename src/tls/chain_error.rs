//! Why a certificate is not trusted, in the words of OpenSSL, which people look for.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};

/// Why a certificate is not trusted, in the words of OpenSSL, which people look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.words())]
pub enum ChainError {
    /// It signed itself and is no authority of ours.
    SelfSigned,
    /// Its chain ends in a root that is no authority of ours.
    SelfSignedInChain,
    /// Its chain ends before a root.
    IssuerUnknown,
    /// The authority is an intermediate one whose own issuer is not there.
    IssuerMissing,
    /// Nobody known issued it.
    LeafUnverified,
    /// More intermediate authorities than allowed.
    TooLong,
    /// A certificate of the chain is past its time.
    Expired,
    /// The time of a certificate of the chain has not come.
    NotYetValid,
    /// A signature is wrong.
    Signature,
    /// A signature is of a kind that is not accepted, as MD5 and SHA-1.
    Algorithm,
    /// RSA below 2048 bits.
    LeafKeyTooWeak,
    /// The same of an authority.
    AuthorityKeyTooWeak,
    /// An issuer that is no authority: version 1, or without CA:TRUE.
    InvalidAuthority,
    /// More authorities follow one than it allows.
    PathLength,
    /// Not for clients, or not for servers.
    Purpose,
    /// An extension that must be understood and is not.
    CriticalExtension,
    /// A name that an authority may not vouch for.
    NameConstraints,
    /// Not a certificate, or one whose extensions contradict themselves.
    Malformed,
    /// No list says whether it is revoked.
    ListMissing,
    /// The list is out of date.
    ListExpired,
    /// The list is not one of its issuer, or has parts that are not understood.
    ListInvalid,
    /// It was revoked.
    Revoked,
    /// It is not for the name of the server.
    HostMismatch,
}

impl From<ChainError> for Error {
    /// What a verifier tells rustls.
    fn from(error: ChainError) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
    }
}

impl ChainError {
    /// The text.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SelfSigned => "self-signed certificate",
            Self::SelfSignedInChain => "self-signed certificate in certificate chain",
            Self::IssuerUnknown => "unable to get local issuer certificate",
            Self::IssuerMissing => "unable to get issuer certificate",
            Self::LeafUnverified => "unable to verify the first certificate",
            Self::TooLong => "certificate chain too long",
            Self::Expired => "certificate has expired",
            Self::NotYetValid => "certificate is not yet valid",
            Self::Signature => "certificate signature failure",
            Self::Algorithm => "signature algorithm too weak or not supported",
            Self::LeafKeyTooWeak => "EE certificate key too weak",
            Self::AuthorityKeyTooWeak => "CA certificate key too weak",
            Self::InvalidAuthority => "invalid CA certificate",
            Self::PathLength => "path length constraint exceeded",
            Self::Purpose => "unsuitable certificate purpose",
            Self::CriticalExtension => "unhandled critical extension",
            Self::NameConstraints => "permitted subtree violation",
            Self::Malformed => "invalid or inconsistent certificate extension",
            Self::ListMissing => "unable to get certificate CRL",
            Self::ListExpired => "CRL has expired",
            Self::ListInvalid => "CRL signature failure",
            Self::Revoked => "certificate revoked",
            Self::HostMismatch => "hostname mismatch",
        }
    }

    /// Whether nothing is wrong but that no authority of ours stands behind it: what nginx lets
    /// pass with `optional_no_ca`.
    pub const fn is_of_trust_alone(self) -> bool {
        matches!(
            self,
            Self::SelfSigned | Self::SelfSignedInChain | Self::IssuerUnknown | Self::LeafUnverified
        )
    }
}
