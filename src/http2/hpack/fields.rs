//! One list of fields: a buffer of octets and where its names and values lie. It allocates nothing
//! once warm.

use super::dynamic::ENTRY_OVERHEAD;
use crate::limits::{
    FIELDS_MAX, HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_RESPONSE_LIST_BYTES_MAX, RESPONSE_FIELDS_MAX,
};

/// Pseudo-fields of a request, which its fields do not count.
const PSEUDO_FIELDS_MAX: usize = 5;

/// Which limit a list is above. What it had is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrun {
    /// [`HTTP2_HEADER_LIST_BYTES_MAX`], or [`HTTP2_RESPONSE_LIST_BYTES_MAX`], as RFC 9113 section
    /// 6.5.2 counts.
    Bytes,
    /// [`FIELDS_MAX`], or [`RESPONSE_FIELDS_MAX`], pseudo-fields aside, cookie crumbs one by one.
    Count,
}

/// Whose fields a list has; its limits depend on it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Those of a client.
    #[default]
    Request,
    /// Those of a backend.
    Response,
}

impl ListKind {
    const fn bytes_max(self) -> usize {
        match self {
            Self::Request => HTTP2_HEADER_LIST_BYTES_MAX as usize,
            Self::Response => HTTP2_RESPONSE_LIST_BYTES_MAX as usize,
        }
    }

    const fn fields_max(self) -> usize {
        match self {
            Self::Request => FIELDS_MAX + PSEUDO_FIELDS_MAX,
            // `:status`.
            Self::Response => RESPONSE_FIELDS_MAX + 1,
        }
    }
}

/// What a list has of pseudo-fields, also if it is above a limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pseudo {
    /// `:status`.
    pub has_status: bool,
    /// The status is 1xx.
    pub is_informational: bool,
    /// Any other, those of no meaning included.
    pub has_others: bool,
}

/// Decoded fields in order.
#[derive(Debug, Default)]
pub struct FieldList {
    octets: Vec<u8>,
    fields: Vec<Place>,
    size: usize,
    overrun: Option<Overrun>,
    pseudo: Pseudo,
    kind: ListKind,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    name_len: usize,
    end: usize,
}

impl FieldList {
    /// An empty list.
    #[must_use]
    pub fn of(kind: ListKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Names and values, as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.fields.iter().map(|place| {
            let octets = self.octets.get(place.start..place.end).unwrap_or_default();
            octets.split_at_checked(place.name_len).unwrap_or_default()
        })
    }

    /// Fields, pseudo-fields included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none, also because there were too many.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The limit that it is above.
    #[must_use]
    pub const fn overrun(&self) -> Option<Overrun> {
        self.overrun
    }

    /// Its pseudo-fields. Those behind a field that made it too long are not counted.
    #[must_use]
    pub const fn pseudo(&self) -> Pseudo {
        self.pseudo
    }

    /// Forgets everything; the next list takes the memory over, unless a limit was reached.
    pub fn clear(&mut self) {
        if self.overrun.is_some() {
            self.octets = Vec::new();
            self.fields = Vec::new();
        }
        self.octets.clear();
        self.fields.clear();
        self.size = 0;
        self.overrun = None;
        self.pseudo = Pseudo::default();
    }

    /// Appends a field, unless the list is above a limit already.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        if self.overrun.is_some() {
            return;
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.commit(start, name.len());
    }

    /// Octets so far, as RFC 9113 section 6.5.2 counts; above a limit, also those that were decoded
    /// all the same.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The buffer, for the name and the value of the next field: what stands behind its present
    /// length is one field once [`Self::commit`] says so.
    pub(super) const fn octets(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    /// Makes what was appended from `start` on a field, or forgets it with all others because the
    /// list is above a limit.
    pub(super) fn commit(&mut self, start: usize, name_len: usize) {
        let end = self.octets.len();
        if self.octets.get(start) == Some(&b':') {
            self.note_pseudo(start, name_len);
        }
        self.size = self.size.saturating_add(end - start);
        if self.overrun.is_none() {
            self.size = self.size.saturating_add(ENTRY_OVERHEAD);
            if self.size > self.kind.bytes_max() {
                self.overrun = Some(Overrun::Bytes);
            } else if self.fields.len() >= self.kind.fields_max() {
                self.overrun = Some(Overrun::Count);
            }
        }
        if self.overrun.is_some() {
            self.fields.clear();
            self.octets.clear();
        } else {
            self.fields.push(Place { start, name_len, end });
        }
    }

    fn note_pseudo(&mut self, start: usize, name_len: usize) {
        let field = self.octets.get(start..).unwrap_or_default();
        let (name, value) = field.split_at_checked(name_len).unwrap_or_default();
        if name == b":status" {
            self.pseudo.has_status = true;
            self.pseudo.is_informational = value.first() == Some(&b'1');
        } else if !name.is_empty() {
            self.pseudo.has_others = true;
        }
    }
}
