//! What becomes of a request, told to people: what is asked, what is said, as text and as JSON.
//!
//! Plain data. Who decides is elsewhere: `proxy/exchange/explain` takes the steps of a request that
//! nobody sends, `control` says where values come from. No value that is a secret gets in here: see
//! `secrets`.

mod curl;
mod query;
mod question;
mod secrets;
mod text;

use serde::{Deserialize, Serialize};

use crate::model::Origin;

pub use curl::of_curl;
pub use query::pairs;
pub use question::{Question, QuestionError, Words};
pub use secrets::{NOT_SHOWN, Secrets, is_secret_name, shortened};

/// The whole answer. Its JSON is interface: fields are only added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// Version of the table that says it; counts up from 1 with each that was published.
    pub table_version: u64,
    /// Whose table it is; `None`: made of manifests, for this answer alone.
    pub core: Option<usize>,
    /// The request.
    pub request: Asked,
    /// Where it comes in; `None`: nowhere.
    pub listener: Option<Listener>,
    /// Its TLS handshake; `None`: in clear text.
    pub tls: Option<Tls>,
    /// Hosts that its name belongs to, most specific first, as far as they were asked.
    pub hosts: Vec<String>,
    /// Rules in the order in which it came to them; those whose paths do not match come last.
    pub rules: Vec<Rule>,
    /// Further ones, which are not listed.
    pub rules_left_out: usize,
    /// The rule that has it; `None`: there is none.
    pub rule: Option<Place>,
    /// Gates in the order in which it came to them.
    pub gates: Vec<Gate>,
    /// What is done with it, value by value.
    pub plan: Vec<Value>,
    /// Who may get it.
    pub backends: Vec<Backend>,
    /// What goes up; `None`: nothing.
    pub upstream: Option<Upstream>,
    /// What the client gets.
    pub answer: Answer,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// The request as it is understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Scheme, host, port if it is named, path and query.
    pub url: String,
    /// Whose it is.
    pub client: String,
    /// Server name of the handshake.
    pub sni: Option<String>,
}

/// Where a request comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// `http://0.0.0.0:80`.
    pub entry_point: String,
}

/// What its handshake comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// `terminated`, `relayed` (what is inside, when TLS ended), `passed through` or `refused`.
    pub action: String,
    /// The backend that gets the octets as they are.
    pub backend: Option<String>,
    /// The object of the certificate, if that is known.
    pub certificate: Option<String>,
    /// What is asked of the client's certificate.
    pub client_certificate: Option<String>,
}

/// Where a rule comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// `Ingress shop/web`.
    pub object: String,
    /// Of the object; empty: the whole.
    pub field: String,
    /// `file:line`, of manifests alone.
    pub position: Option<String>,
}

impl From<&Origin> for Place {
    fn from(origin: &Origin) -> Self {
        Self {
            object: origin.object.to_string(),
            field: origin.field(),
            position: origin.position.as_ref().map(ToString::to_string),
        }
    }
}

/// A rule that a request comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Its host, as the object has it; `*`: any.
    pub host: String,
    /// Its path.
    pub path: String,
    /// `exact`, `prefix`, `regex`, `location`, or nothing.
    pub kind: String,
    /// Where it comes from.
    pub place: Place,
    /// Whether it has the request.
    pub is_taken: bool,
    /// Why, or why not.
    pub reason: String,
}

/// A gate and what it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    /// What it is about.
    pub name: String,
    /// `passes`, `answers`, `assumed` (nobody was asked; taken for a pass), or `denies` (unless
    /// another one lets it pass).
    pub verdict: String,
    /// Why.
    pub reason: String,
}

/// A value of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Value {
    /// What it is about.
    pub name: String,
    /// In words.
    pub value: String,
    /// Who says so: an annotation, a key, a flag, a field, or `default`. Empty: not known.
    pub origin: String,
}

/// Who may get a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backend {
    /// Namespace, Service and port.
    pub name: String,
    /// Its share of `weight_total`; of a canary 0.
    pub weight: u32,
    /// Sum of the rule.
    pub weight_total: u32,
    /// It gets requests in the place of another one.
    pub is_canary: bool,
    /// Whether this request is its.
    pub is_taken: bool,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Further ones, which are not listed.
    pub endpoints_left_out: usize,
}

/// Who answers for a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Address and port.
    pub address: String,
    /// `ready`, `ejected` (it failed of late) or `silent` (it owes an answer).
    pub health: String,
    /// Requests that this core has under way there.
    pub in_flight: u32,
    /// Microseconds until an answer, smoothed; `None`: it gave none yet.
    pub latency_micros: Option<u64>,
    /// Whether the next request would go there.
    pub is_taken: bool,
}

/// What goes to a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upstream {
    /// Namespace, Service and port.
    pub backend: String,
    /// The first line.
    pub request_line: String,
    /// That of the client.
    pub request_line_before: String,
    /// Lines that go up, and those that do not.
    pub fields: Vec<Field>,
}

/// A line of a head on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Field {
    /// As it is written.
    pub name: String,
    /// What the client sent; `None`: it sent none.
    pub before: Option<String>,
    /// What goes up; `None`: nothing.
    pub after: Option<String>,
}

/// What a client gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// `None`: what the backend says.
    pub status: Option<u16>,
    /// Where it is sent.
    pub location: Option<String>,
    /// In words.
    pub text: String,
}

impl Explanation {
    /// As JSON, for programs and people.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Text keys and values: there is nothing that could fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Of JSON. What is not known is skipped, what is missing is empty.
    ///
    /// # Errors
    /// It is none.
    pub fn of_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
