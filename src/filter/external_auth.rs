//! Another server's word on who may come in: what it is asked, and what its answer means. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::answer_fields::Statuses;
use super::fields::FieldEdits;
use super::text::Text;
use super::units::{TimeError, nginx_time};

/// What another server is asked about each request of a rule.
///
/// INVARIANT: names of fields are tokens that say nothing about where a message ends, texts and
/// values hold no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalAuth {
    /// How it is asked.
    pub protocol: AuthProtocol,
    /// Path and query of the question, beginning with a slash; of [`AuthProtocol::Http`] what
    /// stands in front of those of the request.
    pub target: Text,
    /// Where clients are sent that are not known (401); `None`: they are told the status.
    pub signin: Option<Text>,
    /// Fields of its answer that backends get. What clients send under these names, they do not.
    pub response_names: Box<[Box<str>]>,
    /// What becomes of the other fields of its answer.
    pub unnamed: Unnamed,
    /// Which of the client's fields go along.
    pub sent: SentFields,
    /// How much of the body goes along; 0: nothing. A request with a longer one is refused.
    pub body_bytes_max: usize,
    /// Fields of its answer, in lower case, that variables take their values from.
    pub remembered: Box<[Box<str>]>,
    /// Fields of the question, `Host` among them. One that comes to nothing keeps the client's out.
    pub fields: Box<[(Box<str>, Text)]>,
    /// On which responses its cookies are set.
    pub cookies: Statuses,
    /// Which answers are kept; `None`: none.
    pub cache: Option<AuthCachePolicy>,
}

/// How another server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthProtocol {
    /// As nginx does, with this method; 2xx lets pass.
    Subrequest(&'static str),
    /// With the method of the request; 200 alone lets pass.
    ///
    /// Source: Gateway API, `HTTPExternalAuthFilter`.
    Http,
    /// As Envoy does over gRPC, of what it is told of the request.
    Check,
}

/// What becomes of fields that nobody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unnamed {
    /// Nothing.
    Withheld,
    /// Backends get them in the place of the client's, but for those that say something of the
    /// answer itself.
    Passed,
}

/// Which fields of a client go along with a question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SentFields {
    /// All that are not about the connection.
    All,
    /// Of those the ones of these names, in lower case.
    Listed(Box<[Box<str>]>),
}

impl SentFields {
    /// Whether one of this name, any case, does.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Listed(names) => {
                names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
            }
        }
    }
}

/// Whether a field of an answer, any case, says something of that itself, so that it says nothing
/// of a request.
#[must_use]
pub fn is_of_answer(name: &str) -> bool {
    const NAMES: [&str; 7] = ["age", "date", "etag", "expires", "server", "set-cookie", "vary"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&&*name) || name.starts_with("content-")
}

/// Of fields of one name the last.
pub fn merged(fields: impl IntoIterator<Item = (Box<str>, Text)>) -> Box<[(Box<str>, Text)]> {
    let mut all: Vec<(Box<str>, Text)> = Vec::new();
    for (name, text) in fields {
        all.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        all.push((name, text));
    }
    all.into()
}

/// Whether backends get a field of this name, any case, from the proxy alone.
///
/// INVARIANT: what a server of external authentication says under such a name goes nowhere.
#[must_use]
pub fn is_own_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    OWN_FIELDS.contains(&&*name) || FieldEdits::new([], [], [&*name]).is_err()
}

const OWN_FIELDS: [&str; 16] = [
    "expect",
    "proxy",
    "x-request-id",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-scheme",
    "x-original-forwarded-for",
    "x-original-forwarded-host",
    "ssl-client-verify",
    "ssl-client-subject-dn",
    "ssl-client-issuer-dn",
    "ssl-client-cert",
];

/// Which answers are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthCachePolicy {
    /// Requests for which it comes to the same get the same answer.
    pub key: Text,
    /// For how long.
    pub durations: AuthDurations,
}

/// How long an answer is good, by its status.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthDurations(Box<[(Box<[u16]>, Duration)]>);

