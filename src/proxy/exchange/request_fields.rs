//! What becomes of the request fields that a proxy reads, writes or is impersonated by: one table,
//! which [`crate::proxy::exchange::forward`] goes by and a test holds it to row by row.
//!
//! A name that is not in it is passed on as it came, as ingress-nginx does. Source: the fields that
//! ingress-nginx sets by default; RFC 9110 section 7.6.1.

use crate::http1::fields::FieldKind;

/// Whose word on the matter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believed {
    /// Nobody's outside: the field is ours.
    Nobody,
    /// The client's, whoever it is.
    Client,
}

/// What becomes of the lines that came from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfClient {
    /// They end here; what is to be said is written anew.
    Removed,
    /// They are passed on under a name that marks them as a claim.
    Renamed(&'static str),
    /// They are passed on, unless `Connection` nominates them.
    Kept,
}

/// What is written in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nothing.
    Nothing,
    /// What was understood of the message: authority, framing, expectation, protocol.
    Message,
    /// The client's value, or 32 hexadecimal digits.
    RequestId,
    /// The client's address: that of the connection, or of a PROXY header from a trusted range.
    Client,
    /// The port of the listener.
    Port,
    /// `http` or `https`, by the listener.
    Scheme,
    /// The claim that came under another name.
    Claim,
    /// What the handshake proved, where the host checks client certificates.
    Certificate,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As it is written.
    pub name: &'static str,
    /// By which it is known on the way.
    pub kind: FieldKind,
    /// From whom its value is taken.
    pub believed: Believed,
    /// What came.
    pub client: OfClient,
    /// What goes.
    pub written: Written,
}

const fn row(
    name: &'static str,
    kind: FieldKind,
    believed: Believed,
    client: OfClient,
    written: Written,
) -> Row {
    Row { name, kind, believed, client, written }
}

use Believed::{Client as Anyone, Nobody};
use FieldKind as Kind;
use OfClient::{Kept, Removed, Renamed};
use Written::{Certificate, Claim, Client, Message, Nothing, Port, RequestId, Scheme};

const CLAIM_OF_FOR: OfClient = Renamed("X-Original-Forwarded-For");
const CLAIM_OF_HOST: OfClient = Renamed("X-Original-Forwarded-Host");

