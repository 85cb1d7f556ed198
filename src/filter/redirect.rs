//! Redirects: the Location that answers a request.

use std::sync::Arc;

use super::rewrite::{PathEdit, encode, is_host};

/// A redirect. `None` keeps what the request had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Arc<str>>,
    /// Host name without port.
    pub hostname: Option<Arc<str>>,
    /// Port.
    pub port: NamedPort,
    /// Path.
    pub path: Option<PathEdit>,
    /// Whether the query of the request is repeated.
    pub query: RedirectQuery,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Which port a redirect names. The well-known one of the scheme goes without saying, unless the
/// client said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NamedPort {
    /// That of the scheme if it is another one, else that of the listener.
    Listener,
    /// This.
    Number(u16),
    /// What the client says in Host, as it says it, its case included.
    Sent,
    /// None.
    #[default]
    Unsaid,
    /// Neither port nor scheme and host: the reference is relative.
    Relative,
}

/// What becomes of the query of a request that is redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectQuery {
    /// It stays.
    Kept,
    /// It goes.
    Dropped,
}

/// What a redirect needs to know of the request.
#[derive(Debug, Clone, Copy)]
pub struct RedirectParts<'a> {
    /// `http` or `https`, as the client came.
    pub scheme: &'a str,
    /// The same, as a proxy says it that is believed.
    pub told_scheme: &'a str,
    /// Host as sent, without port; an IPv6 address in brackets.
    pub host: &'a [u8],
    /// The same, as a proxy says it that is believed.
    pub told_host: &'a [u8],
    /// Host as sent, with its port.
    pub authority: &'a [u8],
    /// Port of the listener; not what the client says in Host.
    pub listener_port: u16,
    /// The port that the client came to, as far as that is known; 443 of https, whatever is bound.
    pub told_port: u16,
    /// As it was matched, percent-decoded, without query; for edits of the path.
    pub path: &'a [u8],
    /// As sent, without query; begins with `/` or is `*`. What is not edited is repeated so.
    pub sent_path: &'a [u8],
    /// As sent, without `?`.
    pub query: Option<&'a [u8]>,
    /// Bytes of `path` that the rule's prefix covers, as the table's lookup says.
    pub matched_bytes: usize,
}

impl Redirect {
    /// Appends the value of Location to `out`: an absolute URI, unless it is to be relative.
    ///
    /// Shape: what of a rule is appended holds only characters of an RFC 3986 URI, the rest is
    /// percent-encoded. What of the request is repeated is repeated as it was sent, as nginx does;
    /// only what would end the line or the path, or what browsers read differently, is
    /// percent-encoded.
    ///
    /// Source: Gateway API `HTTPRequestRedirectFilter`: an explicit port, else the well-known one
    /// of an explicit scheme, else the listener's; the well-known port of the resulting scheme is
    /// left out. The query is kept.
    pub fn location(&self, parts: &RedirectParts<'_>, out: &mut Vec<u8>) {
        if self.port != NamedPort::Relative {
            self.put_origin(parts, out);
        }
        match &self.path {
            Some(edit) => edit.apply(parts.path, parts.matched_bytes, out),
            // `OPTIONS *` asks about the server as a whole: its URI has no path, RFC 9112 3.2.4.
            None if parts.sent_path == b"*" => {}
            None => encode(parts.sent_path, is_repeated, out),
        }
        if let Some(query) = parts.query.filter(|_| self.query == RedirectQuery::Kept) {
            out.push(b'?');
            encode(query, is_repeated, out);
        }
    }

    fn put_origin(&self, parts: &RedirectParts<'_>, out: &mut Vec<u8>) {
        let scheme = self.scheme.as_deref().unwrap_or(parts.scheme);
        encode(scheme.as_bytes(), is_scheme, out);
        out.extend_from_slice(b"://");
        let sent = if self.port == NamedPort::Sent { parts.authority } else { parts.host };
        let host = self.hostname.as_ref().map_or(sent, |name| name.as_bytes());
        encode(host, is_host, out);
        if let Some(port) = self.written_port(scheme, parts.listener_port) {
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
    }

    /// The port, unless it goes without saying.
    fn written_port(&self, scheme: &str, listener_port: u16) -> Option<u16> {
        let well_known = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let port = match self.port {
            NamedPort::Sent | NamedPort::Unsaid | NamedPort::Relative => return None,
            NamedPort::Number(port) => port,
            NamedPort::Listener => self.scheme.as_ref().and(well_known).unwrap_or(listener_port),
        };
        (Some(port) != well_known).then_some(port)
    }
}

/// Visible ASCII, without `#`, which would begin a fragment, and `\`, which browsers turn into `/`.
pub(super) fn is_repeated(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')
}

/// RFC 3986 section 3.1.
fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Redirect = Redirect {
        scheme: None,
        hostname: None,
        port: NamedPort::Listener,
        path: None,
        query: RedirectQuery::Kept,
        status: 302,
    };

