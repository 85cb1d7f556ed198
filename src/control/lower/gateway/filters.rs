//! Filters of HTTPRoutes and GRPCRoutes → steps of a rule or of one backend.

use std::sync::Arc;

use super::external_auth::{self, Doorkeeper};
use super::meaning::Refused;
use super::references::References;
use super::rules::{bounded, unsupported};
use super::speech::{Speaker, Speech};
use crate::control::gateway_api::http_route::{
    CorsFilter, Fraction, Header, HeaderModifier, HttpFilter, PathModifier, RequestMirror,
    RequestRedirect, UrlRewrite,
};
use crate::filter::{
    Cors, CorsTerms, Credentials, Edit, FieldEdits, Filter, Mirror, NamedPort, OriginPattern,
    Origins, PathEdit, Redirect, RedirectQuery, Rewrite, RouteCors,
};
use crate::limits::CORS_ORIGINS_MAX;
use crate::model::{BackendTarget, HostName, MirrorPolicy, Share};

/// What the filters of one list come to.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// In order.
    pub edits: Vec<Edit>,
    pub redirect: Option<Redirect>,
    pub mirrors: Vec<MirrorPolicy>,
    pub cors: Option<Arc<Cors>>,
    pub doorkeeper: Option<Doorkeeper>,
    /// The filter that replaces what a prefix matched, if there is one.
    pub needs_prefix: Option<String>,
}

impl Steps {
    /// Reads the filters that stand at `field`.
    pub(super) fn read(
        speaker: &Speaker<'_>,
        filters: &[HttpFilter],
        field: &str,
        references: &mut References,
    ) -> Result<Self, Refused> {
        bounded(filters, field)?;
        let mut steps = Self::default();
        for (index, filter) in filters.iter().enumerate() {
            steps.take(speaker, filter, &format!("{field}[{index}]"), references)?;
        }
        let rewrites = steps.edits.iter().any(|edit| matches!(edit, Edit::Rewrite(_)));
        if steps.redirect.is_some() && rewrites {
            return Err(Refused {
                reason: "IncompatibleFilters",
                field: field.to_owned(),
                message: "A request that is redirected is not rewritten; remove URLRewrite or \
                          RequestRedirect."
                    .into(),
            });
        }
        Ok(steps)
    }

    fn take(
        &mut self,
        speaker: &Speaker<'_>,
        filter: &HttpFilter,
        field: &str,
        references: &mut References,
    ) -> Result<(), Refused> {
        if speaker.speech == Speech::Grpc && !OF_CALLS.contains(&&*filter.type_) {
            return Err(unknown(filter, field));
        }
        match &*filter.type_ {
            "RequestHeaderModifier" => {
                let (modifier, field) =
                    part(&filter.request_header_modifier, field, "requestHeaderModifier")?;
                self.edit_request(modifier, &field)?;
            }
            "ResponseHeaderModifier" => {
                let (modifier, field) =
                    part(&filter.response_header_modifier, field, "responseHeaderModifier")?;
                self.edits.push(Edit::ResponseFields(edits(modifier, &field)?));
            }
            "RequestMirror" => {
                let (mirror, field) = part(&filter.request_mirror, field, "requestMirror")?;
                self.mirrors.extend(mirror_policy(speaker, mirror, &field, references)?);
            }
            "RequestRedirect" => {
                let (redirect, field) = part(&filter.request_redirect, field, "requestRedirect")?;
                self.note_path(redirect.path.as_ref(), &field);
                self.redirect = Some(read_redirect(redirect, &field)?);
            }
            "URLRewrite" => {
                let (rewrite, field) = part(&filter.url_rewrite, field, "urlRewrite")?;
                self.note_path(rewrite.path.as_ref(), &field);
                self.edits.push(Edit::Rewrite(read_rewrite(rewrite, &field)?));
            }
            "CORS" => {
                let (cors, field) = part(&filter.cors, field, "cors")?;
                self.cors = Some(read_cors(cors, &field)?);
            }
            "ExternalAuth" => {
                let (auth, field) = part(&filter.external_auth, field, "externalAuth")?;
                let doorkeeper = external_auth::read(speaker, auth, &field, references)?;
                if self.doorkeeper.replace(doorkeeper).is_some() {
                    return Err(unsupported(
                        field,
                        "One server is asked at most; remove this one.",
                    ));
                }
            }
            _ => return Err(unknown(filter, field)),
        }
        Ok(())
    }