/// The table.
#[rustfmt::skip]
pub const REQUEST_FIELDS: [Row; 45] = [
    row("Host", Kind::Host, Anyone, Removed, Message),
    row("Content-Length", Kind::ContentLength, Anyone, Removed, Message),
    row("Transfer-Encoding", Kind::TransferEncoding, Anyone, Removed, Message),
    row("Expect", Kind::Expect, Anyone, Removed, Message),
    row("Connection", Kind::Connection, Nobody, Removed, Message),
    row("Upgrade", Kind::Upgrade, Anyone, Removed, Message),
    row("TE", Kind::Te, Anyone, Removed, Message),
    row("Trailer", Kind::Trailer, Nobody, Removed, Nothing),
    row("Keep-Alive", Kind::KeepAlive, Nobody, Removed, Nothing),
    row("Proxy-Connection", Kind::ProxyConnection, Nobody, Removed, Nothing),
    row("HTTP2-Settings", Kind::Http2Settings, Nobody, Removed, Nothing),
    // It becomes HTTP_PROXY in CGI programs.
    row("Proxy", Kind::Proxy, Nobody, Removed, Nothing),
    row("X-Request-ID", Kind::XRequestId, Anyone, Removed, RequestId),
    row("X-Real-IP", Kind::XRealIp, Nobody, Removed, Client),
    row("X-Forwarded-For", Kind::XForwardedFor, Nobody, CLAIM_OF_FOR, Client),
    row("X-Forwarded-Host", Kind::XForwardedHost, Nobody, CLAIM_OF_HOST, Message),
    row("X-Forwarded-Port", Kind::XForwardedPort, Nobody, Removed, Port),
    row("X-Forwarded-Proto", Kind::XForwardedProto, Nobody, Removed, Scheme),
    row("X-Forwarded-Scheme", Kind::XForwardedScheme, Nobody, Removed, Scheme),
    row("X-Scheme", Kind::XScheme, Nobody, Removed, Scheme),
    row("X-Original-Forwarded-For", Kind::XOriginalForwardedFor, Nobody, Removed, Claim),
    row("X-Original-Forwarded-Host", Kind::XOriginalForwardedHost, Nobody, Removed, Claim),
    row("ssl-client-verify", Kind::ClientIdentity, Nobody, Removed, Certificate),
    row("ssl-client-subject-dn", Kind::ClientIdentity, Nobody, Removed, Certificate),
    row("ssl-client-issuer-dn", Kind::ClientIdentity, Nobody, Removed, Certificate),
    row("ssl-client-cert", Kind::ClientIdentity, Nobody, Removed, Certificate),
    // Any such name: see the kind.
    row("X_Real_IP", Kind::Ambiguous, Nobody, Removed, Nothing),
    // ingress-nginx writes these in subrequests and error pages only and passes on what a client
    // sends: a backend must not take them for the proxy's word.
    row("Forwarded", Kind::Other, Anyone, Kept, Nothing),
    row("Via", Kind::Via, Anyone, Kept, Nothing),
    row("X-Forwarded-Prefix", Kind::Other, Anyone, Kept, Nothing),
    row("X-Original-URI", Kind::Other, Anyone, Kept, Nothing),
    row("X-Original-URL", Kind::Other, Anyone, Kept, Nothing),
    row("X-Original-Method", Kind::Other, Anyone, Kept, Nothing),
    row("X-Auth-Request-Redirect", Kind::Other, Anyone, Kept, Nothing),
    row("X-Sent-From", Kind::Other, Anyone, Kept, Nothing),
    row("X-Service-Name", Kind::Other, Anyone, Kept, Nothing),
    row("X-Ingress-Name", Kind::Other, Anyone, Kept, Nothing),
    row("X-Namespace", Kind::Other, Anyone, Kept, Nothing),
    row("X-Code", Kind::Other, Anyone, Kept, Nothing),
    row("Early-Data", Kind::Other, Anyone, Kept, Nothing),
    row("Authorization", Kind::Other, Anyone, Kept, Nothing),
    row("Referer", Kind::Referer, Anyone, Kept, Nothing),
    row("User-Agent", Kind::UserAgent, Anyone, Kept, Nothing),
    row("Date", Kind::Date, Anyone, Kept, Nothing),
    row("Server", Kind::Server, Anyone, Kept, Nothing),
];

/// The column by kind, so that a request costs one look per field.
const BY_KIND: [OfClient; FieldKind::COUNT] = {
    let mut by_kind = [Kept; FieldKind::COUNT];
    let mut index = 0;
    while index < REQUEST_FIELDS.len() {
        let Row { kind, client, .. } = REQUEST_FIELDS[index];
        by_kind[kind as usize] = client;
        index += 1;
    }
    by_kind
};

/// What becomes of a client's field.
#[must_use]
pub fn of_client(kind: FieldKind) -> OfClient {
    BY_KIND.get(kind as usize).copied().unwrap_or(Removed)
}

