//! The fields that an answer gets from us, once it is known what it is like: those of its rule, and
//! what directives make of them.

use crate::filter::{AnswerOverlay, Answered, Text, Variable, Variables};
use crate::http1::head::ResponseHead;
use crate::proxy::exchange::reply::OwnFields;
use crate::proxy::exchange::request::{Request, Scripted};
use crate::proxy::exchange::variables::{Known, value_of};

/// An answer whose fields are being written.
#[derive(Clone, Copy)]
pub struct Answering<'a> {
    /// Its status.
    status: u16,
    media_type: &'a [u8],
    /// What a backend said.
    head: Option<(&'a ResponseHead, &'a [u8])>,
}

impl<'a> Answering<'a> {
    /// One of ours; without a body its type is empty.
    pub const fn ours(status: u16, media_type: &'a [u8]) -> Self {
        Self { status, media_type, head: None }
    }

    /// A backend's, whose head lies in `octets`.
    pub fn of(head: &'a ResponseHead, octets: &'a [u8]) -> Self {
        Self { status: head.status, media_type: b"", head: Some((head, octets)) }
    }

    fn field(&self, name: &[u8]) -> &'a [u8] {
        self.values(name).next().unwrap_or_default()
    }

    /// The value of the cookie that is set first under this name.
    fn cookie(&self, name: &[u8]) -> &'a [u8] {
        let mut pairs = self.values(b"set-cookie").map(|value| {
            value.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii()
        });
        pairs.find_map(|pair| value_of(pair, name)).unwrap_or_default()
    }

    fn values(&self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.head.into_iter().flat_map(move |(head, octets)| {
            let fields = head.fields.iter();
            let found = fields.filter(move |f| f.name.of(octets).eq_ignore_ascii_case(name));
            found.map(move |field| field.value.of(octets))
        })
    }
}

/// What is known once there is an answer.
struct WithAnswer<'a> {
    request: Known<'a>,
    answer: Answering<'a>,
}

impl Variables for WithAnswer<'_> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        match variable {
            Variable::Answered(name) => out.extend_from_slice(self.answer.field(name.as_bytes())),
            Variable::AnsweredCookie(name) => {
                out.extend_from_slice(self.answer.cookie(name.as_bytes()));
            }
            Variable::Status => out.extend_from_slice(self.answer.status.to_string().as_bytes()),
            other => self.request.put(other, out),
        }
    }
}

impl Scripted<'_> {
    /// What the directives change of an answer's fields.
    pub fn answer(&self, request: Request<'_>, answer: Answering<'_>) -> AnswerOverlay {
        let media_type = match answer.head {
            Some(_) => answer.field(b"content-type"),
            None => answer.media_type,
        };
        let answered = Answered { status: answer.status, media_type };
        let known = WithAnswer { request: self.known(request), answer };
        self.state.answer(self.script, &known, answered)
    }

    /// Puts a text together.
    pub fn put(&self, request: Request<'_>, text: &Text, out: &mut Vec<u8>) {
        self.state.put(text, &self.known(request), out);
    }

    fn known<'s>(&'s self, request: Request<'s>) -> Known<'s> {
        let Self { request_id, origin, backend, .. } = *self;
        Known { request, request_id, origin: Some(origin), backend }
    }
}

impl Request<'_> {
    /// Puts a text of its rule together: of the request what it brought along, and what directives
    /// made of it.
    pub fn put_text(&self, text: &Text, out: &mut Vec<u8>) {
        if let Some(scripted) = &self.scripted {
            return scripted.put(*self, text, out);
        }
        let known = Known { request: *self, request_id: b"", origin: None, backend: None };
        text.put(&known, out);
    }

    /// Our own fields of its response.
    pub fn with_own_fields<T>(
        &self,
        response: Answering<'_>,
        put: impl FnOnce(&OwnFields<'_>) -> T,
    ) -> T {
        let (answer, added) = (self.answer, self.added);
        match &self.scripted {
            None => self.core.with_date(|date| {
                put(&OwnFields { date, answer, added, changed: AnswerOverlay::NONE })
            }),
            Some(scripted) => {
                let changed = &scripted.answer(*self, response);
                self.core.with_date(|date| put(&OwnFields { date, answer, added, changed }))
            }
        }
    }
}