/// Why a list of durations cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthDurationsError {
    /// Neither a status nor a time.
    #[error("each entry is statuses, then a time such as 5m")]
    Entry,
    /// Not in time.
    #[error("a time is too long")]
    Time,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request may pass.
    Admitted,
    /// It may not; the client is told the status.
    Denied(u16),
    /// Nobody can tell, so it may not.
    Undecided,
}

impl AuthProtocol {
    /// What an answer with `status` means.
    ///
    /// Source: nginx, module `ngx_http_auth_request_module`; Gateway API,
    /// `HTTPExternalAuthFilter.protocol`.
    #[must_use]
    pub const fn verdict(self, status: u16) -> Verdict {
        match (self, status) {
            (Self::Subrequest(_), 200..=299) | (Self::Http | Self::Check, 200) => Verdict::Admitted,
            (Self::Subrequest(_), 401 | 403) => Verdict::Denied(status),
            // No client takes a success for a denial.
            (Self::Http | Self::Check, 201..=299) => Verdict::Denied(403),
            (Self::Http, 300..=499) | (Self::Check, 300..=599) => Verdict::Denied(status),
            _ => Verdict::Undecided,
        }
    }
}

impl ExternalAuth {
    /// The same with `added` fields, in place of those of the same names.
    #[must_use]
    pub fn with_fields(&self, added: impl IntoIterator<Item = (Box<str>, Text)>) -> Self {
        Self { fields: merged(self.fields.iter().cloned().chain(added)), ..self.clone() }
    }

    /// A number that another question has not, in all likelihood.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the question has a field of this name, so that the client's does not go along.
    #[must_use]
    pub fn has_field(&self, name: &[u8]) -> bool {
        self.fields.iter().any(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name))
    }
}

impl AuthDurations {
    /// Reads a list such as `200 202 401 5m, 403 10s`. A time without statuses is that of nginx: of
    /// 200, 301 and 302.
    ///
    /// # Errors
    /// The owner of the text is at fault.
    ///
    /// Source: nginx, directive `proxy_cache_valid`, and "Configuration file measurement units".
    pub fn new(text: &str) -> Result<Self, AuthDurationsError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// How long an answer with `status` is good; zero: not at all, like every answer that decides
    /// nothing.
    #[must_use]
    pub fn of(&self, status: u16) -> Duration {
        if AuthProtocol::Subrequest("").verdict(status) == Verdict::Undecided {
            return Duration::ZERO;
        }
        let found = self.0.iter().find(|(statuses, _)| statuses.contains(&status));
        found.map_or(Duration::ZERO, |(_, time)| *time)
    }
}