/// Whether a server of external authentication gets a field that the client sent, unless the
/// question has one of its name: all but what is about the connection, the body, or the client as
/// we know it.
pub fn goes_along(kind: FieldKind) -> bool {
    match kind {
        FieldKind::Host
        | FieldKind::ContentLength
        | FieldKind::TransferEncoding
        | FieldKind::Connection
        | FieldKind::KeepAlive
        | FieldKind::ProxyConnection
        | FieldKind::Te
        | FieldKind::Trailer
        | FieldKind::Upgrade
        | FieldKind::Expect
        | FieldKind::Proxy
        | FieldKind::Http2Settings
        | FieldKind::ClientIdentity
        | FieldKind::Ambiguous => false,
        FieldKind::Other
        | FieldKind::XRequestId
        | FieldKind::XRealIp
        | FieldKind::XForwardedFor
        | FieldKind::XForwardedHost
        | FieldKind::XForwardedPort
        | FieldKind::XForwardedProto
        | FieldKind::XForwardedScheme
        | FieldKind::XScheme
        | FieldKind::XOriginalForwardedFor
        | FieldKind::XOriginalForwardedHost
        | FieldKind::Referer
        | FieldKind::UserAgent
        | FieldKind::Date
        | FieldKind::Server
        | FieldKind::Via => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{FieldEdits, RequestOverlay};
    use crate::http1::fields::{is_forbidden_trailer, is_hop_by_hop, is_nomination_refused};
    use crate::http1::head::{HeadScan, RequestHead, parse_request};
    use crate::model::{self, EntryPoint, ListenerId, OddNames, UpstreamVersion};
    use crate::proxy::exchange::downstream::ListenerFacts;
    use crate::proxy::exchange::forward::{RequestFacts, put_request};

    /// What a backend gets under `name` when a client sends `line` (several, with CRLF between).
    fn forwarded(lines: &str, name: &str) -> Vec<String> {
        forwarded_with(OddNames::Dropped, lines, name)
    }

    fn forwarded_with(odd_names: OddNames, lines: &str, name: &str) -> Vec<String> {
        let request = format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n");
        let mut head = RequestHead::default();
        let end = HeadScan::default().find_end(request.as_bytes()).unwrap();
        parse_request(request.as_bytes(), end, &mut head).unwrap();
        let address = ([127, 0, 0, 1], 8443).into();
        let entry_point = EntryPoint { address, scheme: model::Scheme::Https };
        let listener = ListenerFacts::new(ListenerId::HTTP, entry_point);
        let facts = RequestFacts {
            peer: b"192.0.2.7",
            listener: &listener,
            claimed: None,
            odd_names,
            request_id: b"id-1",
            method: head.method.of(request.as_bytes()),
            path: None,
            query: None,
            host: None,
            edits: FieldEdits::NONE,
            overlay: &RequestOverlay::default(),
            forwards_expect: head.expects_continue,
            connection: None,
            identity: &[],
            version: UpstreamVersion::Http11,
            trace: None,
            body: head.body,
        };
        let mut out = Vec::new();
        put_request(&mut out, request.as_bytes(), &head, &facts);
        let text = String::from_utf8(out).unwrap();
        let fields = text.lines().filter_map(|line| line.split_once(": "));
        fields
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    /// A value that the field may have and that is not what we would write.
    fn forged(row: &Row) -> &'static str {
        match row.kind {
            FieldKind::Host => "a.example",
            FieldKind::ContentLength => "3",
            FieldKind::TransferEncoding => "chunked",
            FieldKind::Expect => "100-continue",
            FieldKind::Connection => "keep-alive",
            FieldKind::Te => "trailers",
            _ => "forged",
        }
    }

    fn expected(row: &Row) -> &'static [&'static str] {
        match (row.client, row.written) {
            (Kept, _) => &["forged"],
            (_, Nothing | Certificate | Claim) => &[],
            (_, Client) => &["192.0.2.7"],
            (_, Port) => &["443"],
            (_, Scheme) => &["https"],
            (_, RequestId) => &["id-1"],
            (_, Message) => match row.kind {
                FieldKind::Host | FieldKind::XForwardedHost => &["a.example"],
                FieldKind::ContentLength => &["3"],
                FieldKind::TransferEncoding => &["chunked"],
                FieldKind::Expect => &["100-continue"],
                FieldKind::Te => &["trailers"],
                _ => &[],
            },
        }
    }

    /// Two lines of the name where the protocol allows it, in three spellings.
    #[test]
    fn every_row_is_what_a_backend_gets() {
        for row in &REQUEST_FIELDS {
            let value = forged(row);
            for name in [row.name.to_owned(), row.name.to_lowercase(), row.name.to_uppercase()] {
                let lines = match row.kind {
                    // The head has one.
                    FieldKind::Host => "X: y".to_owned(),
                    FieldKind::Expect => format!("Content-Length: 3\r\n{name}: {value}"),
                    FieldKind::Te => format!("Connection: te\r\n{name}: {value}"),
                    _ => format!("{name}: {value}"),
                };
                assert_eq!(forwarded(&lines, row.name), expected(row), "{name}");
                if row.client == Removed && row.believed == Nobody {
                    let lines = format!("{lines}\r\nX: y\r\n{name}: {value}2");
                    assert_eq!(forwarded(&lines, row.name), expected(row), "{name} twice");
                }
            }
            assert_eq!(FieldKind::of(row.name.as_bytes()), row.kind, "{}", row.name);
            assert_eq!(of_client(row.kind), row.client, "{}", row.name);
        }
    }

    /// As CGI-style backends would read it: none of ours can come by such a name.
    #[test]
    fn names_that_look_like_ours_are_removed() {
        for row in REQUEST_FIELDS.iter().filter(|row| row.name.contains('-')) {
            for other in ["_", ".", "!"] {
                for name in [row.name.replace('-', other), row.name.replacen('-', other, 1)] {
                    // Those that clients may send have no other name to be taken for.
                    let is_ours = row.client != Kept;
                    for odd in [OddNames::Dropped, OddNames::Underscores, OddNames::Passed] {
                        if is_ours || odd == OddNames::Dropped {
                            let sent = format!("{name}: forged");
                            assert_eq!(forwarded_with(odd, &sent, &name), [""; 0], "{name}");
                        }
                    }
                    assert!(is_forbidden_trailer(name.as_bytes()), "{name}");
                }
            }
        }
    }

    #[test]
    fn odd_names_are_passed_on_where_that_is_wanted() {
        for (odd, name, expected) in [
            (OddNames::Dropped, "user_name", 0),
            (OddNames::Dropped, "user.name", 0),
            (OddNames::Underscores, "user_name", 1),
            (OddNames::Underscores, "user.name", 0),
            (OddNames::Passed, "user_name", 1),
            (OddNames::Passed, "user.name", 1),
            (OddNames::Passed, "X_Forwarded.For", 0),
            (OddNames::Passed, "a_name_that_is_longer_than_any_of_ours", 1),
        ] {
            let got = forwarded_with(odd, &format!("{name}: x"), name);
            assert_eq!(got.len(), expected, "{odd:?} {name}");
        }
        let nominated = "Connection: user_name\r\nuser_name: x";
        assert_eq!(forwarded_with(OddNames::Passed, nominated, "user_name"), [""; 0]);
    }

    #[test]
    fn claims_are_passed_on_under_another_name() {
        for row in &REQUEST_FIELDS {
            let Renamed(claim) = row.client else { continue };
            let lines = format!("{}: forged\r\n{claim}: worse", row.name);
            assert_eq!(forwarded(&lines, claim), ["forged"], "{}", row.name);
        }
    }

    #[test]
    fn what_is_ours_is_neither_nominated_nor_sent_behind_the_body() {
        for kind in (0..FieldKind::COUNT).filter_map(|index| {
            REQUEST_FIELDS.iter().map(|row| row.kind).find(|kind| *kind as usize == index)
        }) {
            assert!(!is_hop_by_hop(kind) || of_client(kind) == Removed, "{kind:?}");
        }
        for row in REQUEST_FIELDS.iter().filter(|row| row.believed == Nobody) {
            let name = row.name.as_bytes();
            assert!(is_forbidden_trailer(name), "{}", row.name);
            let is_ours =
                !matches!(row.written, Nothing | Message) || matches!(row.client, Renamed(_));
            assert!(!is_ours || is_nomination_refused(name), "{}", row.name);
        }
    }
}
