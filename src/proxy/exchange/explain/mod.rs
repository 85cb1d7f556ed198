//! What would become of a request that nobody sends: the steps of `serve` without anybody to ask.
//!
//! Takes the very functions that requests take, on the core's own table, backends and health.
//! INVARIANT: nothing is sent, counted, logged or held, and no endpoint's turn is taken: whoever
//! explains changes nothing.

mod gates;
mod sights;

use std::net::SocketAddr;
use std::rc::Rc;

use crate::explain::{self as told, Explanation, Question, Secrets};
use crate::filter::script::PageStatus;
use crate::filter::{Answer, EndingPlace, Scheme};
use crate::http1::fields::FieldKind;
use crate::http1::head::{HeadScan, parse_request};
use crate::model::{BackendKey, EntryPoint, ListenerId, UpstreamVersion};
use crate::proxy::core::{Core, CoreTable, Scratch};
use crate::proxy::exchange::downstream::{Downstream, ListenerFacts};
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::serve::Instead;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::substitute::Cause;
use crate::proxy::rt::Stream;
use crate::proxy::upstream::backend::Backend;
use crate::table::{BackendId, Match, Route, StreamBackends, TableTls};
use crate::tls::{ClientIdentity, ServerTls};

/// Stands for the id that each request gets.
const REQUEST_ID: &[u8] = b"{request-id}";

/// What the core would do with the request, by the table in force.
pub fn explain(core: &Rc<Core>, question: &Question) -> Explanation {
    let table = core.table();
    let Question { scheme, authority, target, method, client, sni, .. } = question;
    let is_tls = *scheme == Scheme::Https;
    let mut told = Explanation {
        table_version: table.0.version.0,
        core: Some(core.subscriber.core),
        request: told::Asked {
            method: method.clone(),
            url: format!("{}://{authority}{target}", scheme.as_str()),
            client: client.to_string(),
            sni: sni.clone().filter(|_| is_tls),
        },
        ..Explanation::default()
    };
    if let Some(downstream) = arrive(core, &table, question, &mut told) {
        rehearse(core, &table, question, &downstream, &mut told);
    }
    core.retire_table(table);
    told
}

/// How the endpoints of a backend do; `None`: there is no such backend.
pub fn backend(core: &Core, key: &BackendKey) -> Option<told::Backend> {
    core.upstreams.backend_of(key).map(|backend| sights::backend(&backend))
}

/// The connection that the request comes by, if it comes to one.
fn arrive(
    core: &Rc<Core>,
    table: &CoreTable,
    question: &Question,
    told: &mut Explanation,
) -> Option<Downstream> {
    let Some((entry_point, id)) = entrance(table, question) else {
        let scheme = question.scheme.as_str();
        told.answer.text = format!("the connection is refused: nobody listens for {scheme}");
        return None;
    };
    told.listener = Some(told::Listener { entry_point: entry_point.to_string() });
    if let Some(port) = question.port.filter(|port| *port != entry_point.address.port()) {
        let note = format!("nobody listens at port {port}: taken as coming in at {entry_point}");
        told.notes.push(note);
    }
    let Ok(stream) = Stream::closed(&core.deadlines) else {
        told.answer.text = "it cannot be told: no descriptor is left".to_owned();
        return None;
    };
    let peer = SocketAddr::new(question.client, 0);
    let facts = Rc::new(ListenerFacts::new(id, entry_point));
    let mut downstream = Downstream::new(stream.into(), peer, facts);
    if question.scheme != Scheme::Https {
        return Some(downstream);
    }
    let name = question.sni.as_deref();
    let (tls, is_ours) = match table.0.server_name(id, name.map(str::as_bytes)) {
        None => (told::Tls { action: "refused".to_owned(), ..told::Tls::default() }, false),
        Some(TableTls::Passthrough { backends, .. }) => {
            let (action, backend) = ("passed through".to_owned(), names(core, backends));
            (told::Tls { action, backend, ..told::Tls::default() }, false)
        }
        Some(TableTls::Relay { tls, backends }) => {
            let backend = names(core, backends);
            let action = "relayed".to_owned();
            (told::Tls { action, backend, ..ended(&mut downstream, tls) }, false)
        }
        Some(TableTls::Terminate(tls)) => (ended(&mut downstream, tls), true),
    };
    downstream.section = table.0.section(id, name.map(str::as_bytes)).cloned().map(Rc::new);
    if !is_ours {
        let text = match &tls.backend {
            Some(backend) if tls.certificate.is_some() => {
                format!("what {backend} says: TLS ends here, what is inside is relayed")
            }
            Some(backend) => format!("what {backend} says: it ends the TLS itself"),
            None => "the TLS handshake is refused".to_owned(),
        };
        told.answer.text = text;
    }
    told.tls = Some(tls);
    is_ours.then_some(downstream)
}

