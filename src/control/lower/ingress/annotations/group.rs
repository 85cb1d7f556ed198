//! Annotations that belong together: their rows, and what reads them.

use super::reader::Reader;
use super::row::Row;
use crate::control::lower::settings::Settings;

/// One group; it has a file.
pub(crate) struct Group {
    /// For the documentation.
    pub title: &'static str,
    pub rows: &'static [Row],
    /// Puts what the annotations say into the settings. `None`: none of them is read yet.
    pub read: Option<fn(&mut Reader<'_, '_>, &mut Settings)>,
}