    /// A new Host is a rewrite.
    fn edit_request(&mut self, modifier: &HeaderModifier, field: &str) -> Result<(), Refused> {
        let is_host = |header: &Header| header.name.eq_ignore_ascii_case("host");
        let (host, set) = modifier.set.iter().cloned().partition::<Vec<_>, _>(is_host);
        let rest = HeaderModifier { set, ..modifier.clone() };
        self.edits.push(Edit::RequestFields(edits(&rest, field)?));
        if let Some(Header { name: _, value }) = host.first() {
            let hostname = Some(host_name(value.trim(), &format!("{field}.set"))?);
            self.edits.push(Edit::Rewrite(Rewrite { hostname, path: None }));
        }
        Ok(())
    }

    fn note_path(&mut self, modifier: Option<&PathModifier>, field: &str) {
        if modifier.is_some_and(|modifier| modifier.type_ == "ReplacePrefixMatch") {
            self.needs_prefix.get_or_insert_with(|| format!("{field}.path"));
        }
    }

    /// Those that are steps of a rule.
    pub(super) fn filters(&mut self) -> Vec<Filter> {
        let redirect = self.redirect.take().map(Filter::Redirect);
        self.edits.drain(..).map(Filter::Edit).chain(redirect).collect()
    }
}

/// Filters of GRPCRoutes.
const OF_CALLS: [&str; 3] = ["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"];

fn unknown(filter: &HttpFilter, field: &str) -> Refused {
    let text = format!("The filter {} is not supported; remove it.", filter.type_);
    unsupported(format!("{field}.type"), text)
}

/// The part of a filter that belongs to its type, and where it stands.
fn part<'p, T>(value: &'p Option<T>, field: &str, name: &str) -> Result<(&'p T, String), Refused> {
    match value {
        Some(value) => Ok((value, format!("{field}.{name}"))),
        None => Err(unsupported(field, format!("{name} is missing; write it."))),
    }
}

fn edits(modifier: &HeaderModifier, field: &str) -> Result<FieldEdits, Refused> {
    let HeaderModifier { set, add, remove } = modifier;
    FieldEdits::new(pairs(set), pairs(add), remove.iter().map(String::as_str))
        .map_err(|error| unsupported(field, format!("{error}; correct it.")))
}

fn pairs(list: &[Header]) -> impl Iterator<Item = (&str, &str)> {
    list.iter().map(|header| (&*header.name, header.value.trim_matches([' ', '\t'])))
}

/// `None`: who should get the copies cannot be used, which its reference tells.
fn mirror_policy(
    speaker: &Speaker<'_>,
    mirror: &RequestMirror,
    field: &str,
    references: &mut References,
) -> Result<Option<MirrorPolicy>, Refused> {
    let share = match (mirror.percent, &mirror.fraction) {
        (None, None) => Share::ALL,
        (Some(percent @ 0..=100), None) => Share { weight: percent, total: 100 },
        (None, Some(Fraction { numerator, denominator })) => {
            let total = denominator.unwrap_or(100);
            if total == 0 || *numerator > total {
                let text = "It is no part of a whole; write a numerator from 0 to denominator.";
                return Err(unsupported(format!("{field}.fraction"), text));
            }
            Share { weight: *numerator, total }
        }
        _ => {
            let text = "Write percent from 0 to 100, or fraction in its place.";
            return Err(unsupported(format!("{field}.percent"), text));
        }
    };
    let field = format!("{field}.backendRef");
    let copy = Arc::new(Mirror::FORWARDED);
    Ok(match speaker.backend(references, &mirror.backend_ref, &field) {
        BackendTarget::Service(server) => Some(MirrorPolicy { copy, server, share }),
        _ => None,
    })
}