/// Backends that have a share; `None`: none has.
fn names(core: &Core, backends: &StreamBackends) -> Option<String> {
    let known = backends.with_share().filter_map(|id| core.upstreams.backend(id));
    let keys: Vec<_> = known.map(|backend| backend.key.to_string()).collect();
    (!keys.is_empty()).then(|| keys.join(" or "))
}

/// Ends the TLS of a connection.
fn ended(downstream: &mut Downstream, tls: &ServerTls) -> told::Tls {
    downstream.client_auth = tls.client_auth();
    downstream.identity = tls.identify_nobody().map(Rc::new);
    told::Tls {
        action: "terminated".to_owned(),
        backend: None,
        certificate: tls.certificate().leaf().map(|leaf| leaf.identifier()),
        client_certificate: downstream.identity.as_deref().map(demand),
    }
}

fn demand(nobody: &ClientIdentity) -> String {
    match nobody.admitted() {
        Ok(()) => "a certificate is asked for and not demanded; taken as if none is shown",
        Err(_) => "a certificate is demanded; taken as if none is shown",
    }
    .to_owned()
}

/// Where the request comes in: at the port that it names; else where its host is known; else where
/// the first entry point of its scheme is.
fn entrance(table: &CoreTable, question: &Question) -> Option<(EntryPoint, ListenerId)> {
    let all = table.0.entry_points().iter();
    let of_scheme = all.filter(|(entry_point, _)| entry_point.scheme == question.scheme);
    let named = question.port.and_then(|port| {
        of_scheme.clone().find(|(entry_point, _)| entry_point.address.port() == port)
    });
    let host = question.sni.as_deref().unwrap_or_default();
    let known = || of_scheme.clone().find(|(_, id)| table.0.has_host(*id, host.as_bytes()));
    let flags = || of_scheme.clone().find(|(_, id)| *id == ListenerId::HTTP);
    named.or_else(known).or_else(flags).or_else(|| of_scheme.clone().next()).copied()
}

fn rehearse(
    core: &Rc<Core>,
    table: &CoreTable,
    question: &Question,
    downstream: &Downstream,
    told: &mut Explanation,
) {
    let bytes = question.head();
    let mut scratch = Scratch::default();
    let end = HeadScan::default().find_end(&bytes).unwrap_or(bytes.len());
    if let Err(error) = parse_request(&bytes, end, &mut scratch.request) {
        return told.answer = answered(Reply::Malformed(error.category()));
    }
    let mut exchange = Exchange::begin(core, table, downstream, &bytes, &mut scratch);
    exchange.name_request_id();
    let secrets = Secrets::of(&question.fields);
    exchange.rehearse(table, told, &secrets);
    hide(told, &secrets);
}

/// What the client sent may stand in any text.
fn hide(told: &mut Explanation, secrets: &Secrets) {
    told.request.url = secrets.hide(&told.request.url);
    told.notes.iter_mut().for_each(|note| *note = secrets.hide(note));
    let answer = &mut told.answer;
    answer.location = answer.location.as_deref().map(|location| secrets.hide(location));
    answer.text = secrets.hide(&answer.text);
    if let Some(upstream) = &mut told.upstream {
        upstream.request_line = secrets.hide(&upstream.request_line);
        upstream.request_line_before = secrets.hide(&upstream.request_line_before);
    }
}