    const REQUEST: RedirectParts<'_> = RedirectParts {
        scheme: "http",
        told_scheme: "http",
        host: b"shop.example",
        told_host: b"shop.example",
        authority: b"Shop.example:81",
        listener_port: 80,
        told_port: 80,
        path: b"/foo/bar",
        sent_path: b"/foo/bar",
        query: None,
        matched_bytes: 4,
    };

    #[track_caller]
    fn check(redirect: &Redirect, parts: &RedirectParts<'_>, wanted: &str) {
        let mut out = Vec::new();
        redirect.location(parts, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }

    #[test]
    fn what_is_not_set_is_kept() {
        check(&KEEP, &REQUEST, "http://shop.example/foo/bar");
    }

    #[test]
    fn a_relative_reference_names_no_origin() {
        let redirect = Redirect { port: NamedPort::Relative, ..KEEP };
        check(&redirect, &RedirectParts { query: Some(b"a"), ..REQUEST }, "/foo/bar?a");
    }

    #[test]
    fn a_hostname_replaces_the_host() {
        let redirect = Redirect { hostname: Some("new.example".into()), ..KEEP };
        check(&redirect, &REQUEST, "http://new.example/foo/bar");
    }

    #[test]
    fn a_scheme_brings_its_own_port() {
        let redirect = Redirect { scheme: Some("https".into()), ..KEEP };
        check(&redirect, &REQUEST, "https://shop.example/foo/bar");
        let at_8080 = RedirectParts { listener_port: 8080, ..REQUEST };
        check(&redirect, &at_8080, "https://shop.example/foo/bar");
        let redirect = Redirect { scheme: Some("http".into()), ..KEEP };
        check(&redirect, &at_8080, "http://shop.example/foo/bar");
    }

    #[test]
    fn without_scheme_and_port_the_listener_says_the_port() {
        let at_8080 = RedirectParts { listener_port: 8080, ..REQUEST };
        check(&KEEP, &at_8080, "http://shop.example:8080/foo/bar");
        let at_443 = RedirectParts { scheme: "https", listener_port: 443, ..REQUEST };
        check(&KEEP, &at_443, "https://shop.example/foo/bar");
        let at_80 = RedirectParts { scheme: "https", ..REQUEST };
        check(&KEEP, &at_80, "https://shop.example:80/foo/bar");
    }

    #[test]
    fn an_explicit_port_is_written_unless_well_known() {
        for (scheme, port, wanted) in [
            (None, 8443, "http://shop.example:8443/foo/bar"),
            (None, 80, "http://shop.example/foo/bar"),
            (None, 443, "http://shop.example:443/foo/bar"),
            (Some("https"), 443, "https://shop.example/foo/bar"),
            (Some("https"), 80, "https://shop.example:80/foo/bar"),
            (Some("https"), 8443, "https://shop.example:8443/foo/bar"),
        ] {
            let scheme = scheme.map(Arc::from);
            check(&Redirect { scheme, port: NamedPort::Number(port), ..KEEP }, &REQUEST, wanted);
        }
    }

    #[test]
    fn a_port_may_be_what_the_client_says_or_none() {
        let at_8080 = RedirectParts { listener_port: 8080, query: Some(b"q"), ..REQUEST };
        let sent = Redirect { port: NamedPort::Sent, ..KEEP };
        check(&sent, &at_8080, "http://Shop.example:81/foo/bar?q");
        let unsaid = Redirect { port: NamedPort::Unsaid, query: RedirectQuery::Dropped, ..KEEP };
        check(&unsaid, &at_8080, "http://shop.example/foo/bar");
        let odd = RedirectParts { authority: b"a\r\nb", ..REQUEST };
        check(&sent, &odd, "http://a%0D%0Ab/foo/bar");
    }

    #[test]
    fn a_path_is_edited() {
        let full = Redirect { path: Some(PathEdit::Full("/xyz".into())), ..KEEP };
        check(&full, &REQUEST, "http://shop.example/xyz");
        let prefix = Redirect { path: Some(PathEdit::Prefix("/xyz/".into())), ..KEEP };
        check(&prefix, &REQUEST, "http://shop.example/xyz/bar");
    }

    #[test]
    fn the_query_is_kept() {
        let asked = RedirectParts { query: Some(b"a=1&b=%20?"), ..REQUEST };
        check(&KEEP, &asked, "http://shop.example/foo/bar?a=1&b=%20?");
        let full = Redirect { path: Some(PathEdit::Full("/xyz".into())), ..KEEP };
        check(&full, &asked, "http://shop.example/xyz?a=1&b=%20?");
        let empty = RedirectParts { query: Some(b""), ..REQUEST };
        check(&KEEP, &empty, "http://shop.example/foo/bar?");
    }

    #[test]
    fn what_was_sent_is_repeated_as_it_was() {
        let parts = RedirectParts {
            sent_path: b"/%25%32%46/./[a]|{b}\"\\\xc3\xbc",
            query: Some(b"c[]=|\xff"),
            ..REQUEST
        };
        check(&KEEP, &parts, "http://shop.example/%25%32%46/./[a]|{b}\"%5C%C3%BC?c[]=|%FF");
        let edit = Redirect { path: Some(PathEdit::Prefix("/x".into())), ..KEEP };
        check(&edit, &parts, "http://shop.example/x/bar?c[]=|%FF");
    }

    #[test]
    fn an_asterisk_has_no_path() {
        let parts = RedirectParts { path: b"*", sent_path: b"*", ..REQUEST };
        check(&KEEP, &parts, "http://shop.example");
    }

    #[test]
    fn nothing_ends_the_line() {
        let parts = RedirectParts {
            host: b"a\r\nb",
            sent_path: b"/x\r\nSet-Cookie: y",
            query: Some(b"q\r\n#"),
            ..REQUEST
        };
        check(&KEEP, &parts, "http://a%0D%0Ab/x%0D%0ASet-Cookie:%20y?q%0D%0A%23");
        let redirect = Redirect { hostname: Some("a/b".into()), ..KEEP };
        check(&redirect, &REQUEST, "http://a%2Fb/foo/bar");
    }

    #[test]
    fn an_ipv6_address_stays_in_brackets() {
        let parts = RedirectParts { host: b"[::1]", listener_port: 8080, ..REQUEST };
        check(&KEEP, &parts, "http://[::1]:8080/foo/bar");
    }
}
