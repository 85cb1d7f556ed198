//! Lines of an access log of nginx, by the format that its controller writes them in.

use crate::http1::fields::is_token;

/// What ingress-nginx writes where its ConfigMap says nothing.
pub(super) const DEFAULT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
    $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_length $request_time \
    [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr \
    $upstream_response_length $upstream_response_time $upstream_status $req_id";

/// A format: texts, and variables between them.
#[derive(Debug)]
pub(super) struct Form {
    before: String,
    /// Variables, and the text behind each.
    parts: Vec<(Option<Role>, String)>,
}

/// What a variable says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Host,
    /// Method, target and version.
    Request,
    Target,
    Upstream,
    Alternative,
}

/// What is known of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// As the client sent it; empty: the log does not say.
    pub(super) host: &'a str,
    /// With its query.
    pub(super) target: &'a str,
    /// Where it went, by the controller's name of it; empty or `-`: nobody knows.
    pub(super) upstream: &'a str,
    /// A canary that it went to instead.
    pub(super) alternative: &'a str,
}

impl Form {
    /// Of a text with variables (`$name` or `${name}`).
    pub(super) fn new(text: &str) -> Self {
        let mut pieces = text.split('$');
        let before = pieces.next().unwrap_or_default().to_owned();
        let parts = pieces.map(|piece| {
            let (name, rest) = match piece.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                Some(found) => found,
                None => {
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let end = piece.find(|c| !is_name(c)).unwrap_or(piece.len());
                    piece.split_at_checked(end).unwrap_or((piece, ""))
                }
            };
            (Role::of(name), rest.to_owned())
        });
        Self { before, parts: parts.collect() }
    }

    /// `None`: the line has another form.
    pub(super) fn read<'a>(&self, line: &'a str) -> Option<Line<'a>> {
        let mut rest = line.strip_prefix(self.before.as_str())?;
        let mut found = Line::default();
        let mut parts = self.parts.iter().peekable();
        while let Some((role, behind)) = parts.next() {
            let is_last = parts.peek().is_none();
            let (value, after) = match behind.as_str() {
                "" => (rest, ""),
                behind if is_last => (rest.strip_suffix(behind)?, ""),
                behind => rest.split_once(behind)?,
            };
            rest = after;
            match role {
                Some(Role::Host) if found.host.is_empty() => found.host = value,
                Some(Role::Request) => {
                    let (method, rest) = value.split_once(' ')?;
                    found.target =
                        rest.split(' ').next().filter(|_| is_token(method.as_bytes()))?;
                }
                Some(Role::Target) => found.target = value,
                Some(Role::Upstream) => found.upstream = value,
                Some(Role::Alternative) => found.alternative = value,
                Some(Role::Host) | None => {}
            }
        }
        (!found.target.is_empty()).then_some(found)
    }
}

impl Role {
    fn of(variable: &str) -> Option<Self> {
        Some(match variable {
            "host" | "http_host" | "best_http_host" => Self::Host,
            "request" => Self::Request,
            "request_uri" => Self::Target,
            "proxy_upstream_name" => Self::Upstream,
            "proxy_alternative_upstream_name" => Self::Alternative,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_form() {
        let of = |host, target, upstream, alternative| {
            Some(Line { host, target, upstream, alternative })
        };
        for (form, line, expected) in [
            (
                DEFAULT,
                "192.0.2.1 - - [02/Jan/2026:15:04:05 +0000] \"GET /a?b=c HTTP/1.1\" 200 5 \"-\" \
                 \"curl [x] \\x22\" 80 0.001 [n-app-80] [] 10.0.0.1:80, 10.0.0.2:80 0, 5 0.001, \
                 0.0 502, 200 abc",
                of("", "/a?b=c", "n-app-80", ""),
            ),
            (
                "{\"host\": \"$host\", \"uri\":\"$request_uri\", \"up\":\"$proxy_upstream_name\"}",
                "{\"host\": \"h.example\", \"uri\":\"/a\", \"up\":\"n-a-80\"}",
                of("h.example", "/a", "n-a-80", ""),
            ),
            ("${http_host} $request", "h:80 GET /x HTTP/2.0", of("h:80", "/x", "", "")),
            (DEFAULT, "not a line of it", None),
            ("$host $request", "h \\x16\\x03", None),
            ("$host $request", "h \\x16\\x03\\x01 /a HTTP/1.1", None),
            ("$host <$request>", "h <[ /a HTTP/1.1>", None),
            ("$host <$request>", "h <M-SEARCH /a HTTP/1.1>", of("h", "/a", "", "")),
        ] {
            assert_eq!(Form::new(form).read(line), expected, "{line}");
        }
    }
}
