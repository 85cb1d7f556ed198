//! What fields of a request say of its client, where they are those of a proxy that is believed.

use std::net::SocketAddr;

use crate::filter::{Believed, FORWARDED_FOR, ForwardedList, ForwardedPolicy, Scheme, first_host};
use crate::http1::encode;
use crate::http1::fields::FieldKind;
use crate::http1::head::RequestHead;
use crate::http1::target::read_authority;
use crate::proxy::exchange::downstream::{ClientText, ListenerFacts};

/// What is believed of one request.
pub struct Claimed<'a> {
    policy: &'a ForwardedPolicy,
    /// Whose it is; the port is 0 where nobody says it.
    pub client: SocketAddr,
    /// Its address as text.
    pub text: ClientText,
    /// Scheme by which the client came, as it was said.
    pub scheme: Option<&'a [u8]>,
    /// Host that it asked for, with its port.
    pub authority: Option<&'a [u8]>,
    /// Port that it came to, as it was said.
    pub port: Option<&'a [u8]>,
}

impl<'a> Claimed<'a> {
    /// `None`: nothing that the peer says is believed. `host` becomes the name in
    /// [`Self::authority`], lower case and without port.
    pub fn of(
        policy: &'a ForwardedPolicy,
        peer: SocketAddr,
        head: &RequestHead,
        bytes: &'a [u8],
        host: &mut Vec<u8>,
    ) -> Option<Self> {
        if !policy.believes(peer.ip()) {
            return None;
        }
        let client = policy.client(peer, listed(policy, head, bytes));
        let said = |kind: FieldKind| {
            let is_believed = policy.believed == Believed::Everything;
            let field = head.fields.iter().find(|field| is_believed && field.kind == kind)?;
            Some(field.value.of(bytes)).filter(|value| !value.is_empty())
        };
        let authority = said(FieldKind::XForwardedHost).map(first_host);
        Some(Self {
            policy,
            client,
            text: ClientText::new(client.ip()),
            scheme: said(FieldKind::XForwardedProto),
            authority: authority.filter(|name| read_authority(name, host).is_ok()),
            port: said(FieldKind::XForwardedPort),
        })
    }

    /// Whether the client came by TLS, or by what is none of ours and not to be redirected.
    pub fn came_by(&self) -> Option<Scheme> {
        let is_clear = self.scheme? == b"http";
        Some(if is_clear { Scheme::Http } else { Scheme::Https })
    }

    /// Scheme and port for the redirect of a client that came by HTTP.
    pub fn origin(&self, listener: &ListenerFacts) -> (Scheme, u16) {
        let scheme = match self.scheme {
            Some(b"http") => Scheme::Http,
            Some(b"https") => Scheme::Https,
            _ => listener.told_scheme,
        };
        let port = self.port.and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
        (scheme, port.unwrap_or(listener.told_port))
    }

