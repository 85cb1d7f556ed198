//! Whether a chain of certificates leads to an authority, by the rules of OpenSSL: who moves here
//! from nginx has certificates that OpenSSL accepts, of version 1 and signed by themselves among
//! them, which webpki refuses. Pure but for the signatures.
//!
//! Source: RFC 5280 section 6; where it leaves a choice, `X509_verify_cert` of OpenSSL 3 with the
//! purposes `sslclient` and `sslserver` at security level 2. Stricter than that in one matter: name
//! constraints are for DNS names, addresses and nothing else.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::chain_error::ChainError;
use super::constraints;
use super::revocation::RevocationList;
use super::x509::{
    Algorithms, DIGITAL_SIGNATURE, KEY_AGREEMENT, KEY_CERT_SIGN, KEY_ENCIPHERMENT, Node,
};
use crate::limits::{
    TLS_CA_CERTIFICATES_MAX, TLS_CHAIN_CERTIFICATES_MAX, TLS_CHAIN_SIGNATURES_MAX,
};

/// What a certificate is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To prove a client.
    Client,
    /// To prove a server.
    Server,
}

/// Why a bundle of authorities cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BundleError {
    Pem,
    Empty,
    TooMany,
    Invalid,
}

/// Whom we trust.
#[derive(Debug, Default)]
pub(super) struct Authorities(Vec<Node>);

/// What a chain has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand<'a> {
    pub purpose: Purpose,
    /// Intermediate authorities at most.
    pub depth: usize,
    /// Seconds since 1970.
    pub now: i64,
    /// `Some`: a list must say that the first certificate is not revoked.
    pub lists: Option<&'a [RevocationList]>,
    pub algorithms: Algorithms,
}

impl Authorities {
    /// Reads a PEM bundle; sections that are no certificates do not matter.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, BundleError> {
        let mut nodes = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            if nodes.len() == TLS_CA_CERTIFICATES_MAX {
                return Err(BundleError::TooMany);
            }
            let certificate = certificate.or(Err(BundleError::Pem))?;
            nodes.push(Node::parse(&certificate).or(Err(BundleError::Invalid))?);
        }
        if nodes.is_empty() { Err(BundleError::Empty) } else { Ok(Self(nodes)) }
    }

    /// Those of `certificates` that can be read.
    pub(super) fn parsable<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(certificates.filter_map(|der| Node::parse(der).ok()).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.0.iter()
    }

    fn holds(&self, node: &Node) -> bool {
        self.0.iter().any(|own| own.der() == node.der())
    }

    /// Whether `chain`, the certificate in question first, is to be believed.
    ///
    /// # Errors
    /// What is wrong. A fault of trust alone comes last, so that with one of those there is no
    /// other.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        demand: &Demand<'_>,
    ) -> Result<(), ChainError> {
        if chain.len() > TLS_CHAIN_CERTIFICATES_MAX {
            return Err(ChainError::TooLong);
        }
        let given = chain.iter().map(|der| Node::parse(der)).collect::<Result<Vec<_>, _>>()?;
        let (leaf, rest) = given.split_first().ok_or(ChainError::Malformed)?;
        let (path, trust) = self.build(leaf, rest, demand)?;
        for (depth, node) in path.iter().enumerate() {
            check_node(node, depth, path.len(), demand)?;
        }
        check_path_lengths(&path)?;
        constraints::check(&path)?;
        if path.iter().any(|node| demand.now < node.not_before) {
            return Err(ChainError::NotYetValid);
        }
        if path.iter().any(|node| demand.now > node.not_after) {
            return Err(ChainError::Expired);
        }
        trust?;
        match (demand.lists, path.get(1).or_else(|| path.first())) {
            (Some(lists), Some(issuer)) => {
                super::revocation::check(lists, leaf, issuer, demand.now, demand.algorithms)
            }
            _ => Ok(()),
        }
    }

    /// The path from `leaf` towards a root: every signature in it is right. Also whether an
    /// authority of ours stands at its end.
    fn build<'a>(
        &'a self,
        leaf: &'a Node,
        given: &'a [Node],
        demand: &Demand<'_>,
    ) -> Result<(Vec<&'a Node>, Result<(), ChainError>), ChainError> {
        let mut signatures = 0;
        let mut path = vec![leaf];
        let mut top = leaf;
        // Whether what the path ends with is ours already.
        let mut is_trusted = false;
        loop {
            if top.is_self_signed() {
                let trust = match path.len() {
                    _ if is_trusted || self.holds(top) => Ok(()),
                    1 => Err(ChainError::SelfSigned),
                    _ => Err(ChainError::SelfSignedInChain),
                };
                return Ok((path, trust));
            }
            let mut issuer = |among: &mut dyn Iterator<Item = &'a Node>| {
                find_issuer(top, among, demand, &mut signatures)
            };
            let unused = |node: &&Node| !path.iter().any(|used| used.der() == node.der());
            let found = match issuer(&mut self.0.iter().filter(unused))? {
                Some(own) => Some((own, true)),
                None => issuer(&mut given.iter().filter(unused))?.map(|node| (node, false)),
            };
            let Some((next, is_ours)) = found else {
                let trust = match path.len() {
                    _ if is_trusted => ChainError::IssuerMissing,
                    1 => ChainError::LeafUnverified,
                    _ => ChainError::IssuerUnknown,
                };
                return Ok((path, Err(trust)));
            };
            // All but the first and the root.
            let between = path.len() - 1 + usize::from(!next.is_self_signed());
            if between > demand.depth {
                return Err(ChainError::TooLong);
            }
            path.push(next);
            (top, is_trusted) = (next, is_ours);
        }
    }
}

