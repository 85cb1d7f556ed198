//! One request, what is answered, and what the backend saw of it.

use std::collections::BTreeMap;

use super::{Client, Message, fields_named};

/// Names and values.
type Fields = Vec<(&'static str, String)>;

/// See the module. What a row does not mention may be as it likes.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    host: String,
    /// `METHOD target`.
    request: String,
    is_tls: bool,
    client: &'static str,
    sent: Fields,
    body: String,
    status: u16,
    backend: Option<&'static str>,
    present: Fields,
    absent: Vec<&'static str>,
    texts: Vec<&'static str>,
    seen_line: Option<String>,
    seen: Fields,
    unseen: Vec<&'static str>,
    seen_body: Option<&'static str>,
}

/// A request (`/path`, or `METHOD /path`) and its status.
pub(crate) fn row(host: impl Into<String>, request: &str, status: u16) -> Row {
    let is_target = request.starts_with(['/', '*']);
    Row {
        host: host.into(),
        request: if is_target { format!("GET {request}") } else { request.to_owned() },
        is_tls: false,
        client: "",
        sent: Vec::new(),
        body: String::new(),
        status,
        backend: None,
        present: Vec::new(),
        absent: Vec::new(),
        texts: Vec::new(),
        seen_line: None,
        seen: Vec::new(),
        unseen: Vec::new(),
        seen_body: None,
    }
}

/// Which connection a row's request takes: one for each way, as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way<'r> {
    pub(crate) is_tls: bool,
    /// Over https: the host, without port.
    pub(crate) name: &'r str,
    /// Who the load balancer says it is; empty: nobody.
    pub(crate) client: &'r str,
}

/// Sends each row's request.
///
/// # Panics
/// With all rows whose answer is another.
#[track_caller]
pub(crate) fn check<'r>(rows: &'r [Row], connect: impl Fn(Way<'r>) -> Client) {
    let mut clients: BTreeMap<Way<'r>, Client> = BTreeMap::new();
    let mut failures = String::new();
    for row in rows {
        let name = if row.is_tls { row.host_name() } else { "" };
        let way = Way { is_tls: row.is_tls, name, client: row.client };
        let mut client = clients.remove(&way).unwrap_or_else(|| connect(way));
        match row.run(&mut client) {
            Ok(true) => drop(clients.insert(way, client)),
            Ok(false) => {}
            Err(failure) => failures += &failure,
        }
    }
    assert!(failures.is_empty(), "of {} rows these differ:\n{failures}", rows.len());
}

impl Row {
    /// Over https, with the name of the host.
    pub(crate) fn tls(self) -> Self {
        Self { is_tls: true, ..self }
    }

    /// Of the client with this address: a load balancer says so by the PROXY protocol, which the
    /// area has to trust.
    pub(crate) fn by(self, client: &'static str) -> Self {
        Self { client, ..self }
    }

    /// Sends a field more.
    pub(crate) fn send(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.sent.push((name, value.into()));
        self
    }

    /// Sends a body, with its length.
    pub(crate) fn body(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The echo backend of this name answers.
    pub(crate) fn from(self, backend: &'static str) -> Self {
        Self { backend: Some(backend), ..self }
    }

    /// The response has this field, once.
    pub(crate) fn has(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.present.push((name, value.into()));
        self
    }

    /// The response does not have this field.
    pub(crate) fn lacks(mut self, name: &'static str) -> Self {
        self.absent.push(name);
        self
    }

    /// The body of the response contains this.
    pub(crate) fn says(mut self, text: &'static str) -> Self {
        self.texts.push(text);
        self
    }

    /// The request line of the backend begins so: `METHOD target`, or the target alone of a GET.
    pub(crate) fn saw(self, line: &str) -> Self {
        let is_target = line.starts_with(['/', '*']);
        let line = if is_target { format!("GET {line}") } else { line.to_owned() };
        Self { seen_line: Some(line), ..self }
    }

    /// The backend got this field, once.
    pub(crate) fn saw_field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.seen.push((name, value.into()));
        self
    }

    /// The backend did not get this field.
    pub(crate) fn saw_no(mut self, name: &'static str) -> Self {
        self.unseen.push(name);
        self
    }

    /// The backend got this body.
    pub(crate) fn saw_body(self, body: &'static str) -> Self {
        Self { seen_body: Some(body), ..self }
    }

    /// The echo backend that is to answer.
    pub(crate) fn backend(&self) -> Option<&'static str> {
        self.backend
    }

    /// Without port.
    fn host_name(&self) -> &str {
        self.host.split(':').next().unwrap_or_default()
    }

    /// Sends the request and compares; says whether the connection goes on, or what is different.
    fn run(&self, client: &mut Client) -> Result<bool, String> {
        let Self { request, host, sent, body, .. } = self;
        let mut head = format!("{request} HTTP/1.1\r\nHost: {host}\r\n");
        sent.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        client.send(head + "\r\n" + body);
        let method = request.split(' ').next().unwrap_or_default();
        let response = client.response_to(method);
        let found = self.differences(&response);
        let text = response.text();
        let whole = || format!("{} {:?}\n    {text}", response.start_line, response.fields);
        let what = format!("{request} of {host}, tls {}", self.is_tls);
        match found.is_empty() {
            true => Ok(response.field("connection") != Some("close")),
            false => Err(format!("- {what}: {}\n    {}\n", found.join("; "), whole())),
        }
    }

    fn differences(&self, response: &Message) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, is: &str, wanted: &str| {
            if is != wanted {
                found.push(format!("{what}: {is:?}, wanted {wanted:?}"));
            }
        };
        check("status", &response.status().to_string(), &self.status.to_string());
        for (name, value) in &self.present {
            check(name, &fields_named(&response.fields, name).join(" | "), value);
        }
        for name in &self.absent {
            check(name, &fields_named(&response.fields, name).join(" | "), "");
        }
        let text = response.text();
        for wanted in self.texts.iter().filter(|wanted| !text.contains(**wanted)) {
            check("body", &text, wanted);
        }
        let Ok(echo) = serde_json::from_slice::<serde_json::Value>(&response.body) else {
            if self.looks_behind() {
                check("backend", "none", self.backend.unwrap_or("any"));
            }
            return found;
        };
        let part = |name: &str| echo[name].as_str().unwrap_or_default().to_owned();
        if let Some(backend) = self.backend {
            check("backend", &part("backend"), backend);
        }
        if let Some(line) = &self.seen_line {
            check("the backend's line", &part("start_line"), &format!("{line} HTTP/1.1"));
        }
        if let Some(body) = self.seen_body {
            check("the backend's body", &part("body"), body);
        }
        for (name, value) in &self.seen {
            check(name, &response.echoed_fields(name).join(" | "), value);
        }
        for name in &self.unseen {
            check(name, &response.echoed_fields(name).join(" | "), "");
        }
        found
    }

    /// Whether it says something of a backend.
    fn looks_behind(&self) -> bool {
        self.backend.is_some()
            || self.seen_line.is_some()
            || self.seen_body.is_some()
            || !self.seen.is_empty()
    }
}
