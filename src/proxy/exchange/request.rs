//! A request as the steps of its exchange read it.

use std::net::SocketAddr;

use crate::filter::script::PageStatus;
use crate::filter::{AddedFields, AnswerFields, Script, ScriptState, Trace};
use crate::http1::fields::FieldKind;
use crate::http1::framing::BodyLength;
use crate::http1::head::{Field, RequestHead, Version, is_grpc};
use crate::http1::reframe::Trailers;
use crate::limits::WHOLE_BODY_BYTES_MAX;
use crate::model::{self, BackendKey, Origin};
use crate::proxy::core::Core;
use crate::proxy::exchange::claimed::Claimed;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Persistence;
use crate::proxy::noted::Noted;
use crate::proxy::rt::Peek;

/// A request and where it came from.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The core.
    pub core: &'a Core,
    /// The client.
    pub downstream: &'a Downstream,
    /// What is believed of proxies in front; `None`: nothing.
    pub claimed: Option<&'a Claimed<'a>>,
    /// The head and what came with it.
    pub bytes: &'a [u8],
    /// The head in parsed form.
    pub head: &'a RequestHead,
    /// The connection ends after this request whatever happens.
    pub is_last: bool,
    /// What its rule has in every answer.
    pub answer: AnswerFields<'a>,
    /// What else is added to the answer.
    pub added: &'a AddedFields,
    /// Whether the backend gets its trailers.
    pub sent_trailers: Trailers,
    /// How its client is treated, whatever it asks for.
    pub policy: &'a model::Downstream,
    /// What is kept of heads for the access log.
    pub noted: &'a Noted,
    /// What is left of its body.
    pub body: Body,
    /// The body, where it was collected.
    pub collected: &'a [u8],
    /// The trace that it belongs to; `None`: it is not traced.
    pub trace: Option<&'a Trace>,
    /// What directives did with it; `None`: its rule has none.
    pub scripted: Option<Scripted<'a>>,
    /// The status of an answer that stands for an error; `None`: none does.
    pub page: Option<PageStatus>,
}

/// The directives of a request's rule, and what they have done.
#[derive(Clone, Copy)]
pub struct Scripted<'a> {
    /// The directives.
    pub script: &'a Script,
    /// What they have done.
    pub state: &'a ScriptState,
    /// Of the request.
    pub request_id: &'a [u8],
    /// Where they come from.
    pub origin: &'a Origin,
    /// The backend, once it is known.
    pub backend: Option<&'a BackendKey>,
}

/// What is left of the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// All of it, as far as it came.
    Untouched,
    /// All of it, read to its end and held aside.
    Collected,
    /// Perhaps not all: it goes to no other backend, and the connection ends.
    Spent,
}

impl<'a> Request<'a> {
    /// Whose it is.
    pub fn client(&self) -> SocketAddr {
        self.claimed.map_or(self.downstream.peer, |claimed| claimed.client)
    }

    /// Its address as text.
    pub fn client_text(&self) -> &'a [u8] {
        self.claimed.map_or(&self.downstream.client, |claimed| &claimed.text).as_bytes()
    }

    /// The host that its client asked for, with its port.
    pub fn authority(&self) -> &'a [u8] {
        let sent = || self.head.authority.of(self.bytes);
        self.claimed.and_then(|claimed| claimed.authority).unwrap_or_else(sent)
    }

    /// The scheme by which its client came, as it was said.
    pub fn told_scheme(&self) -> &'a [u8] {
        let own = self.downstream.listener.told_scheme.as_str().as_bytes();
        self.claimed.and_then(|claimed| claimed.scheme).unwrap_or(own)
    }

    /// The port that its client came to, as a proxy says it.
    pub fn claimed_port(&self) -> Option<&'a [u8]> {
        self.claimed?.port
    }

    /// Names and values of its fields that count.
    pub fn named_fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let Self { bytes, head, .. } = *self;
        let counts = |field: &&Field| !field.dropped && field.kind != FieldKind::Ambiguous;
        let fields = head.fields.iter().filter(counts);
        fields.map(|field| (field.name.of(bytes), field.value.of(bytes)))
    }

    /// The values of the Cookie fields.
    pub fn cookies(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.values(b"cookie")
    }

    /// The values of its fields of a name, in any case.
    pub fn values<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let Self { bytes, head, .. } = *self;
        let lines = head.fields.iter();
        let lines = lines.filter(move |line| line.name.of(bytes).eq_ignore_ascii_case(name));
        lines.map(|line| line.value.of(bytes))
    }

    /// Octets of the body that stand behind the head, if the whole of it is here.
    pub fn whole_body(&self) -> Option<usize> {
        let head = self.head;
        match self.body {
            Body::Untouched => {}
            // What came with the head still stands there.
            Body::Collected => return Some(self.bytes.len().saturating_sub(head.head_bytes)),
            Body::Spent => return None,
        }
        let here = self.bytes.len().saturating_sub(head.head_bytes);
        match head.body {
            BodyLength::None => Some(0),
            BodyLength::Known(length) if length <= WHOLE_BODY_BYTES_MAX as u64 => {
                usize::try_from(length).ok().filter(|&length| length <= here)
            }
            _ => None,
        }
    }

    /// What a backend gets as the body, if the whole of it came with the head and is short enough
    /// to be kept, or nothing is to be sent of it.
    pub fn whole_body_octets(&self) -> Option<&'a [u8]> {
        match self.body {
            Body::Untouched => {}
            Body::Collected => return Some(self.collected),
            Body::Spent => return Some(&[]),
        }
        let octets = self.whole_body()?;
        let from = self.head.head_bytes;
        self.bytes.get(from..from.checked_add(octets)?)
    }

    /// How long the body is that a backend gets.
    pub fn body_length(&self) -> BodyLength {
        match self.body {
            Body::Untouched => self.head.body,
            Body::Collected => BodyLength::Known(self.collected.len() as u64),
            Body::Spent => BodyLength::None,
        }
    }

    /// Whether it is a gRPC call, to which a page is no answer.
    pub fn is_grpc(&self) -> bool {
        self.head.find_name(self.bytes, b"content-type").is_some_and(is_grpc)
    }

    /// How to end the connection: octets that nobody reads would turn the close into a reset, which
    /// may destroy the response on its way.
    pub fn close(&self) -> End {
        if self.downstream.stream.peek() == Peek::Data { End::Linger } else { End::Close }
    }

    /// Whether the connection ends with the response that is written now.
    pub fn ends_connection(&self) -> bool {
        self.is_last || self.core.is_draining.get()
    }

    /// Whether the client can take trailers: it says so, or its protocol has a place for them.
    pub fn trailers(&self) -> Trailers {
        let has_place = self.downstream.stream.has_place_for_trailers();
        if self.head.accepts_trailers || has_place { Trailers::Kept } else { Trailers::Dropped }
    }

    /// How persistence is said to this client.
    pub fn keep(&self) -> Persistence {
        match self.head.version {
            Version::Http11 => Persistence::Keep,
            Version::Http10 => Persistence::KeepExplicitly,
        }
    }
}
