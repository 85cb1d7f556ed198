//! How a line of the access log looks: a text with variables, among them what is known at the end.

use super::outcome::Outcome;
use super::text::{Text, TextError, Variable};
use crate::limits::LOG_FORM_BYTES_MAX;

/// How a line looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogForm {
    /// What it says.
    pub text: Text,
    /// What becomes of characters that would mean something to who reads it.
    pub escaping: Escaping,
    /// Whether it names a field of the answer.
    pub reads_answer: bool,
    /// Whether it names a field of what an endpoint answered.
    pub reads_upstream: bool,
}

/// What becomes of characters of values. Control characters are escaped in any case, so that
/// nobody can forge a line or talk to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// `"`, `\` and what is not ASCII become `\xHH`; what is absent is `-`.
    #[default]
    Hex,
    /// As in strings of JSON; what is absent is nothing.
    Json,
    /// None but control characters; what is absent is nothing.
    Bare,
}

/// Names of variables that nginx and modules of it have and of which nothing is known here: a form
/// counts as a whole, so that one of them must not cost the operator all the others.
const NOTHING: [&str; 21] = [
    "connection",
    "connection_requests",
    "connection_time",
    "document_root",
    "gzip_ratio",
    "hostname",
    "limit_conn_status",
    "limit_rate",
    "limit_req_status",
    "nginx_version",
    "pid",
    "pipe",
    "proxy_port",
    "request_body",
    "request_completion",
    "request_filename",
    "secure_link",
    "server_addr",
    "upstream_bytes_sent",
    "upstream_cache_status",
    "upstream_queue_time",
];

/// The same of families of them.
const NOTHING_OF: [&str; 9] = [
    "geoip_",
    "geoip2_",
    "opentracing_",
    "otel_",
    "proxy_protocol_",
    "sent_trailer_",
    "ssl_",
    "tcpinfo_",
    "upstream_trailer_",
];

/// The format of ingress-nginx.
pub const DEFAULT_LOG_FORM: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_length $request_time \
     [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr \
     $upstream_response_length $upstream_response_time $upstream_status $req_id";

/// Why a text is no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFormError {
    /// More than [`LOG_FORM_BYTES_MAX`].
    #[error("it has more than {LOG_FORM_BYTES_MAX} bytes")]
    TooLong,
    /// See there.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl LogForm {
    /// Reads a form as nginx does between single quotes: a backslash takes the meaning of what
    /// follows it. What would end a line becomes a blank.
    ///
    /// # Errors
    /// The operator is at fault; see [`LogFormError`].
    pub fn new(form: &str, escaping: Escaping) -> Result<Self, LogFormError> {
        if form.len() > LOG_FORM_BYTES_MAX {
            return Err(LogFormError::TooLong);
        }
        let text = Text::read(&unquoted(form), named)?;
        let names = |is_so: fn(&Outcome) -> bool| {
            let mut all = text.variables();
            all.any(|variable| matches!(variable, Variable::Outcome(outcome) if is_so(outcome)))
        };
        let reads_answer = names(|outcome| matches!(outcome, Outcome::Sent(_)));
        let reads_upstream = names(|outcome| matches!(outcome, Outcome::Upstream(_)));
        Ok(Self { text, escaping, reads_answer, reads_upstream })
    }
}

fn unquoted(form: &str) -> String {
    let mut out = String::with_capacity(form.len());
    let mut chars = form.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('\\', Some('n' | 't' | 'r')) => {
                chars.next();
                out.push(' ');
            }
            ('\\', Some(&next @ ('"' | '\'' | '\\'))) => {
                chars.next();
                out.push(next);
            }
            _ if char.is_control() => out.push(' '),
            _ => out.push(char),
        }
    }
    out
}

