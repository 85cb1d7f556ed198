//! One request under way: what its steps share and change.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::filter::script::PageStatus;
use crate::filter::{AnswerFields, Script};
use crate::http1::head::{RequestHead, ResponseHead};
use crate::http1::reframe::Trailers;
use crate::limits::RULE_OPEN_LIMITS_MAX;
use crate::model::{self, Origin};
use crate::proxy::core::{Core, Scratch};
use crate::proxy::exchange::claimed::Claimed;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::request::{Body, Request, Scripted};
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::uncollected::Uncollected;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::body_copy::BodyCopy;
use crate::quota::Hold;
use crate::table::SeriesId;

/// What of an exchange metrics and access log get to know.
#[derive(Default)]
pub struct Tally {
    /// Status sent; 0: none.
    pub status: u16,
    /// Body octets sent to the client.
    pub response_bytes: u64,
    /// Body octets received from the client.
    pub request_bytes: u64,
    /// Counts the request.
    pub series: Option<SeriesId>,
    /// The chosen backend of the rule.
    pub backend: Option<Rc<Backend>>,
    /// The canary that was asked in its place.
    pub canary: Option<Rc<Backend>>,
    /// Process clock when the response was through; 0: not yet.
    pub finished: u64,
    /// A load balancer's question: counted, not logged.
    pub is_probe: bool,
}

/// One request under way.
pub struct Exchange<'a> {
    /// The core.
    pub core: &'a Rc<Core>,
    /// The client.
    pub downstream: &'a Downstream,
    /// The head and what came with it.
    pub bytes: &'a [u8],
    /// Parsed heads and other memory.
    pub scratch: &'a mut Scratch,
    /// How its client is treated, whatever it asks for.
    pub policy: &'a model::Downstream,
    /// What is believed of proxies in front; `None`: nothing.
    pub claimed: Option<Claimed<'a>>,
    /// What is recorded.
    pub tally: Tally,
    /// The connection ends after this request whatever happens.
    pub is_last: bool,
    /// What its rule has in every answer.
    pub answer: AnswerFields<'a>,
    /// What its rule does besides; `None`: nothing.
    pub script: Option<(&'a Script, &'a Origin)>,
    /// The status of what stands for an error; `None`: nothing does.
    pub page: Option<PageStatus>,
    /// What is left of the request's body.
    pub body: Body,
    /// Whatever its method is, it is GET by now: it asks for a page.
    pub is_reading: bool,
    /// Whether the backend gets its trailers: where gates or directives say what it is told, they
    /// could say otherwise.
    pub sent_trailers: Trailers,
    /// The body, where it was collected.
    pub collected: Buffer,
    /// Why it is not here, where a gate wanted it.
    pub uncollected: Option<Uncollected>,
    /// Count it among the requests of its client that are under way.
    pub holds: Cell<[Option<Hold<'a>>; RULE_OPEN_LIMITS_MAX]>,
    /// Keeps it for copies of the request.
    pub copy: Option<Rc<BodyCopy>>,
    /// Of which mirrors of its rule they are, a bit each.
    pub copied: u16,
}

/// What came of asking a backend, or of not asking one.
pub enum Served {
    /// The client has its answer, or is gone.
    Over(End),
    /// An answer is due.
    Owed(Unsaid, Reply),
}

impl Exchange<'_> {
    /// The request.
    pub(super) fn head(&self) -> &RequestHead {
        &self.scratch.request
    }

    /// Whose it is.
    pub(super) fn client(&self) -> SocketAddr {
        self.claimed.as_ref().map_or(self.downstream.peer, |claimed| claimed.client)
    }

    /// What its steps read of it.
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            core: self.core,
            downstream: self.downstream,
            policy: self.policy,
            claimed: self.claimed.as_ref(),
            bytes: self.bytes,
            head: &self.scratch.request,
            is_last: self.is_last,
            answer: self.answer,
            added: &self.scratch.added,
            noted: &self.scratch.noted,
            body: self.body,
            sent_trailers: self.sent_trailers,
            collected: self.collected.unread(),
            trace: self.scratch.trace.as_ref(),
            scripted: self.scripted(),
            page: self.page,
        }
    }

    /// The directives of the rule, if it has any.
    pub(super) fn scripted(&self) -> Option<Scripted<'_>> {
        let (script, origin) = self.script?;
        let backend = self.tally.backend.as_ref().map(|backend| &*backend.key);
        let (state, request_id) = (&self.scratch.script, &*self.scratch.request_id);
        Some(Scripted { script, state, request_id, origin, backend })
    }

    /// The same, and memory for the head of a response.
    pub(super) fn request_and_room(&mut self) -> (Request<'_>, &mut ResponseHead) {
        let Scratch {
            request: head, response, added, script: state, request_id, noted, trace, ..
        } = &mut *self.scratch;
        let backend = self.tally.backend.as_ref().map(|backend| &*backend.key);
        let scripted = self.script.map(|(script, origin)| {
            let (state, request_id) = (&*state, &**request_id);
            Scripted { script, state, request_id, origin, backend }
        });
        let &mut Self {
            core,
            downstream,
            policy,
            bytes,
            is_last,
            answer,
            page,
            body,
            sent_trailers,
            ref collected,
            ref claimed,
            ..
        } = self;
        let request = Request {
            core,
            downstream,
            policy,
            claimed: claimed.as_ref(),
            bytes,
            head,
            is_last,
            answer,
            added,
            noted,
            body,
            collected: collected.unread(),
            sent_trailers,
            trace: trace.as_ref(),
            scripted,
            page,
        };
        (request, response)
    }
}
