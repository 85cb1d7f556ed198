//! What CORS looks at in a request, and what of it a preflight is told again.

use crate::filter::{Cors, CorsAnswer, CorsRequest, Statuses};
use crate::proxy::exchange::state::Exchange;
use crate::table::Match;

impl<'a> Exchange<'a> {
    /// What CORS looks at.
    pub(super) fn cors_request(&self) -> CorsRequest<'a> {
        let (head, bytes) = (self.head(), self.bytes);
        let of = |name: &'static [u8]| {
            let fields = head.fields.iter();
            let lines = fields.filter(move |field| field.name.of(bytes).eq_ignore_ascii_case(name));
            let mut values = lines.map(|field| field.value.of(bytes));
            // More than one is as good as none.
            values.next().filter(|_| values.next().is_none())
        };
        let is_options = head.method.of(bytes) == b"OPTIONS";
        CorsRequest {
            origin: of(b"origin"),
            method: if is_options { of(b"access-control-request-method") } else { None },
            headers: if is_options { of(b"access-control-request-headers") } else { None },
        }
    }

    /// Whether a request with the method OPTIONS is CORS' own, if its rule has any.
    pub(super) fn is_preflight(&self, matched: Option<&Match<'_>>) -> bool {
        let cors = matched.and_then(|found| found.rule.plan.response.cors.as_deref());
        cors.is_none_or(|cors| cors.is_preflight(&self.cors_request(), self.answer.cors))
    }

    /// Adds to the answer what is to be repeated of the preflight.
    pub(super) fn add_permission(&mut self, matched: Option<&Match<'_>>) {
        let cors = matched.and_then(|found| found.rule.plan.response.cors.as_deref());
        if let (Some(Cors::Route(route)), CorsAnswer::Allowed { .. }) = (cors, self.answer.cors) {
            for (name, value) in route.repeated(&self.cors_request()) {
                self.scratch.added.add(name, value, Statuses::Any);
            }
        }
    }
}
