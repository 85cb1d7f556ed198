//! Redirects of ingress-nginx: to one place whatever is asked for, to https, and to another name.

use std::sync::Arc;

use super::redirect::{RedirectParts, is_repeated};
use super::rewrite::{encode, is_host};

/// Where all requests are sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Goto {
    /// The place.
    pub to: Destination,
    /// 300 to 308.
    pub status: u16,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// This reference as it is.
    Fixed(Arc<str>),
    /// This path of the host that was asked for; with the port of the listener, if that is wanted
    /// and does not go without saying.
    Path(Arc<str>, RedirectPort),
    /// What was asked for, on another host: with the port in any case, and less one slash at the
    /// end.
    Host(Arc<str>),
}

/// How a request is sent to https.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HttpsForm {
    /// A slash at the end of what was asked for, query included.
    pub last_slash: LastSlash,
    /// Of https.
    pub port: RedirectPort,
}

/// Whether a redirect repeats a slash at the very end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LastSlash {
    /// It does not.
    #[default]
    Dropped,
    /// It does.
    Kept,
}

/// Whether a redirect names the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RedirectPort {
    /// No.
    #[default]
    Omitted,
    /// Yes.
    Written,
}

impl Goto {
    /// Appends the value of Location. `https_port`: that of https seen from outside.
    pub fn location(&self, parts: &RedirectParts<'_>, https_port: u16, out: &mut Vec<u8>) {
        let is_https = parts.scheme == "https";
        let (port, well_known) =
            if is_https { (https_port, 443) } else { (parts.listener_port, 80) };
        match &self.to {
            Destination::Fixed(reference) => out.extend_from_slice(reference.as_bytes()),
            Destination::Path(path, written) => {
                let is_written = *written == RedirectPort::Written && port != well_known;
                put_origin(out, parts.scheme, parts.host, is_written.then_some(port));
                out.extend_from_slice(path.as_bytes());
            }
            Destination::Host(host) => {
                put_origin(out, parts.told_scheme, host.as_bytes(), Some(parts.told_port));
                put_asked(out, parts, LastSlash::Dropped);
            }
        }
    }
}

impl HttpsForm {
    /// Appends the value of Location. `https_port`: that of https seen from outside.
    pub fn location(self, parts: &RedirectParts<'_>, https_port: u16, out: &mut Vec<u8>) {
        let is_written = self.port == RedirectPort::Written;
        put_origin(out, "https", parts.told_host, is_written.then_some(https_port));
        put_asked(out, parts, self.last_slash);
    }
}

fn put_origin(out: &mut Vec<u8>, scheme: &str, host: &[u8], port: Option<u16>) {
    out.extend_from_slice(scheme.as_bytes());
    out.extend_from_slice(b"://");
    encode(host, is_host, out);
    if let Some(port) = port {
        out.push(b':');
        out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
    }
}

/// The target as it was sent.
fn put_asked(out: &mut Vec<u8>, parts: &RedirectParts<'_>, last: LastSlash) {
    // `OPTIONS *` asks about the server as a whole: its URI has no path, RFC 9112 3.2.4.
    if parts.sent_path != b"*" {
        encode(parts.sent_path, is_repeated, out);
    }
    if let Some(query) = parts.query {
        out.push(b'?');
        encode(query, is_repeated, out);
    }
    if last == LastSlash::Dropped && out.last() == Some(&b'/') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: RedirectParts<'_> = RedirectParts {
        scheme: "http",
        told_scheme: "http",
        host: b"a.example",
        told_host: b"a.example",
        authority: b"a.example",
        listener_port: 8080,
        told_port: 8080,
        path: b"/x/",
        sent_path: b"/x/",
        query: None,
        matched_bytes: 0,
    };

    fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn places_are_named_from_what_was_asked() {
        let tls =
            RedirectParts { scheme: "https", told_scheme: "https", told_port: 443, ..REQUEST };
        let at_80 = RedirectParts { listener_port: 80, told_port: 80, ..REQUEST };
        let told =
            RedirectParts { told_scheme: "https", told_host: b"c", told_port: 444, ..REQUEST };
        let path = |port| Destination::Path("/y".into(), port);
        for (to, parts, expected) in [
            (Destination::Fixed("/y".into()), &REQUEST, "/y"),
            (Destination::Fixed("https://b.example/y?z".into()), &tls, "https://b.example/y?z"),
            (path(RedirectPort::Omitted), &REQUEST, "http://a.example/y"),
            (path(RedirectPort::Written), &REQUEST, "http://a.example:8080/y"),
            (path(RedirectPort::Written), &at_80, "http://a.example/y"),
            (path(RedirectPort::Written), &tls, "https://a.example/y"),
            (Destination::Host("b.example".into()), &REQUEST, "http://b.example:8080/x"),
            (Destination::Host("b.example".into()), &at_80, "http://b.example:80/x"),
            (Destination::Host("b.example".into()), &tls, "https://b.example:443/x"),
            (Destination::Host("b.example".into()), &told, "https://b.example:444/x"),
            // By `$scheme` and `$http_host` there.
            (path(RedirectPort::Omitted), &told, "http://a.example/y"),
        ] {
            let goto = Goto { to, status: 301 };
            assert_eq!(text(|out| goto.location(parts, 443, out)), expected);
        }
    }

    #[test]
    fn one_slash_at_the_end_goes() {
        let kept = HttpsForm { last_slash: LastSlash::Kept, ..HttpsForm::default() };
        let port = HttpsForm { port: RedirectPort::Written, ..HttpsForm::default() };
        for (sent_path, query, form, expected) in [
            ("/", None, HttpsForm::default(), "https://a.example"),
            ("/x/", None, HttpsForm::default(), "https://a.example/x"),
            ("/x//", None, HttpsForm::default(), "https://a.example/x/"),
            ("/x/", Some("a=/"), HttpsForm::default(), "https://a.example/x/?a="),
            ("/", None, kept, "https://a.example/"),
            ("/x/", Some("a=/"), kept, "https://a.example/x/?a=/"),
            ("/x", None, port, "https://a.example:443/x"),
            ("*", None, HttpsForm::default(), "https://a.example"),
            ("/\r\n#", Some("\\"), HttpsForm::default(), "https://a.example/%0D%0A%23?%5C"),
        ] {
            let (sent_path, query) = (sent_path.as_bytes(), query.map(str::as_bytes));
            let parts = RedirectParts { sent_path, query, ..REQUEST };
            assert_eq!(text(|out| form.location(&parts, 443, out)), expected);
        }
        let told = RedirectParts { told_host: b"c.example", ..REQUEST };
        let location = text(|out| HttpsForm::default().location(&told, 443, out));
        assert_eq!(location, "https://c.example/x");
    }
}
