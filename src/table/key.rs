//! What a lookup looks at.

/// What a lookup looks at. All slices are as received, except where noted.
pub struct RequestKey<'a> {
    /// Lower case, without port and trailing dot; empty: the request has none.
    pub host: &'a [u8],
    /// Normalised, begins with `/` (or is `*`), without query.
    pub path: &'a [u8],
    /// Without `?`.
    pub query: Option<&'a [u8]>,
    /// As sent.
    pub method: &'a [u8],
    /// Asked only by rules with conditions on fields.
    pub fields: &'a dyn FieldLookup,
}

/// Finds the first field line of a name.
pub trait FieldLookup {
    /// `name` is lower case.
    fn field(&self, name: &[u8]) -> Option<&[u8]>;
}

/// A request without fields, for tests and offline tools.
pub struct NoFields;

impl FieldLookup for NoFields {
    fn field(&self, _name: &[u8]) -> Option<&[u8]> {
        None
    }
}