fn read_redirect(redirect: &RequestRedirect, field: &str) -> Result<Redirect, Refused> {
    let RequestRedirect { scheme, hostname, path, port, status_code } = redirect;
    if let Some(other) = scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
        let text = format!("{other} is no scheme; write http or https.");
        return Err(unsupported(format!("{field}.scheme"), text));
    }
    let status = status_code.unwrap_or(302);
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        let text = format!("{status} is no redirect; write 301, 302, 303, 307 or 308.");
        return Err(unsupported(format!("{field}.statusCode"), text));
    }
    let hostname = hostname.as_ref();
    Ok(Redirect {
        scheme: scheme.as_deref().map(Into::into),
        hostname: hostname.map(|name| host_name(name, &format!("{field}.hostname"))).transpose()?,
        port: port.map_or(NamedPort::Listener, NamedPort::Number),
        path: path.as_ref().map(|path| path_edit(path, &format!("{field}.path"))).transpose()?,
        query: RedirectQuery::Kept,
        status,
    })
}

fn read_rewrite(rewrite: &UrlRewrite, field: &str) -> Result<Rewrite, Refused> {
    let (hostname, path) = (rewrite.hostname.as_ref(), rewrite.path.as_ref());
    Ok(Rewrite {
        hostname: hostname.map(|name| host_name(name, &format!("{field}.hostname"))).transpose()?,
        path: path.map(|path| path_edit(path, &format!("{field}.path"))).transpose()?,
    })
}

fn path_edit(modifier: &PathModifier, field: &str) -> Result<PathEdit, Refused> {
    let PathModifier { type_, replace_full_path, replace_prefix_match } = modifier;
    match (&**type_, replace_full_path, replace_prefix_match) {
        ("ReplaceFullPath", Some(path), None) => Ok(PathEdit::Full(path.as_str().into())),
        ("ReplacePrefixMatch", None, Some(path)) => Ok(PathEdit::Prefix(path.as_str().into())),
        ("ReplaceFullPath" | "ReplacePrefixMatch", ..) => {
            Err(unsupported(field, "Write the field of its type, and no other."))
        }
        (other, ..) => Err(unsupported(
            format!("{field}.type"),
            format!("{other} is not supported; write ReplaceFullPath or ReplacePrefixMatch."),
        )),
    }
}

/// A name, perhaps with a port, as Host has it.
fn host_name(text: &str, field: &str) -> Result<Arc<str>, Refused> {
    let (name, port) = text.split_once(':').map_or((text, None), |(n, p)| (n, Some(p)));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if HostName::new(name).is_ok() && is_port {
        return Ok(text.into());
    }
    Err(unsupported(field, format!("{text:?} is no name of a host; write one such as a.example.")))
}

fn read_cors(cors: &CorsFilter, field: &str) -> Result<Arc<Cors>, Refused> {
    let CorsFilter {
        allow_origins,
        allow_credentials,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
    } = cors;
    let origins = match &**allow_origins {
        [star] if star == "*" => Origins::All,
        list if list.len() > CORS_ORIGINS_MAX => {
            let text = format!("It has {CORS_ORIGINS_MAX} elements at most.");
            return Err(unsupported(format!("{field}.allowOrigins"), text));
        }
        list => {
            let read = |(index, text): (usize, &String)| {
                OriginPattern::of_route(text).map_err(|error| {
                    let text = format!("{text:?} is no origin: {error}.");
                    unsupported(format!("{field}.allowOrigins[{index}]"), text)
                })
            };
            Origins::Listed(list.iter().enumerate().map(read).collect::<Result<_, _>>()?)
        }
    };
    let terms = CorsTerms {
        origins,
        credentials: match allow_credentials {
            Some(true) => Credentials::Allowed,
            Some(false) | None => Credentials::Omitted,
        },
        methods: allow_methods,
        headers: allow_headers,
        exposed: expose_headers,
        max_age: max_age.unwrap_or(5),
    };
    let cors = RouteCors::new(&terms)
        .map_err(|error| unsupported(field, format!("{error}; correct it.")))?;
    Ok(Arc::new(Cors::Route(Box::new(cors))))
}
