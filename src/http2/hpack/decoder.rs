//! Field blocks in fragments, as frames bring them, to lists of fields.
//!
//! A list above its limits is read to its end all the same, because the table must follow; only the
//! raw octets of a block have a bound behind which reading ends.

use super::super::follows::Follows;
use super::dynamic::DynamicTable;
use super::error::HpackError;
use super::fields::FieldList;
use super::{huffman, integer, statics};
use crate::limits::{
    HTTP2_BLOCK_BYTES_MAX, HTTP2_DECODED_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES_MAX,
    HTTP2_TABLE_UPDATES_MAX,
};

/// Reads the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// The beginning of a field whose rest is in the next fragment.
    partial: Vec<u8>,
    /// Octets of the current block so far.
    octets: usize,
    /// Size updates of the current block; none may follow a field.
    updates: u32,
    has_field: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the name of a literal comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Incremental,
    None,
}

impl Decoder {
    /// A decoder with an empty table of [`HTTP2_HEADER_TABLE_BYTES_MAX`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            table: DynamicTable::new(HTTP2_HEADER_TABLE_BYTES_MAX as usize),
            partial: Vec::new(),
            octets: 0,
            updates: 0,
            has_field: false,
        }
    }

    /// Reads the next fragment of a block into `list`, which is empty at its first one.
    ///
    /// Shape: behind its last one the next call begins another block.
    ///
    /// # Errors
    /// The decoder is of no use afterwards, and so is the connection.
    pub fn decode(
        &mut self,
        fragment: &[u8],
        follows: Follows,
        list: &mut FieldList,
    ) -> Result<(), HpackError> {
        self.octets = self.octets.saturating_add(fragment.len());
        if self.octets > HTTP2_BLOCK_BYTES_MAX {
            return Err(HpackError::TooLong);
        }
        if self.partial.is_empty() {
            let used = self.fields(fragment, list)?;
            self.partial.extend_from_slice(fragment.get(used..).unwrap_or_default());
        } else {
            let mut input = std::mem::take(&mut self.partial);
            input.extend_from_slice(fragment);
            let used = self.fields(&input, list)?;
            input.drain(..used);
            self.partial = input;
        }
        if follows == Follows::Nothing {
            if !self.partial.is_empty() {
                return Err(HpackError::Truncated);
            }
            self.partial = Vec::new();
            self.octets = 0;
            self.updates = 0;
            self.has_field = false;
        }
        Ok(())
    }

    /// Reads all that is whole; gives its octets.
    fn fields(&mut self, input: &[u8], list: &mut FieldList) -> Result<usize, HpackError> {
        let mut at = 0;
        while let Some(rest) = input.get(at..)
            && let Some(used) = self.representation(rest, list)?
        {
            at += used;
        }
        Ok(at)
    }

    /// Reads one representation (section 6); gives its octets. `None`: it is not all there.
    fn representation(
        &mut self,
        input: &[u8],
        list: &mut FieldList,
    ) -> Result<Option<usize>, HpackError> {
        let Some(first) = input.first() else { return Ok(None) };
        match first {
            0x80.. => {
                let Some((index, used)) = integer::decode(input, 7)? else { return Ok(None) };
                let (name, value) = self.entry(index)?;
                list.push(name, value);
                self.has_field = true;
                Ok(Some(used))
            }
            0x40.. => self.literal(input, 6, Indexing::Incremental, list),
            0x20.. => self.size_update(input),
            _ => self.literal(input, 4, Indexing::None, list),
        }
    }

    fn size_update(&mut self, input: &[u8]) -> Result<Option<usize>, HpackError> {
        let Some((size, used)) = integer::decode(input, 5)? else { return Ok(None) };
        if size > HTTP2_HEADER_TABLE_BYTES_MAX
            || self.has_field
            || self.updates >= HTTP2_TABLE_UPDATES_MAX
        {
            return Err(HpackError::SizeUpdate);
        }
        self.updates += 1;
        self.table.resize(size as usize);
        Ok(Some(used))
    }

    fn literal(
        &mut self,
        input: &[u8],
        prefix_bits: u32,
        indexing: Indexing,
        list: &mut FieldList,
    ) -> Result<Option<usize>, HpackError> {
        let Some((index, mut used)) = integer::decode(input, prefix_bits)? else { return Ok(None) };
        let named = if index == 0 { None } else { Some(self.entry(index)?.0) };
        let name = match named {
            Some(name) => Text { octets: name, is_coded: false },
            None => {
                let Some((name, octets)) = Text::read(input.get(used..).unwrap_or_default())?
                else {
                    return Ok(None);
                };
                used += octets;
                name
            }
        };
        let Some((value, octets)) = Text::read(input.get(used..).unwrap_or_default())? else {
            return Ok(None);
        };
        used += octets;
        let is_kept = list.overrun().is_none() || indexing == Indexing::Incremental;
        let start = list.octets().len();
        // PERF: a name of the table that nobody needs costs nothing.
        if is_kept || index == 0 {
            name.append_to(list.octets())?;
        }
        let name_len = list.octets().len() - start;
        value.append_to(list.octets())?;
        if indexing == Indexing::Incremental {
            let field = list.octets().get(start..).unwrap_or_default();
            let (name, value) = field.split_at_checked(name_len).unwrap_or_default();
            self.table.insert(name, value);
        }
        list.commit(start, name_len);
        if list.size() > HTTP2_DECODED_BYTES_MAX {
            return Err(HpackError::TooLong);
        }
        self.has_field = true;
        Ok(Some(used))
    }

    /// Section 2.3.3: the static table first, then the dynamic one.
    fn entry(&self, index: u32) -> Result<(&[u8], &[u8]), HpackError> {
        let at = (index as usize).checked_sub(1).ok_or(HpackError::Index)?;
        if let Some((name, value)) = statics::ENTRIES.get(at) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        self.table.get(at - statics::ENTRIES.len()).ok_or(HpackError::Index)
    }

    #[cfg(test)]
    pub(super) const fn table(&self) -> &DynamicTable {
        &self.table
    }
}

/// A string literal, section 5.2.
struct Text<'a> {
    octets: &'a [u8],
    is_coded: bool,
}

impl<'a> Text<'a> {
    /// Reads one, and gives its octets with those of its length.
    fn read(input: &'a [u8]) -> Result<Option<(Self, usize)>, HpackError> {
        let Some((len, used)) = integer::decode(input, 7)? else { return Ok(None) };
        let len = len as usize;
        if len > HTTP2_BLOCK_BYTES_MAX {
            return Err(HpackError::TooLong);
        }
        let is_coded = input.first().is_some_and(|first| first & 0x80 != 0);
        let end = used + len;
        Ok(input.get(used..end).map(|octets| (Self { octets, is_coded }, end)))
    }

    fn append_to(&self, out: &mut Vec<u8>) -> Result<(), HpackError> {
        if self.is_coded {
            return huffman::decode(self.octets, out);
        }
        out.extend_from_slice(self.octets);
        Ok(())
    }
}
