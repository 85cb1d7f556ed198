//! Lists of revoked certificates: one list of the issuer, in date and signed by it, must say that a
//! certificate is not revoked.
//!
//! Source: RFC 5280 section 5. Lists for a part of the certificates are not understood and count as
//! none.

use rustls::pki_types::CertificateRevocationListDer;
use x509_parser::parse_x509_crl;

use super::chain_error::ChainError;
use super::x509::{Algorithms, CRL_SIGN, Node, signed};

/// One list.
#[derive(Debug)]
pub(super) struct RevocationList {
    der: CertificateRevocationListDer<'static>,
    issuer: Vec<u8>,
    this_update: i64,
    next_update: Option<i64>,
    /// Serial numbers, in order.
    revoked: Vec<Vec<u8>>,
    has_critical: bool,
}

impl RevocationList {
    /// Reads a list. `None`: it is none.
    pub(super) fn read(der: CertificateRevocationListDer<'static>) -> Option<Self> {
        let (_, list) = parse_x509_crl(&der).ok()?;
        let entries = list.iter_revoked_certificates();
        let mut revoked: Vec<_> = entries.map(|entry| entry.raw_serial().to_vec()).collect();
        revoked.sort_unstable();
        let of_entries =
            list.iter_revoked_certificates().flat_map(|entry| entry.extensions().iter());
        let has_critical = list.extensions().iter().chain(of_entries).any(|found| found.critical);
        let (issuer, this_update) = (list.issuer().as_raw().to_vec(), list.last_update());
        let next_update = list.next_update().map(|time| time.timestamp());
        let this_update = this_update.timestamp();
        Some(Self { issuer, this_update, next_update, revoked, has_critical, der })
    }

    fn check(
        &self,
        leaf: &Node,
        issuer: &Node,
        now: i64,
        algorithms: Algorithms,
    ) -> Result<(), ChainError> {
        let signature = signed(&self.der).ok_or(ChainError::ListInvalid)?;
        if self.has_critical || !issuer.may(CRL_SIGN) {
            return Err(ChainError::ListInvalid);
        }
        let key = issuer.public_key()?;
        key.verify(&signature, algorithms).or(Err(ChainError::ListInvalid))?;
        let is_over = self.next_update.is_some_and(|next| next < now);
        if is_over || self.this_update > now {
            return Err(ChainError::ListExpired);
        }
        match self.revoked.binary_search_by(|serial| serial.as_slice().cmp(leaf.serial())) {
            Ok(_) => Err(ChainError::Revoked),
            Err(_) => Ok(()),
        }
    }
}

/// Whether the lists say that `issuer` did not revoke `leaf`. Where several are the issuer's, one
/// that revokes counts; else one that can be used is enough. `now`: seconds since 1970.
///
/// # Errors
/// See there.
pub(super) fn check(
    lists: &[RevocationList],
    leaf: &Node,
    issuer: &Node,
    now: i64,
    algorithms: Algorithms,
) -> Result<(), ChainError> {
    let mut result = Err(ChainError::ListMissing);
    for list in lists.iter().filter(|list| list.issuer == issuer.subject()) {
        match list.check(leaf, issuer, now, algorithms) {
            Err(ChainError::Revoked) => return Err(ChainError::Revoked),
            Err(error) if result.is_err() => result = Err(error),
            Err(_) => {}
            Ok(()) => result = Ok(()),
        }
    }
    result
}
