//! Names that an authority may vouch for: nameConstraints.
//!
//! Source: RFC 5280 section 4.2.1.10. DNS names and addresses are understood; a constraint on a
//! name of another kind that the certificate has, or one that cannot be read, refuses it.

use x509_parser::extensions::{GeneralName, NameConstraints};
use x509_parser::parse_x509_certificate;

use super::chain_error::ChainError;
use super::x509::Node;

/// Whether every authority of the path (leaf first) may vouch for the names below it.
///
/// # Errors
/// [`ChainError::NameConstraints`].
pub(super) fn check(path: &[&Node]) -> Result<(), ChainError> {
    for (depth, authority) in path.iter().enumerate().skip(1) {
        if !authority.has_name_constraints {
            continue;
        }
        let below = path.iter().take(depth).enumerate();
        // RFC 5280 section 6.1.3: self-issued certificates are exempt, but not the last one.
        let below = below.filter(|(at, node)| *at == 0 || !node.is_self_issued());
        for (_, node) in below {
            check_one(authority, node).ok_or(ChainError::NameConstraints)?;
        }
    }
    Ok(())
}

fn check_one(authority: &Node, node: &Node) -> Option<()> {
    let (_, authority) = parse_x509_certificate(authority.der()).ok()?;
    let constraints = authority.name_constraints().ok()??.value;
    let (_, certificate) = parse_x509_certificate(node.der()).ok()?;
    let extension = certificate.subject_alternative_name().ok()?;
    let names: Vec<&GeneralName<'_>> =
        extension.iter().flat_map(|extension| &extension.value.general_names).collect();
    for name in &names {
        is_allowed(constraints, name).then_some(())?;
    }
    // Without alternative names the common name is taken for one.
    if !names.iter().any(|name| matches!(name, GeneralName::DNSName(_))) {
        for name in certificate.subject().iter_common_name() {
            let name = name.as_str().ok()?;
            let looks_like_host = name.contains('.') && !name.contains(' ');
            (!looks_like_host || is_allowed(constraints, &GeneralName::DNSName(name)))
                .then_some(())?;
        }
    }
    let of_subjects = |list: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
        let mut trees = list.iter().flatten();
        trees.any(|tree| {
            matches!(tree.base, GeneralName::DirectoryName(_) | GeneralName::RFC822Name(_))
        })
    };
    // The subject is a name of these kinds.
    let is_open =
        of_subjects(&constraints.permitted_subtrees) || of_subjects(&constraints.excluded_subtrees);
    (!is_open || certificate.subject().iter().next().is_none()).then_some(())
}

fn is_allowed(constraints: &NameConstraints<'_>, name: &GeneralName<'_>) -> bool {
    let same_kind =
        |base: &GeneralName<'_>| std::mem::discriminant(base) == std::mem::discriminant(name);
    let mut excluded = constraints.excluded_subtrees.iter().flatten();
    if excluded.any(|tree| same_kind(&tree.base) && covers(&tree.base, name).unwrap_or(true)) {
        return false;
    }
    let permitted = constraints.permitted_subtrees.iter().flatten();
    let mut permitted = permitted.filter(|tree| same_kind(&tree.base)).peekable();
    permitted.peek().is_none() || permitted.any(|tree| covers(&tree.base, name).unwrap_or(false))
}

/// Whether `name` lies below `base`. `None`: it is not known.
fn covers(base: &GeneralName<'_>, name: &GeneralName<'_>) -> Option<bool> {
    match (base, name) {
        (GeneralName::DNSName(base), GeneralName::DNSName(name)) => {
            let (base, name) = (base.to_ascii_lowercase(), name.to_ascii_lowercase());
            let is_below = name.strip_suffix(base.as_str()).is_some_and(|front| {
                front.is_empty() || front.ends_with('.') || base.starts_with('.')
            });
            Some(base.is_empty() || is_below)
        }
        (GeneralName::IPAddress(base), GeneralName::IPAddress(name)) => {
            let (network, mask) = base.split_at_checked(name.len())?;
            if network.len() != mask.len() {
                return Some(false);
            }
            let bits = network.iter().zip(mask).zip(*name);
            Some(bits.into_iter().all(|((network, mask), octet)| network & mask == octet & mask))
        }
        _ => None,
    }
}
