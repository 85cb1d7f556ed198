//! What `Connection` asks for: how long the connection lives, and which fields end here. It never
//! lets a peer strip a field that says who the peer is or where its message ends.
//!
//! Source: RFC 9110 section 7.6.1, RFC 9112 section 9.3.

use super::parts::{Field, Version};
use crate::http1::error::HeadError;
use crate::http1::fields::{FieldKind, is_nomination_refused, members};
use crate::limits::CONNECTION_OPTIONS_MAX;

/// The options of all `Connection` lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ConnectionOptions {
    has_close: bool,
    has_keep_alive: bool,
    /// The sender would like another protocol.
    pub(super) has_upgrade: bool,
    /// A field was named that may not be stripped; it stays.
    pub(super) has_refused_nomination: bool,
}

impl ConnectionOptions {
    /// Reads all lines and marks the fields that they name as dropped.
    ///
    /// # Errors
    /// [`HeadError::TooManyOptions`].
    pub(super) fn read(buf: &[u8], fields: &mut [Field]) -> Result<Self, HeadError> {
        let mut options = Self::default();
        let mut count = 0;
        for index in 0..fields.len() {
            let Some(line) = fields.get(index).filter(|line| line.kind == FieldKind::Connection)
            else {
                continue;
            };
            let value = line.value;
            for option in members(value.of(buf)).filter(|option| !option.is_empty()) {
                count += 1;
                if count > CONNECTION_OPTIONS_MAX {
                    return Err(HeadError::TooManyOptions);
                }
                options.apply(option, buf, fields);
            }
        }
        Ok(options)
    }

    /// Whether the connection may carry another message; `close` wins.
    pub(super) fn is_persistent(self, version: Version) -> bool {
        !self.has_close && (version == Version::Http11 || self.has_keep_alive)
    }

    fn apply(&mut self, option: &[u8], buf: &[u8], fields: &mut [Field]) {
        if option.eq_ignore_ascii_case(b"keep-alive") {
            self.has_keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"close") {
            self.has_close = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.has_upgrade = true;
        } else if is_nomination_refused(option) {
            self.has_refused_nomination = true;
        } else {
            for field in fields.iter_mut() {
                field.dropped |= field.name.of(buf).eq_ignore_ascii_case(option);
            }
        }
    }
}
