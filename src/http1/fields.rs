//! Field names and values: which names mean something to a proxy, and the grammar of RFC 9110
//! section 5.6. It never changes a field and never allocates.

/// The field names that a proxy treats specially, decided once per line while parsing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant is the field name it stands for")]
pub enum FieldKind {
    /// Any name that is not below; forwarded as it is.
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    KeepAlive,
    ProxyConnection,
    Te,
    Trailer,
    Upgrade,
    Expect,
    /// `Proxy`, which CGI programs take for the variable `HTTP_PROXY`.
    Proxy,
    Http2Settings,
    XRequestId,
    XRealIp,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XForwardedScheme,
    XScheme,
    XOriginalForwardedFor,
    XOriginalForwardedHost,
    Referer,
    UserAgent,
    Date,
    Server,
    Via,
    /// `ssl-client-…`: who the client is by its certificate, which the proxy alone says.
    ClientIdentity,
    /// A name with `_`, `.` or another character than letters, digits and `-`: backends of the CGI
    /// kind cannot tell it from the same name with `-`.
    Ambiguous,
}

impl FieldKind {
    /// How many there are.
    pub const COUNT: usize = Self::Ambiguous as usize + 1;

    /// Decides the kind of `name`, any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        // PERF: the length leaves three comparisons at most, and none for most names.
        let candidates: &[(&[u8], Self)] = match name.len() {
            2 => &[(b"te", Self::Te)],
            3 => &[(b"via", Self::Via)],
            4 => &[(b"host", Self::Host), (b"date", Self::Date)],
            5 => &[(b"proxy", Self::Proxy)],
            6 => &[(b"expect", Self::Expect), (b"server", Self::Server)],
            7 => &[
                (b"referer", Self::Referer),
                (b"upgrade", Self::Upgrade),
                (b"trailer", Self::Trailer),
            ],
            8 => &[(b"x-scheme", Self::XScheme)],
            9 => &[(b"x-real-ip", Self::XRealIp)],
            10 => &[
                (b"connection", Self::Connection),
                (b"user-agent", Self::UserAgent),
                (b"keep-alive", Self::KeepAlive),
            ],
            12 => &[(b"x-request-id", Self::XRequestId)],
            14 => &[
                (b"content-length", Self::ContentLength),
                (b"http2-settings", Self::Http2Settings),
            ],
            15 => &[
                (b"x-forwarded-for", Self::XForwardedFor),
                (b"ssl-client-cert", Self::ClientIdentity),
            ],
            16 => &[
                (b"x-forwarded-host", Self::XForwardedHost),
                (b"x-forwarded-port", Self::XForwardedPort),
                (b"proxy-connection", Self::ProxyConnection),
            ],
            17 => &[
                (b"transfer-encoding", Self::TransferEncoding),
                (b"x-forwarded-proto", Self::XForwardedProto),
                (b"ssl-client-verify", Self::ClientIdentity),
            ],
            18 => &[(b"x-forwarded-scheme", Self::XForwardedScheme)],
            20 => &[(b"ssl-client-issuer-dn", Self::ClientIdentity)],
            21 => &[(b"ssl-client-subject-dn", Self::ClientIdentity)],
            24 => &[(b"x-original-forwarded-for", Self::XOriginalForwardedFor)],
            25 => &[(b"x-original-forwarded-host", Self::XOriginalForwardedHost)],
            _ => &[],
        };
        for (candidate, kind) in candidates {
            if name.iter().zip(*candidate).all(|(byte, lower)| clear(*byte) == *lower) {
                return *kind;
            }
        }
        if name.iter().all(|byte| clear(*byte) != 0) { Self::Other } else { Self::Ambiguous }
    }
}

/// The kind of the name that backends of the CGI kind read into `name`: what is no letter and no
/// digit is `-` to them.
#[must_use]
pub fn kind_as_read(name: &[u8]) -> FieldKind {
    let mut read = [b'-'; LONGEST_KNOWN];
    let Some(room) = read.get_mut(..name.len()) else { return FieldKind::Other };
    for (to, byte) in room.iter_mut().zip(name) {
        *to = if byte.is_ascii_alphanumeric() { *byte } else { b'-' };
    }
    FieldKind::of(room)
}