fn entry(text: &str) -> Result<(Box<[u16]>, Duration), AuthDurationsError> {
    const UNNAMED: [u16; 3] = [200, 301, 302];
    let (statuses, last) = text.rsplit_once(' ').unwrap_or(("", text));
    let status = |word: &str| {
        let is_status = matches!(word.as_bytes(), [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']);
        word.parse().ok().filter(|_| is_status).ok_or(AuthDurationsError::Entry)
    };
    let statuses: Box<[u16]> = statuses.split_whitespace().map(status).collect::<Result<_, _>>()?;
    let statuses = if statuses.is_empty() { UNNAMED.into() } else { statuses };
    // One number with one unit.
    let unit = last.trim_start_matches(|octet: char| octet.is_ascii_digit());
    let is_one = !unit.is_empty() && unit.bytes().all(|octet| octet.is_ascii_alphabetic());
    let time = if is_one { nginx_time(last) } else { Err(TimeError::Form) };
    let time = time.map_err(|error| match error {
        TimeError::Form => AuthDurationsError::Entry,
        TimeError::TooLong => AuthDurationsError::Time,
    })?;
    Ok((statuses, time))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A question without anything special.
    pub(in super::super) fn question() -> ExternalAuth {
        let text = |text| Text::new(text, |_| false).unwrap();
        ExternalAuth {
            protocol: AuthProtocol::Subrequest("GET"),
            target: text("/check"),
            signin: None,
            response_names: [].into(),
            unnamed: Unnamed::Withheld,
            sent: SentFields::All,
            body_bytes_max: 0,
            remembered: [].into(),
            fields: [("Host".into(), text("auth.example"))].into(),
            cookies: Statuses::Successes,
            cache: None,
        }
    }

    #[test]
    fn what_lets_pass_is_for_the_protocol_to_say() {
        use Verdict::{Admitted, Denied, Undecided};
        for (status, subrequest, http, check) in [
            (200, Admitted, Admitted, Admitted),
            (204, Admitted, Denied(403), Denied(403)),
            (299, Admitted, Denied(403), Denied(403)),
            (401, Denied(401), Denied(401), Denied(401)),
            (403, Denied(403), Denied(403), Denied(403)),
            (302, Undecided, Denied(302), Denied(302)),
            (304, Undecided, Denied(304), Denied(304)),
            (400, Undecided, Denied(400), Denied(400)),
            (404, Undecided, Denied(404), Denied(404)),
            (407, Undecided, Denied(407), Denied(407)),
            (500, Undecided, Undecided, Denied(500)),
            (503, Undecided, Undecided, Denied(503)),
            (0, Undecided, Undecided, Undecided),
            (100, Undecided, Undecided, Undecided),
            (600, Undecided, Undecided, Undecided),
        ] {
            assert_eq!(AuthProtocol::Subrequest("GET").verdict(status), subrequest, "{status}");
            assert_eq!(AuthProtocol::Http.verdict(status), http, "{status}");
            assert_eq!(AuthProtocol::Check.verdict(status), check, "{status}");
        }
    }

    #[test]
    fn fields_go_along_by_name() {
        let listed = SentFields::Listed(["x-a".into()].into());
        assert!(listed.has(b"X-A") && !listed.has(b"x-b") && SentFields::All.has(b"x-b"));
        for (name, expected) in
            [("Content-Type", true), ("DATE", true), ("Set-Cookie", true), ("X-User", false)]
        {
            assert_eq!(is_of_answer(name), expected, "{name}");
        }
    }

    #[test]
    fn questions_are_told_from_each_other() {
        let other = ExternalAuth { cookies: Statuses::Any, ..question() };
        assert_eq!(question().fingerprint(), question().fingerprint());
        assert_ne!(question().fingerprint(), other.fingerprint());
        assert!(question().has_field(b"HOST") && !question().has_field(b"x-host"));
    }

    #[track_caller]
    fn check(text: &str, status: u16, seconds: u64) {
        let durations = AuthDurations::new(text).unwrap();
        assert_eq!(durations.of(status), Duration::from_secs(seconds), "{text}");
    }

    #[test]
    fn durations_go_by_status() {
        let text = "200 202 401 5m, 403 10s,201  204 1h";
        for (status, seconds) in
            [(200, 300), (202, 300), (401, 300), (403, 10), (201, 3600), (204, 3600), (203, 0)]
        {
            check(text, status, seconds);
        }
        // Of two the first counts.
        check("200 1s, 200 2s", 200, 1);
        check("7d", 200, 7 * 24 * 3600);
        check("7d", 401, 0);
        check("1M", 200, 30 * 24 * 3600);
        check("2000ms", 200, 2);
        check("", 200, 0);
        // Nothing that decides nothing is kept, whatever the list says.
        check("500 502 404 200 1h", 500, 0);
        check("500 502 404 200 1h", 404, 0);
    }

    #[test]
    fn what_is_no_list_is_told() {
        use AuthDurationsError::{Entry, Time};
        for (text, expected) in [
            ("200", Entry),
            ("200 ", Entry),
            ("5m 200", Entry),
            ("5", Entry),
            ("m", Entry),
            ("200 5x", Entry),
            ("200 -5m", Entry),
            ("20 5m", Entry),
            ("600 5m", Entry),
            ("2000 5m", Entry),
            ("any 5m", Entry),
            ("200 1h30m", Entry),
            ("200 5m 1h", Entry),
            ("99999999999999999999s", Time),
            ("18446744073709551615y", Time),
        ] {
            assert_eq!(AuthDurations::new(text), Err(expected), "{text}");
        }
    }
}
