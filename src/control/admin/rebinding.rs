//! Names that this listener is called by where it asks nobody for a token: a site of the public
//! network that has its own name resolve to our address ("DNS rebinding") shall not read, through
//! a browser that may connect to us, what we serve.

use std::net::{IpAddr, Ipv6Addr};

use hyper::Request;
use hyper::header::HOST;

/// Ends of names that no public name has: RFC 6761, 6762 and ICANN's reservation of `internal`;
/// `cluster.local` and `svc` are those of Services.
const PRIVATE_ENDS: [&str; 4] = ["localhost", "local", "svc", "internal"];

/// Whether a request cannot come from a page of somebody else: what it calls us is an address, a
/// name without a dot or one that ends privately. Browsers always send a name, so whoever sends
/// none is no browser.
pub(super) fn is_called_privately<B>(request: &Request<B>) -> bool {
    let fields = request.headers().get_all(HOST).iter();
    let mut names = fields.map(|line| line.to_str().unwrap_or("."));
    let target = request.uri().authority().map(|authority| authority.as_str());
    names.all(is_private) && target.is_none_or(is_private)
}

/// `authority`: a name or an address, and perhaps a port.
fn is_private(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    }
    let name = authority.split(':').next().unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.rsplit_once('.') {
        None => true,
        Some((_, end)) => {
            PRIVATE_ENDS.iter().any(|private| end.eq_ignore_ascii_case(private))
                || name.parse::<IpAddr>().is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_public_site_can_have_are_told_from_others() {
        for (target, hosts, expected) in [
            ("/", &["127.0.0.1:9901"][..], true),
            ("/", &["10.0.0.1"], true),
            ("/", &["[::1]:9901"], true),
            ("/", &["localhost:9901"], true),
            ("/", &["LocalHost."], true),
            ("/", &["ringway"], true),
            ("/", &["ringway.localhost"], true),
            ("/", &["admin.ringway.svc:80"], true),
            ("/", &["admin.ringway.svc.cluster.local"], true),
            ("/", &["ip-10-0-0-1.eu-1.compute.INTERNAL."], true),
            ("/", &[], true),
            ("/", &[""], true),
            ("/", &["evil.example"], false),
            ("/", &["evil.example:9901"], false),
            ("/", &["evil.example."], false),
            ("/", &["127.0.0.1.evil.example"], false),
            ("/", &["svc.evil.example"], false),
            ("/", &["evillocal.example"], false),
            ("/", &["evil.notlocal"], false),
            ("/", &["10.0.0"], false),
            ("/", &["[evil.example]"], false),
            ("/", &["localhost", "evil.example"], false),
            ("http://evil.example/", &["localhost"], false),
            ("http://localhost:9901/", &["localhost:9901"], true),
        ] {
            let request = Request::builder().uri(target);
            let request = hosts.iter().fold(request, |request, host| request.header(HOST, *host));
            let request = request.body(()).unwrap();
            assert_eq!(is_called_privately(&request), expected, "{target} {hosts:?}");
        }
    }
}