/// Octets of the longest name that [`FieldKind::of`] knows.
const LONGEST_KNOWN: usize = b"x-original-forwarded-host".len();

/// `byte` in lower case if it is a letter, a digit or `-`, else 0.
///
/// PERF: half of what comparing without case costs, for each octet of each name.
fn clear(byte: u8) -> u8 {
    const CLEAR: [u8; 256] = {
        let mut table = [0; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            if byte.is_ascii_alphanumeric() || byte == b'-' {
                table[byte as usize] = byte.to_ascii_lowercase();
            }
            byte += 1;
        }
        table
    };
    CLEAR.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Whether a field of this kind concerns one connection only and is never forwarded as it is.
///
/// Source: RFC 9110 section 7.6.1. Fields that `Connection` names are marked on the field itself.
#[must_use]
pub fn is_hop_by_hop(kind: FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::Connection
            | FieldKind::KeepAlive
            | FieldKind::ProxyConnection
            | FieldKind::Te
            | FieldKind::Trailer
            | FieldKind::TransferEncoding
            | FieldKind::Upgrade
            | FieldKind::Http2Settings
    )
}

/// Whether `Connection` may not strip a field of this name, any case.
///
/// A client could otherwise remove what proxies before us or we ourselves say about it. `te` is not
/// in the list although it is hop-by-hop: RFC 9110 section 10.1.4 obliges its sender to nominate
/// it.
#[must_use]
pub fn is_nomination_refused(name: &[u8]) -> bool {
    match FieldKind::of(name) {
        FieldKind::Host
        | FieldKind::ContentLength
        | FieldKind::TransferEncoding
        | FieldKind::Trailer
        | FieldKind::Expect
        | FieldKind::Via
        | FieldKind::XRequestId
        | FieldKind::XRealIp
        | FieldKind::XScheme
        | FieldKind::XOriginalForwardedFor
        | FieldKind::XOriginalForwardedHost
        | FieldKind::ClientIdentity => true,
        _ => {
            has_prefix(name, b"x-forwarded-")
                || is_one_of(name, &[b"authorization", b"cookie", b"forwarded"])
        }
    }
}

/// Whether a field of this name, any case, has no business in a trailer section.
///
/// Framing, routing, authentication, content and request modifiers must be known before the body
/// (RFC 9110 section 6.5.1); what a proxy adds or checks in the head must not be overridden behind
/// it.
#[must_use]
pub fn is_forbidden_trailer(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 28] = [
        b"accept-encoding",
        b"accept-ranges",
        b"age",
        b"authentication-info",
        b"authorization",
        b"cache-control",
        b"cookie",
        b"expires",
        b"forwarded",
        b"location",
        b"max-forwards",
        b"origin",
        b"pragma",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"range",
        b"retry-after",
        b"set-cookie",
        b"set-cookie2",
        b"status",
        b"strict-transport-security",
        b"vary",
        b"warning",
        b"www-authenticate",
        b"access-control-allow-origin",
        b"alt-svc",
        b"refresh",
    ];
    FieldKind::of(name) != FieldKind::Other
        || has_prefix(name, b"content-")
        || has_prefix(name, b"if-")
        || has_prefix(name, b"x-forwarded-")
        || is_one_of(name, &NAMES)
}

fn has_prefix(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether `byte` may stand in a token, RFC 9110 section 5.6.2.
#[must_use]
pub const fn is_tchar(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
            | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
    )
}

/// Whether `bytes` is a token: one character at least, nothing but [`is_tchar`].
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_tchar(*byte))
}

