//! Messages of Envoy's external authorization, sans-IO: what a server is asked about a request, and
//! what it says.
//!
//! Source: Envoy, `envoy/service/auth/v3/external_auth.proto` and `attribute_context.proto`;
//! `google/rpc/status.proto`; gRPC, `doc/PROTOCOL-HTTP2.md`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::limits::AUTH_NAMES_MAX;
use crate::protobuf::{Value, put_message, put_number, put_octets, put_text, whole_message};

/// What is called.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// A request that a server is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// Whose it is.
    pub client: SocketAddr,
    /// When it came, since 1970.
    pub time: Duration,
    /// Its id.
    pub id: &'a [u8],
    /// Method.
    pub method: &'a [u8],
    /// Path and query as sent.
    pub path: &'a [u8],
    /// Host as sent.
    pub host: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// Such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// Octets of its body; `None`: nobody knows.
    pub body_bytes: Option<u64>,
    /// The body, as far as the server gets it.
    pub body: &'a [u8],
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The request may pass.
    Admitted {
        /// Fields that the backend gets.
        fields: Vec<Header>,
        /// Names of fields that it does not get.
        removed: Vec<Box<str>>,
        /// Fields that the client gets.
        answered: Vec<Header>,
    },
    /// It may not.
    Denied {
        /// What the client is told; 0: nothing was said.
        status: u64,
        /// Fields that it gets.
        fields: Vec<Header>,
        /// The body that it gets.
        body: Vec<u8>,
    },
}

/// A field that a server wants set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, which may be anything.
    pub name: Box<str>,
    /// Its value, which may be anything.
    pub value: Box<[u8]>,
    /// What becomes of those of the same name.
    pub others: Others,
}

/// What becomes of fields of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They go.
    Replaced,
    /// They stay.
    Kept,
}

/// Appends the message of gRPC that asks about `check`, whose fields are `fields`.
pub fn put_check<'f>(
    out: &mut Vec<u8>,
    check: &Check<'_>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) {
    let start = out.len();
    // Not compressed.
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    put_message(out, 1, |out| {
        put_message(out, 1, |out| put_message(out, 1, |out| put_address(out, check.client)));
        put_message(out, 4, |out| {
            put_message(out, 1, |out| {
                put_number(out, 1, check.time.as_secs());
                put_number(out, 2, check.time.subsec_nanos().into());
            });
            put_message(out, 2, |out| put_request(out, check, fields));
        });
    });
    let length = out.len().saturating_sub(start).saturating_sub(PREFIX_BYTES);
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(prefix) = out.get_mut(start..).and_then(|message| message.get_mut(1..PREFIX_BYTES))
    {
        prefix.copy_from_slice(&length);
    }
}

/// Whether a message is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// `envoy.config.core.v3.Address`.
fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    put_message(out, 1, |out| {
        put_octets(out, 2, address.ip().to_canonical().to_string().as_bytes());
        put_number(out, 3, address.port().into());
    });
}

/// `AttributeContext.HttpRequest`.
fn put_request<'f>(
    out: &mut Vec<u8>,
    check: &Check<'_>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) {
    let text =
        |out: &mut Vec<u8>, field, octets: &[u8]| put_text(out, field, octets, usize::MAX / 2);
    text(out, 1, check.id);
    text(out, 2, check.method);
    let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let between: &[u8] = if name == b"cookie" { b"; " } else { b"," };
        let known = merged.entry(name);
        let known = known.and_modify(|known| known.extend_from_slice(between));
        known.or_default().extend_from_slice(value);
    }
    for (name, value) in &merged {
        put_message(out, 3, |out| {
            text(out, 1, name);
            text(out, 2, value);
        });
    }
    text(out, 4, check.path);
    text(out, 5, check.host);
    text(out, 6, check.scheme);
    // A negative number, if nobody knows it.
    put_number(out, 9, check.body_bytes.unwrap_or(u64::MAX));
    text(out, 10, check.protocol);
    if !check.body.is_empty() {
        let field = if str::from_utf8(check.body).is_ok() { 11 } else { 12 };
        put_octets(out, field, check.body);
    }
}