/// The first of `among` whose key signed `node`. More than one may bear the name: an authority that
/// was renewed.
fn find_issuer<'a>(
    node: &Node,
    among: &mut dyn Iterator<Item = &'a Node>,
    demand: &Demand<'_>,
    signatures: &mut usize,
) -> Result<Option<&'a Node>, ChainError> {
    let mut wrong = None;
    let mut out_of_time = None;
    for candidate in among.filter(|candidate| candidate.may_have_issued(node)) {
        *signatures += 1;
        if *signatures > TLS_CHAIN_SIGNATURES_MAX {
            return Err(ChainError::TooLong);
        }
        if candidate.is_weak() {
            wrong = wrong.or(Some(ChainError::AuthorityKeyTooWeak));
            continue;
        }
        match candidate.has_signed(node, demand.algorithms) {
            Ok(()) if (candidate.not_before..=candidate.not_after).contains(&demand.now) => {
                return Ok(Some(candidate));
            }
            Ok(()) => out_of_time = out_of_time.or(Some(candidate)),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    match (out_of_time, wrong) {
        (None, Some(error)) => Err(error),
        (found, _) => Ok(found),
    }
}

/// What a certificate must be at its place in a path of so many.
fn check_node(
    node: &Node,
    depth: usize,
    nodes: usize,
    demand: &Demand<'_>,
) -> Result<(), ChainError> {
    if node.has_unknown_critical {
        return Err(ChainError::CriticalExtension);
    }
    if depth > 0 && !is_authority(node, depth, nodes) {
        return Err(ChainError::InvalidAuthority);
    }
    let is_for = node.extended_usage.is_none_or(|usage| match demand.purpose {
        Purpose::Client => usage.client,
        Purpose::Server => usage.server,
    });
    let bits = match demand.purpose {
        Purpose::Client => DIGITAL_SIGNATURE | KEY_AGREEMENT,
        Purpose::Server => DIGITAL_SIGNATURE | KEY_AGREEMENT | KEY_ENCIPHERMENT,
    };
    if !is_for || depth == 0 && !node.may(bits) {
        return Err(ChainError::Purpose);
    }
    match depth {
        _ if !node.is_weak() => Ok(()),
        0 => Err(ChainError::LeafKeyTooWeak),
        _ => Err(ChainError::AuthorityKeyTooWeak),
    }
}

/// CA:TRUE makes an authority. What is older than basicConstraints can be a root, and nothing else:
/// of version 1, or with a key usage that says so.
fn is_authority(node: &Node, depth: usize, nodes: usize) -> bool {
    let is_last = depth + 1 == nodes;
    if !node.may(KEY_CERT_SIGN) {
        return false;
    }
    match node.constraints {
        Some((is_authority, _)) => is_authority,
        None => is_last && (node.is_version1 && node.is_self_signed() || node.usage.is_some()),
    }
}

/// RFC 5280 section 4.2.1.9: self-issued intermediate certificates do not count.
fn check_path_lengths(path: &[&Node]) -> Result<(), ChainError> {
    let mut below = 0;
    for node in path.iter().skip(1) {
        let most = node.constraints.and_then(|(_, most)| most);
        if most.is_some_and(|most| below > most) {
            return Err(ChainError::PathLength);
        }
        below += u32::from(!node.is_self_issued());
    }
    Ok(())
}