/// Whether `byte` may stand in a field value or reason phrase: HTAB, SP, visible, obs-text.
///
/// Source: RFC 9110 section 5.5; control characters other than HTAB are refused, as it allows.
#[must_use]
pub const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Removes SP and HTAB, and nothing else, from both ends.
///
/// `[u8]::trim_ascii` also removes CR, LF and FF; text functions remove NEL and NBSP, which are
/// obs-text here.
#[must_use]
pub fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list, trimmed, empty ones included: RFC 9110 section 5.6.1 lets
/// readers skip those, but framing must see them.
///
/// Quoted strings are not understood: none of the lists that a proxy reads (options, codings,
/// expectations, protocols) has a member with a comma in it that we accept.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim_ows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_in_any_case_and_only_for_the_whole_name() {
        let known: [(&str, FieldKind); 31] = [
            ("Host", FieldKind::Host),
            ("Content-Length", FieldKind::ContentLength),
            ("Transfer-Encoding", FieldKind::TransferEncoding),
            ("Connection", FieldKind::Connection),
            ("Keep-Alive", FieldKind::KeepAlive),
            ("Proxy-Connection", FieldKind::ProxyConnection),
            ("TE", FieldKind::Te),
            ("Trailer", FieldKind::Trailer),
            ("Upgrade", FieldKind::Upgrade),
            ("Expect", FieldKind::Expect),
            ("Proxy", FieldKind::Proxy),
            ("HTTP2-Settings", FieldKind::Http2Settings),
            ("X-Request-ID", FieldKind::XRequestId),
            ("X-Real-IP", FieldKind::XRealIp),
            ("X-Forwarded-For", FieldKind::XForwardedFor),
            ("X-Forwarded-Host", FieldKind::XForwardedHost),
            ("X-Forwarded-Port", FieldKind::XForwardedPort),
            ("X-Forwarded-Proto", FieldKind::XForwardedProto),
            ("X-Forwarded-Scheme", FieldKind::XForwardedScheme),
            ("X-Scheme", FieldKind::XScheme),
            ("X-Original-Forwarded-For", FieldKind::XOriginalForwardedFor),
            ("X-Original-Forwarded-Host", FieldKind::XOriginalForwardedHost),
            ("Referer", FieldKind::Referer),
            ("User-Agent", FieldKind::UserAgent),
            ("Date", FieldKind::Date),
            ("Server", FieldKind::Server),
            ("Via", FieldKind::Via),
            ("ssl-client-verify", FieldKind::ClientIdentity),
            ("ssl-client-subject-dn", FieldKind::ClientIdentity),
            ("ssl-client-issuer-dn", FieldKind::ClientIdentity),
            ("ssl-client-cert", FieldKind::ClientIdentity),
        ];
        for (name, kind) in known {
            for text in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(FieldKind::of(text.as_bytes()), kind, "{text}");
            }
            assert_eq!(FieldKind::of(format!("{name}x").as_bytes()), FieldKind::Other, "{name}x");
        }
        assert_eq!(FieldKind::of(b""), FieldKind::Other);
        for name in ["content_length", "ssl_client_verify", "ssl.client.verify", "x!y", "a_b"] {
            assert_eq!(FieldKind::of(name.as_bytes()), FieldKind::Ambiguous, "{name}");
        }
    }

    #[test]
    fn token_characters_are_those_of_the_grammar() {
        let tchars: Vec<u8> = (0..=255).filter(|byte| is_tchar(*byte)).collect();
        let expected =
            b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";
        assert_eq!(tchars, expected);
        assert!(!is_token(b""));
    }

    #[test]
    fn only_blank_and_tab_are_trimmed() {
        assert_eq!(trim_ows(b" \t a b\t "), b"a b");
        assert_eq!(trim_ows(b"\xa0a\x85"), b"\xa0a\x85");
        assert_eq!(trim_ows(b" \t"), b"");
    }

    #[test]
    fn list_members_keep_empty_ones() {
        let found: Vec<&[u8]> = members(b"a ,, b").collect();
        assert_eq!(found, [&b"a"[..], b"", b"b"]);
    }

    #[test]
    fn trailers_may_not_carry_what_belongs_into_the_head() {
        for name in [
            "Host",
            "Content-Type",
            "Transfer-Encoding",
            "Authorization",
            "If-Match",
            "a_b",
            "TE",
            "ssl-client-verify",
            "SSL_CLIENT_CERT",
            "ssl.client.cert",
        ] {
            assert!(is_forbidden_trailer(name.as_bytes()), "{name}");
        }
        for name in ["Grpc-Status", "Digest", "Server-Timing", "ETag"] {
            assert!(!is_forbidden_trailer(name.as_bytes()), "{name}");
        }
    }
}
