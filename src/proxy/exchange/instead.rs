//! What stands for an answer of ours, where directives say so.

use crate::filter::script::{Instead, Known as Changed, PageStatus, put_location};
use crate::model::Origin;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables::Known;

impl Exchange<'_> {
    pub(super) fn known_of_request<'s>(&'s self, origin: &'s Origin) -> Known<'s> {
        let backend = self.tally.backend.as_ref().map(|backend| &*backend.key);
        let (request, request_id) = (self.request(), &*self.scratch.request_id);
        Known { request, request_id, origin: Some(origin), backend }
    }

    /// Where the client is sent instead of being told `reply`.
    pub(super) fn error_redirect(&self, reply: Reply) -> Option<(u16, Vec<u8>)> {
        match self.instead(reply)? {
            (Instead::Redirect(status, _), text) => {
                let mut place = Vec::with_capacity(text.len());
                put_location(&text, &mut place);
                Some((*status, place))
            }
            (Instead::Path(..), _) => None,
        }
    }

    /// The path whose answer stands for `reply`, and with which status. One takes its place.
    pub(super) fn error_path(&self, reply: Reply) -> Option<(PageStatus, Vec<u8>)> {
        if self.page.is_some() || self.request().is_grpc() {
            return None;
        }
        match self.instead(reply)? {
            (Instead::Path(status, _), text) => Some((*status, text)),
            (Instead::Redirect(..), _) => None,
        }
    }

    /// What stands for `reply`, with its text.
    fn instead(&self, reply: Reply) -> Option<(&Instead, Vec<u8>)> {
        let (script, origin) = self.script?;
        if !reply.may_be_replaced() {
            return None;
        }
        let state = &self.scratch.script;
        let instead = state.instead(script, reply.status())?;
        let (Instead::Redirect(_, text) | Instead::Path(_, text)) = instead;
        let mut value = Vec::new();
        let known = Changed { state, request: &self.known_of_request(origin) };
        text.put(&known, &mut value);
        Some((instead, value))
    }
}
