//! A plan in words, value by value, for people who ask what is done with a request and why.
//!
//! What a rule does not have is left out. Secrets are: names of fields are told, values of those
//! that prove who somebody is are not.

use std::fmt::Write as _;
use std::time::Duration;

use super::plan::{Plan, RequestPlan, ResponsePlan, Treatment};
use crate::explain::{NOT_SHOWN, is_secret_name, shortened};
use crate::filter::{
    AuthProtocol, Binding, FieldEdits, Gate, Part, PathEdit, Satisfy, Text, Variable,
};
use crate::model::{
    AccessLog, Balance, ClientIdentityPolicy, RetryCause, RetryCauses, ServerField, UpstreamVersion,
};

/// Name and value, in the order of a request's way.
pub type PlanValues = Vec<(&'static str, String)>;

impl Plan {
    /// All that is not as if nobody had said anything, and times and sizes that hold anyway.
    #[must_use]
    pub fn values(&self) -> PlanValues {
        let mut values = Vec::new();
        for gate in self.gates.iter() {
            let (name, value) = gate_value(gate);
            values.push((name, value));
        }
        if self.gates.satisfy() == Satisfy::Any {
            values.push(("satisfy", "any of addresses, password and external auth".to_owned()));
        }
        put_treatment(&self.treatment, &mut values);
        put_request(&self.request, &mut values);
        put_response(&self.response, &mut values);
        let mut put = |name, value: Option<String>| values.extend(value.map(|value| (name, value)));
        let off = (self.access_log == AccessLog::LeftOut).then(|| "off".to_owned());
        put("access log", off);
        put("form of the access log", self.log_form.as_ref().map(|_| "its own".to_owned()));
        put("traced", self.trace.as_ref().map(|_| "yes".to_owned()));
        put(
            "client's address",
            self.forwarded
                .as_ref()
                .map(|policy| format!("by the field {}, as the rule says", policy.field)),
        );
        put("directives", self.script.as_ref().map(|_| "of snippets".to_owned()));
        values
    }
}

/// What a gate is about.
#[must_use]
pub fn gate_value(gate: &Gate) -> (&'static str, String) {
    match gate {
        Gate::Refusal(refusal) => ("refused", format!("every request ({refusal:?})")),
        Gate::Subject => ("client's subject", "has to match".to_owned()),
        Gate::HostSteps(_) => ("directives of the host", "taken".to_owned()),
        Gate::Preflight => ("CORS", "preflight requests are answered".to_owned()),
        Gate::RuleSteps(_) => ("directives of the rule", "taken".to_owned()),
        Gate::HttpsRedirect(status, _) => ("redirect to https", status.to_string()),
        Gate::Redirect(redirect) => ("redirect", redirect.status.to_string()),
        Gate::Goto(goto) => ("redirect", goto.status.to_string()),
        Gate::Replacement(_) => ("redirect", "to the rewritten path, 302".to_owned()),
        Gate::BodySize(most) => ("longest body", bytes(*most)),
        Gate::Endpoints => ("endpoints", "asked before clients are counted".to_owned()),
        Gate::Rate(limits, statuses) => {
            let rates = [(&limits.per_second, "second"), (&limits.per_minute, "minute")];
            let rates = rates.iter().filter(|(rate, _)| rate.is_some()).map(|(_, unit)| *unit);
            let units = rates.collect::<Vec<_>>().join(" and per ");
            ("rate of a client", format!("limited per {units}, else {}", statuses.rate))
        }
        Gate::Open(limits, statuses) => {
            let most = limits.open.map_or(0, std::num::NonZeroU32::get);
            ("requests of a client", format!("{most} at a time, else {}", statuses.open))
        }
        Gate::Addresses(rules) => {
            let deny = if rules.deny.is_empty() { "" } else { ", but for some" };
            let allow = if rules.allow.is_some() { "those that are listed" } else { "all" };
            ("addresses", format!("{allow}{deny}"))
        }
        Gate::Password(_) => ("password", "asked for".to_owned()),
        Gate::ExternalAuth(auth) => {
            let how = match auth.protocol {
                AuthProtocol::Subrequest(method) => method,
                AuthProtocol::Http => "as the request, behind",
                AuthProtocol::Check => "by gRPC",
            };
            // A query may hold a key.
            let target = text(&auth.target);
            let path = target.split('?').next().unwrap_or_default();
            ("external auth", format!("{how} {path}").trim_end().to_owned())
        }
    }
}

fn put_treatment(treatment: &Treatment, values: &mut PlanValues) {
    let Treatment { connect_timeout, send_timeout, read_timeout, .. } = treatment;
    values.extend([
        ("connect timeout", time(*connect_timeout)),
        ("send timeout", time(*send_timeout)),
        ("read timeout", time(*read_timeout)),
    ]);
    let mut put = |name, value: Option<String>| values.extend(value.map(|value| (name, value)));
    put("request timeout", treatment.exchange_timeout.map(time));
    put("timeout of a try", treatment.try_timeout.map(time));
    put("tries", Some(treatment.tries_max.to_string()));
    put("tries within", (!treatment.tries_time.is_zero()).then(|| time(treatment.tries_time)));
    put("tried again after", Some(causes(treatment.retry_causes, &treatment.retried_statuses)));
    put("pause before a try", treatment.backoff.map(time));
    put(
        "pace",
        treatment.pace.map(|pace| {
            format!(
                "{} a second after {}",
                bytes(pace.bytes_per_second.get()),
                bytes(pace.after_bytes)
            )
        }),
    );
    put(
        "balance",
        Some(match treatment.balance {
            Balance::RoundRobin => "round robin".to_owned(),
            Balance::LeastRequest => "least request".to_owned(),
            Balance::PeakEwma => "peak EWMA".to_owned(),
        }),
    );
    put(
        "bound by",
        treatment.binding.as_deref().map(|binding| match binding {
            Binding::Session(cookie) => format!("the cookie {}", cookie.name),
            Binding::Header(header) => format!("the field {}", header.name),
            Binding::Hash(by) => format!("the hash of {}", text(&by.text)),
        }),
    );
}

fn put_request(plan: &RequestPlan, values: &mut PlanValues) {
    let mut put = |name, value: Option<String>| values.extend(value.map(|value| (name, value)));
    put("Host upstream", plan.host.as_ref().map(text));
    put("method upstream", plan.method.as_deref().map(str::to_owned));
    let is_old = plan.version == UpstreamVersion::Http10;
    put("HTTP upstream", is_old.then(|| "1.0".to_owned()));
    put(
        "path upstream",
        plan.path.as_ref().map(|edit| match edit {
            PathEdit::Full(path) => path.to_string(),
            PathEdit::Prefix(path) => format!("{path} in the place of the prefix"),
        }),
    );
    put("rewrite", plan.replacement.as_ref().map(|replacement| text(&replacement.target)));
    put("fields upstream", fields(&plan.fields));
    put("Connection upstream", plan.connection.map(|option| format!("{option:?}").to_lowercase()));
    let texts = plan.texts.iter().map(|(name, value)| shown(name, &text(value)));
    put("set by texts", Some(texts.collect::<Vec<_>>().join("; ")).filter(|all| !all.is_empty()));
    put(
        "client certificate",
        match plan.identity {
            ClientIdentityPolicy::Untold => None,
            ClientIdentityPolicy::Told => Some("told the backend".to_owned()),
            ClientIdentityPolicy::WithCertificate => {
                Some("told the backend, as a whole".to_owned())
            }
        },
    );
    put(
        "copies",
        match plan.mirrors.len() {
            0 => None,
            count => Some(format!("to {count} other server(s)")),
        },
    );
}

fn put_response(plan: &ResponsePlan, values: &mut PlanValues) {
    let mut put = |name, value: Option<String>| values.extend(value.map(|value| (name, value)));
    put("fields of the backend", fields(&plan.fields));
    put("Strict-Transport-Security", plan.hsts.as_deref().map(str::to_owned));
    put("fields of answers", fields(&plan.set));
    let added = plan.added.iter().map(|(name, value)| shown(name, value));
    put(
        "added to answers",
        Some(added.collect::<Vec<_>>().join("; ")).filter(|all| !all.is_empty()),
    );
    put("CORS", plan.cors.as_ref().map(|_| "by origin".to_owned()));
    put(
        "Server",
        match plan.server {
            ServerField::Removed => None,
            ServerField::Ours => Some("ours".to_owned()),
            ServerField::OfBackend => Some("that of the backend".to_owned()),
        },
    );
    put("places rewritten", plan.places.as_ref().map(|_| "yes".to_owned()));
    let statuses: Vec<_> = plan.replaced_statuses.iter().map(u16::to_string).collect();
    put("replaced answers", (!statuses.is_empty()).then(|| statuses.join(",")));
    put("compression", plan.compression.as_ref().map(|_| "on".to_owned()));
    put("texts replaced", plan.substitutions.as_ref().map(|_| "yes".to_owned()));
}

fn fields(edits: &FieldEdits) -> Option<String> {
    let set = edits.set().map(|(name, value)| shown(name, value));
    let added = edits.added().map(|(name, value)| format!("+{}", shown(name, value)));
    let removed = edits.removed().map(|name| format!("no {name}"));
    let all: Vec<_> = set.chain(added).chain(removed).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn shown(name: &str, value: &str) -> String {
    let value = if is_secret_name(name) { NOT_SHOWN.to_owned() } else { shortened(value) };
    format!("{name}: {value}")
}

/// Variables are told as such, not by their values.
fn text(text: &Text) -> String {
    let mut all = String::new();
    for part in text.parts() {
        match part {
            Part::Literal(literal) => all.push_str(literal),
            // Writing to a String cannot fail.
            Part::Variable(variable) => match variable {
                Variable::Capture(number) => write!(all, "${number}"),
                Variable::NamedCapture(name) | Variable::Set(name) => write!(all, "${name}"),
                Variable::Field(name) => write!(all, "$http_{name}"),
                Variable::Cookie(name) => write!(all, "$cookie_{name}"),
                Variable::Parameter(name) => write!(all, "$arg_{name}"),
                Variable::Answered(name) => write!(all, "$upstream_http_{name}"),
                Variable::Mapped(_) => write!(all, "$(mapped)"),
                simple => write!(all, "$({simple:?})"),
            }
            .unwrap_or_default(),
        }
    }
    shortened(&all)
}

fn time(time: Duration) -> String {
    format!("{time:?}")
}

fn bytes(count: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(size, _)| count >= *size && count.is_multiple_of(*size));
    unit.map_or_else(|| format!("{count} B"), |(size, unit)| format!("{} {unit}", count / size))
}

fn causes(causes: RetryCauses, statuses: &[u16]) -> String {
    let words = [
        (RetryCause::Error, "error"),
        (RetryCause::Timeout, "timeout"),
        (RetryCause::InvalidHead, "invalid head"),
        (RetryCause::NonIdempotent, "whatever the method"),
    ];
    let words = words.iter().filter(|(cause, _)| causes.has(*cause));
    let words = words.map(|(_, word)| (*word).to_owned());
    let all: Vec<_> = words.chain(statuses.iter().map(u16::to_string)).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}
