//! What of a request the table is asked with.

use crate::http1::head::RequestHead;
use crate::proxy::core::CoreTable;
use crate::proxy::exchange::state::Exchange;
use crate::table::{FieldLookup, Match, RequestKey};

struct Fields<'a> {
    bytes: &'a [u8],
    head: &'a RequestHead,
}

impl FieldLookup for Fields<'_> {
    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self
            .head
            .fields
            .iter()
            .find(|field| field.name.of(self.bytes).eq_ignore_ascii_case(name));
        found.map(|field| field.value.of(self.bytes))
    }
}

impl Exchange<'_> {
    /// The rule for `path`, with all else as in the request.
    pub(super) fn look_up<'t>(&self, table: &'t CoreTable, path: &[u8]) -> Option<Match<'t>> {
        self.with_key(path, |key| table.0.lookup(self.downstream.listener.id, key))
    }

    /// What is asked with `path` and all else as in the request.
    #[inline]
    pub(super) fn with_key<T>(&self, path: &[u8], ask: impl FnOnce(&RequestKey<'_>) -> T) -> T {
        let head = self.head();
        let fields = Fields { bytes: self.bytes, head };
        ask(&RequestKey {
            host: &head.host,
            path,
            query: head.query.map(|query| query.of(self.bytes)),
            method: head.method.of(self.bytes),
            fields: &fields,
        })
    }
}