    /// Appends the value of X-Forwarded-For. `peer`: the one that is believed.
    pub fn put_forwarded_for(
        &self,
        head: &RequestHead,
        bytes: &[u8],
        peer: &[u8],
        out: &mut Vec<u8>,
    ) {
        if self.policy.list == ForwardedList::Client {
            return out.extend_from_slice(self.text.as_bytes());
        }
        for value in head.values(bytes, FieldKind::XForwardedFor).filter(|value| !value.is_empty())
        {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(peer);
    }

    /// Appends the lines that say how the client came.
    pub fn put_fields(&self, listener: &ListenerFacts, out: &mut Vec<u8>) {
        match self.port {
            Some(port) => encode::put_field(out, b"X-Forwarded-Port", port),
            None => listener.put_port_field(out),
        }
        let scheme = self.scheme.unwrap_or_else(|| listener.told_scheme.as_str().as_bytes());
        for name in ListenerFacts::SCHEME_FIELDS {
            encode::put_field(out, name.as_bytes(), scheme);
        }
    }

    /// Appends X-Original-Forwarded-For, where another field than X-Forwarded-For lists addresses.
    pub fn put_original(&self, head: &RequestHead, bytes: &[u8], out: &mut Vec<u8>) {
        if self.lists_elsewhere() {
            for value in listed(self.policy, head, bytes) {
                encode::put_field(out, b"X-Original-Forwarded-For", value);
            }
        }
    }

    /// Whether it is another field than X-Forwarded-For that lists addresses.
    pub fn lists_elsewhere(&self) -> bool {
        &*self.policy.field != FORWARDED_FOR
    }
}

/// The values of the field that lists addresses.
fn listed<'a>(
    policy: &ForwardedPolicy,
    head: &RequestHead,
    bytes: &'a [u8],
) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let name = policy.field.as_bytes();
    let fields = head.fields.iter();
    let fields = fields.filter(move |field| field.name.of(bytes).eq_ignore_ascii_case(name));
    fields.map(|field| field.value.of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::AddressRanges;
    use crate::http1::head::{HeadScan, parse_request};
    use crate::model::{EntryPoint, ListenerId};

    /// What is said of a request with `lines` from 10.0.0.1, to `read`.
    fn claimed<T>(
        policy: &ForwardedPolicy,
        lines: &[&str],
        read: impl FnOnce(Option<&Claimed<'_>>, &RequestHead, &[u8], &[u8]) -> T,
    ) -> T {
        let lines = lines.join("\r\n");
        let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n");
        let bytes = request.as_bytes();
        let mut head = RequestHead::default();
        let end = HeadScan::default().find_end(bytes).unwrap();
        parse_request(bytes, end, &mut head).unwrap();
        let (peer, mut host) = (([10, 0, 0, 1], 9).into(), Vec::new());
        let claimed = Claimed::of(policy, peer, &head, bytes, &mut host);
        read(claimed.as_ref(), &head, bytes, &host)
    }

    fn policy(believed: Believed) -> ForwardedPolicy {
        ForwardedPolicy { believed, ..ForwardedPolicy::default() }
    }

    /// What backends are told, in one line, and the host of redirects.
    fn told(policy: &ForwardedPolicy, lines: &[&str]) -> String {
        let at = EntryPoint::clear_text(8080);
        claimed(policy, lines, |claimed, head, bytes, host| {
            let Some(claimed) = claimed else { return "nothing".to_owned() };
            let mut out = Vec::new();
            out.extend_from_slice(claimed.authority.unwrap_or(b"-"));
            out.push(b'|');
            out.extend_from_slice(claimed.authority.map_or(b"", |_| host));
            out.extend_from_slice(b"|");
            claimed.put_forwarded_for(head, bytes, b"10.0.0.1", &mut out);
            out.push(b'\n');
            claimed.put_fields(&ListenerFacts::new(ListenerId::HTTP, at), &mut out);
            claimed.put_original(head, bytes, &mut out);
            let text = String::from_utf8(out).unwrap();
            let values = text.lines().map(|line| line.split_once(": ").map_or(line, |(_, v)| v));
            values.collect::<Vec<_>>().join("|")
        })
    }

    #[test]
    fn backends_are_told_what_is_believed() {
        let (address, everything) = (policy(Believed::Address), policy(Believed::Everything));
        let whole = ForwardedPolicy { list: ForwardedList::Whole, ..everything.clone() };
        let elsewhere = ForwardedPolicy { field: "cf-connecting-ip".into(), ..everything.clone() };
        let trusted = AddressRanges::parse("192.0.2.0/24").unwrap();
        let others = ForwardedPolicy { trusted, ..everything.clone() };
        let lines: &[&str] = &[
            "X-Forwarded-For: 203.0.113.7",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: B.example:81, c.example",
            "X-Forwarded-Port: 444",
            "CF-Connecting-IP: 203.0.113.8",
        ];
        let rows: [(&ForwardedPolicy, &[&str], &str); 11] = [
            (&policy(Believed::Nothing), lines, "nothing"),
            (&others, lines, "nothing"),
            (&address, lines, "-||203.0.113.7|8080|http|http|http"),
            (&everything, lines, "B.example:81|b.example|203.0.113.7|444|https|https|https"),
            (&everything, &["X: y"], "-||10.0.0.1|8080|http|http|http"),
            (&everything, &["X-Forwarded-Proto: own"], "-||10.0.0.1|8080|own|own|own"),
            (
                &everything,
                &["X-Forwarded-Proto:", "X-Forwarded-Port: "],
                "-||10.0.0.1|8080|http|http|http",
            ),
            (&everything, &["X-Forwarded-Host: a b/c"], "-||10.0.0.1|8080|http|http|http"),
            (
                &whole,
                &["X-Forwarded-For: x, 203.0.113.7", "X-Forwarded-For: 203.0.113.9"],
                "-||x, 203.0.113.7, 203.0.113.9, 10.0.0.1|8080|http|http|http",
            ),
            (&whole, &["X: y"], "-||10.0.0.1|8080|http|http|http"),
            (
                &elsewhere,
                lines,
                "B.example:81|b.example|203.0.113.8|444|https|https|https|203.0.113.8",
            ),
        ];
        for (policy, lines, expected) in rows {
            assert_eq!(told(policy, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn redirects_follow_what_is_said() {
        let listener = ListenerFacts::new(ListenerId::HTTP, EntryPoint::clear_text(8080));
        let (http, https) = (Scheme::Http, Scheme::Https);
        type Row<'a> = (&'a [&'a str], Option<Scheme>, (Scheme, u16));
        let rows: [Row<'_>; 6] = [
            (&["X: y"], None, (http, 8080)),
            (&["X-Forwarded-Proto: http"], Some(http), (http, 8080)),
            (&["X-Forwarded-Proto: https"], Some(https), (https, 8080)),
            (&["X-Forwarded-Proto: https", "X-Forwarded-Port: 443"], Some(https), (https, 443)),
            // Whatever it is, it is not to be sent to https.
            (&["X-Forwarded-Proto: HTTP"], Some(https), (http, 8080)),
            (&["X-Forwarded-Port: many"], None, (http, 8080)),
        ];
        for (lines, came_by, origin) in rows {
            let said = claimed(&policy(Believed::Everything), lines, |claimed, _, _, _| {
                let claimed = claimed.unwrap();
                (claimed.came_by(), claimed.origin(&listener))
            });
            assert_eq!(said, (came_by, origin), "{lines:?}");
        }
    }
}