/// The variable of a name, of those that a line may have; `None`: there is no such.
fn named(name: &str) -> Option<Variable> {
    let of = |prefix: &str| name.strip_prefix(prefix).filter(|name| !name.is_empty());
    let field = |name: &str| name.to_ascii_lowercase().replace('_', "-").into();
    let outcome = match name {
        "status" => Outcome::Status,
        "bytes_sent" => Outcome::BytesSent,
        "body_bytes_sent" => Outcome::BodyBytesSent,
        "request_length" => Outcome::RequestLength,
        "request_time" => Outcome::RequestTime,
        "msec" => Outcome::Seconds,
        "time_local" => Outcome::TimeLocal,
        "time_iso8601" => Outcome::TimeIso,
        "request" => Outcome::RequestLine,
        "upstream_addr" => Outcome::UpstreamAddress,
        "upstream_status" => Outcome::UpstreamStatus,
        "upstream_response_length" | "upstream_bytes_received" => Outcome::UpstreamLength,
        "upstream_response_time" => Outcome::UpstreamTime,
        "upstream_connect_time" => Outcome::ConnectTime,
        "upstream_header_time" => Outcome::HeaderTime,
        // So it is set there.
        "proxy_upstream_name" | "proxy_host" => Outcome::UpstreamName,
        "proxy_alternative_upstream_name" => Outcome::AlternativeName,
        _ => match (of("sent_http_"), of("upstream_http_")) {
            (Some(name), _) => Outcome::Sent(field(name)),
            (_, Some(name)) => Outcome::Upstream(field(name)),
            (None, None) => return Variable::named(name).or_else(|| nothing(name)),
        },
    };
    Some(Variable::Outcome(outcome))
}

fn nothing(name: &str) -> Option<Variable> {
    let is_one_of = |family: &&str| name.len() > family.len() && name.starts_with(*family);
    let is_known = NOTHING.contains(&name) || NOTHING_OF.iter().any(is_one_of);
    is_known.then_some(Variable::Outcome(Outcome::Nothing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::trace::value::TraceValue;

    #[test]
    fn forms_are_read_as_between_single_quotes() {
        for (form, expected) in [
            ("a b", "a b"),
            ("{\n  \"a\":\t\"b\"\r\n}", "{   \"a\": \"b\"  }"),
            (r#"{\"a\": \"\\b\"}\n"#, r#"{"a": "\b"} "#),
            (r"\d \", r"\d \"),
        ] {
            let form = LogForm::new(form, Escaping::Hex).unwrap();
            assert_eq!(form.text.constant(), Some(expected));
        }
    }

    #[test]
    fn forms_know_what_is_known_at_the_end() {
        let variables = |form| -> Vec<Variable> {
            LogForm::new(form, Escaping::Json).unwrap().text.variables().cloned().collect()
        };
        assert_eq!(variables(DEFAULT_LOG_FORM).len(), 17);
        for (form, expected) in [
            ("$status", Variable::Outcome(Outcome::Status)),
            ("$host", Variable::Host),
            ("${sent_http_X_Kind}", Variable::Outcome(Outcome::Sent("x-kind".into()))),
            ("$upstream_http_etag", Variable::Outcome(Outcome::Upstream("etag".into()))),
            ("$opentelemetry_trace_id", Variable::Trace(TraceValue::TraceId)),
            ("$geoip2_country_code", Variable::Outcome(Outcome::Nothing)),
            ("$gzip_ratio", Variable::Outcome(Outcome::Nothing)),
            ("$connection_requests", Variable::Outcome(Outcome::Nothing)),
            ("$ssl_session_reused", Variable::Outcome(Outcome::Nothing)),
            ("$ssl_protocol", Variable::TlsVersion),
            ("$proxy_protocol_addr", Variable::PeerAddress),
            ("$proxy_host", Variable::Outcome(Outcome::UpstreamName)),
        ] {
            assert_eq!(variables(form), [expected], "{form}");
        }
        let reads = |form| {
            let form = LogForm::new(form, Escaping::Bare).unwrap();
            (form.reads_answer, form.reads_upstream)
        };
        assert_eq!(reads("$status $http_x"), (false, false));
        assert_eq!(reads("$sent_http_x"), (true, false));
        assert_eq!(reads("$upstream_http_x"), (false, true));
    }

    #[test]
    fn what_is_no_form_is_told() {
        let long = "x".repeat(LOG_FORM_BYTES_MAX + 1);
        for (form, expected) in [
            ("$nothing", LogFormError::Text(TextError::Unknown("nothing".into()))),
            ("$opentelemetry_x", LogFormError::Text(TextError::Unknown("opentelemetry_x".into()))),
            ("$geoip2_", LogFormError::Text(TextError::Unknown("geoip2_".into()))),
            ("${a", LogFormError::Text(TextError::Open)),
            (&long, LogFormError::TooLong),
        ] {
            assert_eq!(LogForm::new(form, Escaping::Hex), Err(expected));
        }
    }
}