/// What is answered by ourselves.
fn answered(reply: Reply) -> told::Answer {
    let status = Some(reply.status());
    told::Answer { status, location: None, text: reply.text().trim_end().to_owned() }
}

fn by_backend(name: &str) -> told::Answer {
    told::Answer { status: None, location: None, text: format!("what {name} says") }
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

impl<'a> Exchange<'a> {
    /// One that is made each time has a name in its place.
    fn name_request_id(&mut self) {
        let is_sent = self.head().fields.iter().any(|field| field.kind == FieldKind::XRequestId);
        let id = &mut self.scratch.request_id;
        if !is_sent && !id.is_empty() {
            id.clear();
            id.extend_from_slice(REQUEST_ID);
        }
    }

    fn rehearse(&mut self, table: &'a CoreTable, told: &mut Explanation, secrets: &Secrets) {
        let path = self.head().rule_path().to_vec();
        self.tell_rules(table, &path, told);
        let mut matched = self.look_up(table, &path);
        let held = loop {
            self.take_rule(matched.as_ref(), &table.0.no_rule);
            match self.rehearse_gates(table, matched.as_ref(), told) {
                Some(Answer::Moved) => {
                    matched = self.look_up_again(table);
                    let path = self.scratch.script.path().unwrap_or_default().to_vec();
                    told.notes.push(format!("directives make the path {}", lossy(&path)));
                    self.tell_rules(table, &path, told);
                }
                held => break held,
            }
        };
        if let Some(found) = &matched {
            told.rule = Some((&found.rule.origin).into());
            told.plan = sights::plan(&found.rule.plan);
            self.tell_backends(found.rule, told);
            if found.rule.auth_server.is_some() {
                self.drop_claims(found.rule);
            }
        }
        let (owed, cause) = match held {
            Some(answer) => (self.tell_held(&answer, matched.as_ref(), told), Cause::Gate),
            None => {
                let asked = matched.as_ref().map(|found| self.tell_asked(found, told, secrets));
                (asked.unwrap_or(Some(Reply::NotFound)), Cause::Backend)
            }
        };
        if let Some(reply) = owed {
            self.tell_reply(matched.as_ref(), (reply, cause), told, secrets);
        }
    }

    /// What a gate says to the client; else what is owed.
    fn tell_held(
        &self,
        answer: &Answer<'_>,
        matched: Option<&Match<'_>>,
        told: &mut Explanation,
    ) -> Option<Reply> {
        if let Some((status, location)) = self.location(answer, matched) {
            told.answer = redirected(status, &location);
            return None;
        }
        match answer {
            Answer::Ended(_) => {
                let Some((status, place, text)) = self.ending() else {
                    return Some(Reply::Undecided);
                };
                match place {
                    EndingPlace::Location => {
                        told.answer = redirected(status, &self.absolute(&text));
                    }
                    EndingPlace::Nowhere if status >= 400 && status != 444 => {
                        return Some(Reply::Replaced(status));
                    }
                    _ if status == 444 => {
                        told.answer.text = "nothing: the connection is closed (444)".to_owned();
                    }
                    EndingPlace::Nowhere | EndingPlace::Body => {
                        told.answer = told::Answer {
                            status: Some(status),
                            location: None,
                            text: format!("{status}, by directives"),
                        };
                    }
                }
                None
            }
            Answer::Permission => {
                told.answer = told::Answer {
                    status: Some(204),
                    location: None,
                    text: "204: what scripts of other origins may ask for".to_owned(),
                };
                None
            }
            answer => Some(self.due(answer).1),
        }
    }

    /// Whom the request goes to; else what is owed.
    fn tell_asked(
        &mut self,
        found: &Match<'_>,
        told: &mut Explanation,
        secrets: &Secrets,
    ) -> Option<Reply> {
        match self.prepare(found) {
            Ok((route, backend)) => {
                told.plan = sights::plan(route.plan);
                self.tell_upstream(&backend, route, told, secrets)
            }
            Err(Instead::Reply(reply)) => Some(reply),
            Err(Instead::Redirect(redirect)) => {
                let answer = Answer::Elsewhere(redirect);
                self.tell_held(&answer, Some(found), told)
            }
        }
    }

    /// What goes to the backend; else what is owed.
    fn tell_upstream(
        &mut self,
        backend: &Rc<Backend>,
        route: Route<'_>,
        told: &mut Explanation,
        secrets: &Secrets,
    ) -> Option<Reply> {
        let chosen = self.foresee(backend, route);
        sights::choose(&mut told.backends, backend, chosen);
        if chosen.is_none() {
            return Some(Reply::NoEndpoints);
        }
        let version = match backend.wire().is_http2() {
            true => {
                told.notes.push("it goes up over HTTP/2".to_owned());
                UpstreamVersion::Http11
            }
            false => route.plan.request.version,
        };
        let mut head = Vec::new();
        self.put_request(&mut head, route, version);
        let name = backend.key.to_string();
        told.upstream = Some(sights::upstream(&name, self.bytes, &head, secrets));
        told.answer = by_backend(&name);
        let mirrors = route.plan.request.mirrors.len();
        if mirrors > 0 {
            told.notes.push(format!("up to {mirrors} other server(s) get a copy"));
        }
        None
    }

    /// What comes of an answer of ours.
    fn tell_reply(
        &mut self,
        matched: Option<&Match<'_>>,
        (mut reply, cause): (Reply, Cause),
        told: &mut Explanation,
        secrets: &Secrets,
    ) {
        if self.script.is_some()
            && let Some((status, path)) = self.error_path(reply)
        {
            let status = match status {
                PageStatus::Fixed(status) => Some(status),
                PageStatus::OfError => Some(reply.status()),
                PageStatus::Own => None,
            };
            let text = format!("{}: what stands at {} for it", reply.status(), lossy(&path));
            told.answer = told::Answer { status, location: None, text };
            return;
        }
        let substitutes =
            matched.and_then(|found| Some((found, found.rule.substitutes.as_deref()?)));
        if let Some((found, substitutes)) = substitutes {
            let due = reply.status();
            if let Some(asked) = self.stand_in(found, substitutes, reply) {
                match self.tell_another(asked, due, told, secrets) {
                    None => return,
                    Some(other) => reply = other,
                }
            }
            // Whose reply is dropped, if it gives none.
            if let Some(asked) = self.page_source(found, substitutes, reply, cause)
                && self.tell_another(asked, due, told, secrets).is_none()
            {
                return;
            }
        }
        told.answer = match self.error_redirect(reply) {
            Some((status, location)) => redirected(status, &location),
            None if self.request().is_grpc() && reply.status() >= 400 => {
                let text = format!("200 with a grpc-status, for {}", reply.text().trim_end());
                told::Answer { status: Some(200), location: None, text }
            }
            None => answered(reply),
        };
    }
}

impl Exchange<'_> {
    /// Whom the request goes to in the place of an answer with `due`; else what is owed.
    fn tell_another(
        &mut self,
        (id, route): (BackendId, Route<'_>),
        due: u16,
        told: &mut Explanation,
        secrets: &Secrets,
    ) -> Option<Reply> {
        let Some(backend) = self.core.upstreams.backend(id) else {
            return Some(Reply::NoEndpoints);
        };
        let owed = self.tell_upstream(&backend, route, told, secrets);
        if owed.is_none() {
            told.answer.text = format!("what {} says in the place of {due}", backend.key);
        }
        owed
    }
}

fn redirected(status: u16, location: &[u8]) -> told::Answer {
    let location = lossy(location);
    let text = format!("{status} to {location}");
    told::Answer { status: Some(status), location: Some(location), text }
}