/// Reads the body of an answer; `None`: it does not say for sure what it says.
///
/// INVARIANT: what was not understood to its end admits nobody, nor does what asks for something
/// that is not done.
#[must_use]
pub fn read_answer(octets: &[u8]) -> Option<Checked> {
    let (prefix, message) = octets.split_at_checked(PREFIX_BYTES)?;
    let (is_compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if *is_compressed != 0 || usize::try_from(length) != Ok(message.len()) {
        return None;
    }
    let (mut code, mut denied, mut admitted) = (None, None, None);
    for (field, value) in whole_message(message)? {
        match (field, value) {
            // Parts of one message that come apart are merged: none takes an error back.
            (1, Value::Octets(status)) => code = code.max(Some(read_code(status)?)),
            (2, Value::Octets(response)) => denied = Some(response),
            (3, Value::Octets(response)) => admitted = Some(response),
            (1..=3, _) => return None,
            // What other filters might read.
            _ => {}
        }
    }
    match (code, denied, admitted) {
        (Some(0) | None, None, Some(response)) => read_admitted(response),
        (Some(0), None, None) => read_admitted(&[]),
        (_, Some(response), None) => read_denied(response),
        (Some(1..), None, _) => read_denied(&[]),
        // Nothing was said, or both.
        (_, Some(_), Some(_)) | (None, None, None) => None,
    }
}

/// `google.rpc.Status`.
fn read_code(octets: &[u8]) -> Option<u64> {
    let mut code = 0;
    for (field, value) in whole_message(octets)? {
        match (field, value) {
            (1, Value::Number(number)) => code = number,
            (1, _) => return None,
            _ => {}
        }
    }
    Some(code)
}

/// `OkHttpResponse`.
fn read_admitted(octets: &[u8]) -> Option<Checked> {
    let (mut fields, mut removed, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for (field, value) in whole_message(octets)? {
        match (field, value) {
            (2, Value::Octets(header)) => fields.push(read_header(header)?),
            (5, Value::Octets(name)) => removed.push(str::from_utf8(name).ok()?.into()),
            (6, Value::Octets(header)) => answered.push(read_header(header)?),
            // Another query, which is not made.
            (7 | 8, _) | (2 | 5 | 6, _) => return None,
            _ => {}
        }
        if fields.len().max(removed.len()).max(answered.len()) > AUTH_NAMES_MAX {
            return None;
        }
    }
    Some(Checked::Admitted { fields, removed, answered })
}

/// `DeniedHttpResponse`.
fn read_denied(octets: &[u8]) -> Option<Checked> {
    let (mut status, mut fields, mut body) = (0, Vec::new(), Vec::new());
    for (field, value) in whole_message(octets)? {
        match (field, value) {
            (1, Value::Octets(of_http)) => status = read_code(of_http)?,
            (2, Value::Octets(header)) => fields.push(read_header(header)?),
            (3, Value::Octets(text)) => body = text.to_vec(),
            (1..=3, _) => return None,
            _ => {}
        }
        if fields.len() > AUTH_NAMES_MAX {
            return None;
        }
    }
    Some(Checked::Denied { status, fields, body })
}

/// `envoy.config.core.v3.HeaderValueOption`.
fn read_header(octets: &[u8]) -> Option<Header> {
    let (mut name, mut value) = (Box::default(), Box::default());
    let mut others = Others::Replaced;
    for (field, part) in whole_message(octets)? {
        match (field, part) {
            (1, Value::Octets(header)) => {
                for (field, part) in whole_message(header)? {
                    match (field, part) {
                        (1, Value::Octets(text)) => name = str::from_utf8(text).ok()?.into(),
                        (2 | 3, Value::Octets(text)) => value = text.into(),
                        _ => {}
                    }
                }
            }
            (2, Value::Octets(append)) if read_code(append)? != 0 => others = Others::Kept,
            (2, Value::Octets(_)) => {}
            // `append_action`: added, or in the place of others. To look first is not done.
            (3, Value::Number(0 | 2)) => {}
            (1..=3, _) => return None,
            _ => {}
        }
    }
    Some(Header { name, value, others })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::fields;

    fn check() -> Check<'static> {
        Check {
            client: ([192, 0, 2, 7], 4711).into(),
            time: Duration::new(17, 5),
            id: b"id",
            method: b"POST",
            path: b"/a?b=%20",
            host: b"a.example",
            scheme: b"https",
            protocol: b"HTTP/2.0",
            body_bytes: Some(3),
            body: b"abc",
        }
    }

    /// What stands in a message at the end of a way of fields, as text.
    fn found(mut message: &[u8], way: &[u64]) -> Vec<String> {
        let Some((last, way)) = way.split_last() else { return Vec::new() };
        for step in way {
            let next = fields(message).find(|(field, _)| field == step);
            let Some((_, Value::Octets(inner))) = next else { return Vec::new() };
            message = inner;
        }
        let values = fields(message).filter(|(field, _)| field == last);
        let text = |value| match value {
            Value::Octets(octets) => String::from_utf8_lossy(octets).into_owned(),
            Value::Number(number) => number.to_string(),
            Value::Fixed => "fixed".into(),
        };
        values.map(|(_, value)| text(value)).collect()
    }

    #[test]
    fn a_server_is_told_the_request() {
        let lines: [(&[u8], &[u8]); 5] = [
            (b"X-A", b"1"),
            (b"cookie", b"a=1"),
            (b"x-a", b"2"),
            (b"Cookie", b"b=2"),
            (b"x-odd", b"\xff"),
        ];
        let mut out = vec![b'!'];
        put_check(&mut out, &check(), lines.into_iter());
        let message = &out[1..];
        let length = u32::try_from(message.len() - 5).unwrap().to_be_bytes();
        assert_eq!(message[..5], [&[0], &length[..]].concat());
        let message = &message[5..];
        for (way, expected) in [
            (&[1, 1, 1, 1, 2][..], &["192.0.2.7"][..]),
            (&[1, 1, 1, 1, 3], &["4711"]),
            (&[1, 4, 1, 1], &["17"]),
            (&[1, 4, 1, 2], &["5"]),
            (&[1, 4, 2, 1], &["id"]),
            (&[1, 4, 2, 2], &["POST"]),
            (
                &[1, 4, 2, 3],
                &[
                    "\n\u{6}cookie\u{12}\u{8}a=1; b=2",
                    "\n\u{3}x-a\u{12}\u{3}1,2",
                    "\n\u{5}x-odd\u{12}\u{3}\u{fffd}",
                ],
            ),
            (&[1, 4, 2, 4], &["/a?b=%20"]),
            (&[1, 4, 2, 5], &["a.example"]),
            (&[1, 4, 2, 6], &["https"]),
            (&[1, 4, 2, 9], &["3"]),
            (&[1, 4, 2, 10], &["HTTP/2.0"]),
            (&[1, 4, 2, 11], &["abc"]),
            (&[1, 4, 2, 12], &[]),
        ] {
            assert_eq!(found(message, way), expected, "{way:?}");
        }
        let odd = Check { body: b"\xff", body_bytes: None, ..check() };
        let mut out = Vec::new();
        put_check(&mut out, &odd, [].into_iter());
        assert_eq!(found(&out[5..], &[1, 4, 2, 12]), ["\u{fffd}"]);
        assert_eq!(found(&out[5..], &[1, 4, 2, 9]), ["18446744073709551615"]);
    }

    /// A message of gRPC.
    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], message].concat()
    }

    fn header(out: &mut Vec<u8>, field: u32, (name, value): (&str, &str), is_appended: bool) {
        put_message(out, field, |out| {
            put_message(out, 1, |out| {
                put_octets(out, 1, name.as_bytes());
                put_octets(out, 2, value.as_bytes());
            });
            put_message(out, 2, |out| put_number(out, 1, is_appended.into()));
        });
    }

    fn field(name: &str, value: &str, others: Others) -> Header {
        Header { name: name.into(), value: value.as_bytes().into(), others }
    }

    #[test]
    fn what_a_server_says_is_read_to_its_end() {
        let status = |out: &mut Vec<u8>, code| put_message(out, 1, |out| put_number(out, 1, code));
        let (mut passes, mut denies, mut both) = (Vec::new(), Vec::new(), Vec::new());
        status(&mut passes, 0);
        put_message(&mut passes, 3, |out| {
            header(out, 2, ("x-user", "ann"), false);
            header(out, 2, ("x-more", "1"), true);
            put_octets(out, 5, b"authorization");
            header(out, 6, ("x-told", "t"), false);
        });
        status(&mut denies, 7);
        put_message(&mut denies, 2, |out| {
            put_message(out, 1, |out| put_number(out, 1, 401));
            header(out, 2, ("www-authenticate", "Basic"), false);
            put_octets(out, 3, b"who?");
        });
        put_message(&mut both, 2, |_| {});
        put_message(&mut both, 3, |_| {});
        let mut query = Vec::new();
        put_message(&mut query, 3, |out| put_octets(out, 8, b"token"));
        let mut many = Vec::new();
        put_message(&mut many, 3, |out| {
            (0..=AUTH_NAMES_MAX).for_each(|_| put_octets(out, 5, b"x"));
        });
        let admitted = |fields, removed, answered| Checked::Admitted { fields, removed, answered };
        let denied = |status| Checked::Denied { status, fields: Vec::new(), body: Vec::new() };
        let mut wrong_type = Vec::new();
        put_number(&mut wrong_type, 1, 0);
        for (message, expected) in [
            (
                &passes[..],
                Some(admitted(
                    vec![
                        field("x-user", "ann", Others::Replaced),
                        field("x-more", "1", Others::Kept),
                    ],
                    vec!["authorization".into()],
                    vec![field("x-told", "t", Others::Replaced)],
                )),
            ),
            (
                &denies,
                Some(Checked::Denied {
                    status: 401,
                    fields: vec![field("www-authenticate", "Basic", Others::Replaced)],
                    body: b"who?".into(),
                }),
            ),
            // Status OK without a word, in both of its spellings.
            (b"\x0a\0", Some(admitted(vec![], vec![], vec![]))),
            (b"\x0a\x02\x08\0", Some(admitted(vec![], vec![], vec![]))),
            (b"\x1a\0", Some(admitted(vec![], vec![], vec![]))),
            (b"\x0a\x02\x08\x10", Some(denied(0))),
            (b"\x12\0", Some(denied(0))),
            // OK, and a denial all the same.
            (b"\x0a\0\x12\0", Some(denied(0))),
            // Not OK, and an admission all the same.
            (b"\x0a\x02\x08\x07\x1a\0", Some(denied(0))),
            (b"", None),
            (&both, None),
            (&query, None),
            (&many, None),
            (&wrong_type, None),
            (&passes[..passes.len() - 1], None),
        ] {
            assert_eq!(read_answer(&framed(message)), expected, "{message:?}");
        }
        let whole = framed(b"\x0a\0");
        for octets in [&b""[..], &whole[..6], &[&whole[..], b"x"].concat(), &[1, 0, 0, 0, 0]] {
            assert_eq!(read_answer(octets), None, "{octets:?}");
        }
    }
}
