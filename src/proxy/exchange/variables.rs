//! The values of variables for one request.

use crate::filter::script::parameter;
use crate::filter::{CertificatePart, Variable, Variables};
use crate::http1::encode::put_decimal;
use crate::http1::fields::FieldKind;
use crate::http1::target::{put_decoded, put_escaped};
use crate::limits::PASSWORD_CREDENTIALS_BYTES_MAX;
use crate::model::{BackendKey, Origin, PortRef, Scheme};
use crate::passwords::basic::Credentials;
use crate::proxy::core::{put_date_in, put_now};
use crate::proxy::exchange::request::Request;
use crate::tls::ClientIdentity;

/// What is known of a request on its way. What is not known is empty.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The request.
    pub request: Request<'a>,
    /// Its id.
    pub request_id: &'a [u8],
    /// Where its rule comes from.
    pub origin: Option<&'a Origin>,
    /// Where it goes, once that is known.
    pub backend: Option<&'a BackendKey>,
}

impl Variables for Known<'_> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        let Request { downstream, bytes, head, .. } = self.request;
        let query = head.query.map_or(&b""[..], |query| query.of(bytes));
        let listener = &downstream.listener;
        let part: &[u8] = match variable {
            Variable::Host => &head.host,
            Variable::Authority => head.authority.of(bytes),
            Variable::ToldAuthority => self.request.authority(),
            Variable::RequestUri => head.target.of(bytes),
            Variable::EscapedRequestUri => return put_escaped(head.target.of(bytes), out),
            Variable::Path => return put_decoded(&head.path, out),
            Variable::Query => query,
            Variable::QuestionMark if query.is_empty() => b"",
            Variable::QuestionMark => b"?",
            Variable::Scheme => listener.scheme.as_str().as_bytes(),
            Variable::ToldScheme => self.request.told_scheme(),
            Variable::ClientAddress => self.request.client_text(),
            Variable::PeerAddress => downstream.client.as_bytes(),
            Variable::ClientPort => match self.request.client().port() {
                0 => b"",
                port => return put_decimal(out, port.into()),
            },
            Variable::User => return put_user(self.request, out),
            Variable::Mapped(map) => return map.put(self, out),
            Variable::Certificate(part) => put_certificate(self.request, *part),
            Variable::DateIn(seconds) => return put_date_in(*seconds, out),
            Variable::TlsVersion => downstream.tls.map_or("", |tls| tls.version).as_bytes(),
            Variable::TlsCipher => downstream.tls.map_or("", |tls| tls.cipher).as_bytes(),
            Variable::Method => head.method.of(bytes),
            Variable::Protocol => {
                downstream.protocol.unwrap_or_else(|| head.version.as_str()).as_bytes()
            }
            Variable::ServerPort => return put_decimal(out, listener.port.into()),
            Variable::ToldPort => match self.request.claimed_port() {
                Some(port) => port,
                None => return put_decimal(out, listener.told_port.into()),
            },
            Variable::RequestId => self.request_id,
            Variable::Now => return put_now(out),
            Variable::Namespace => self.origin.map_or(b"", |from| from.object.namespace.as_bytes()),
            Variable::ObjectName => self.origin.map_or(b"", |from| from.object.name.as_bytes()),
            Variable::ServiceName => self.backend.map_or(b"", |key| key.service.as_bytes()),
            Variable::ServicePort => match self.backend.map(|key| &key.port) {
                Some(PortRef::Number(number)) => return put_decimal(out, (*number).into()),
                Some(PortRef::Name(name)) => name.as_bytes(),
                Some(PortRef::First) | None => b"",
            },
            Variable::Field(name) => head.find_name(bytes, name.as_bytes()).unwrap_or_default(),
            Variable::Cookie(name) => cookie(self.request, name.as_bytes()).unwrap_or_default(),
            Variable::Parameter(name) => parameter(query, name.as_bytes()),
            Variable::ForwardedFor => return self.put_way(out),
            Variable::ConnectionUpgrade if head.is_upgrade => b"upgrade",
            Variable::Trace(value) => {
                let fields = self.request.named_fields();
                let trace = self.request.trace;
                return trace.map_or((), |trace| trace.put(*value, fields, out));
            }
            Variable::Https if listener.scheme == Scheme::Https => b"on",
            // Whoever has an expression, a script or an answer knows what these are.
            Variable::Capture(_)
            | Variable::NamedCapture(_)
            | Variable::Set(_)
            | Variable::Answered(_)
            | Variable::AnsweredCookie(_)
            | Variable::Status
            | Variable::Outcome(_)
            | Variable::ConnectionUpgrade
            | Variable::Https => b"",
        };
        out.extend_from_slice(part);
    }
}

impl Known<'_> {
    /// Source: nginx `ngx_http_proxy_add_x_forwarded_for_variable`.
    fn put_way(&self, out: &mut Vec<u8>) {
        let Request { bytes, head, .. } = self.request;
        let said = head.fields.iter().filter(|field| field.kind == FieldKind::XForwardedFor);
        for value in said.map(|field| field.value.of(bytes)) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(self.request.client_text());
    }
}

/// What is known of the client by its certificate, as it is told backends.
fn put_certificate<'a>(request: Request<'a>, part: CertificatePart) -> &'a [u8] {
    let name: &[u8] = match part {
        CertificatePart::Verdict => b"ssl-client-verify: ",
        CertificatePart::Subject => b"ssl-client-subject-dn: ",
        CertificatePart::Issuer => b"ssl-client-issuer-dn: ",
        CertificatePart::Whole => b"ssl-client-cert: ",
    };
    let downstream = request.downstream;
    let fields = match downstream.identity.as_deref() {
        Some(identity) if part == CertificatePart::Whole => identity.fields_with_certificate(),
        Some(identity) => identity.fields(),
        None if downstream.listener.scheme == Scheme::Https => ClientIdentity::UNASKED_FIELDS,
        None => b"",
    };
    let mut lines = fields.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

/// Who the client says it is, by a password that may be wrong.
fn put_user(request: Request<'_>, out: &mut Vec<u8>) {
    let mut room = [0; PASSWORD_CREDENTIALS_BYTES_MAX];
    let value = request.head.find_name(request.bytes, b"authorization");
    if let Some(credentials) = value.and_then(|value| Credentials::parse(value, &mut room)) {
        out.extend(credentials.name.iter().filter(|octet| !octet.is_ascii_control()));
    }
}

/// The value of the first cookie of `name`, any case, as nginx has it.
pub fn cookie<'a>(request: Request<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let lines = request.cookies().flat_map(|cookies| cookies.split(|&octet| octet == b';'));
    lines.map(<[u8]>::trim_ascii).find_map(|pair| value_of(pair, name))
}

/// What stands behind `name=`.
pub fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = pair.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b"=")?;
    found.eq_ignore_ascii_case(name).then_some(value)
}
