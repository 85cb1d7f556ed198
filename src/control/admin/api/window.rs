//! Which rows of a list are asked for.

use serde::Serialize;

use super::unanswered::Unanswered;
use crate::explain::pairs;
use crate::limits::{API_FILTER_BYTES_MAX, API_ROWS, API_ROWS_MAX};

/// What a query asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Lower case; what rows contain, whatever the case. Empty: all have it.
    filter: String,
    offset: usize,
    limit: usize,
    /// Other parameters.
    named: Vec<(&'static str, String)>,
}

/// Some rows of a list.
#[derive(Debug, Serialize)]
pub(super) struct Rows<T> {
    /// Rows that match.
    matching: usize,
    /// The place of the first one that is here.
    offset: usize,
    rows: Vec<T>,
}

impl Window {
    /// `known`: parameters that the list has besides.
    ///
    /// # Errors
    /// Who asks is at fault.
    pub(super) fn of_query(query: &str, known: &[&'static str]) -> Result<Self, Unanswered> {
        let mut window =
            Self { filter: String::new(), offset: 0, limit: API_ROWS, named: Vec::new() };
        for (name, value) in pairs(query) {
            let wrong = || Unanswered::Parameter(name.chars().take(40).collect());
            let value = value.filter(|value| value.len() <= API_FILTER_BYTES_MAX);
            let value = value.ok_or_else(wrong)?;
            let number = || value.parse().ok().ok_or_else(wrong);
            match (name, known.iter().find(|known| **known == name)) {
                (_, Some(known)) => window.named.push((known, value)),
                ("filter", None) => window.filter = value.to_lowercase(),
                ("offset", None) => window.offset = number()?,
                ("limit", None) => window.limit = number()?.clamp(1, API_ROWS_MAX),
                (_, None) => return Err(wrong()),
            }
        }
        Ok(window)
    }

    /// The value of one of the other parameters.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let found = self.named.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a row with this text is wanted. The text is made only if somebody asks for it.
    pub(super) fn wants(&self, text: impl FnOnce() -> String) -> bool {
        self.filter.is_empty() || text().to_lowercase().contains(&self.filter)
    }

    /// The rows that are asked for, of those that match; only they are made.
    pub(super) fn rows<I, T>(
        &self,
        matching: impl Iterator<Item = I>,
        row: impl FnMut(I) -> T,
    ) -> Rows<T> {
        let matching: Vec<I> = matching.collect();
        let (count, offset) = (matching.len(), self.offset);
        let rows = matching.into_iter().skip(offset).take(self.limit).map(row).collect();
        Rows { matching: count, offset, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<(usize, usize, &str), &str>) {
        let window = Window::of_query(query, &["host"]);
        let got = window.as_ref().map(|window| {
            let rows = window.rows(0..1_000, |row| row);
            assert_eq!(rows.matching, 1_000);
            (rows.rows.first().copied().unwrap_or(1_000), rows.rows.len(), &*window.filter)
        });
        let expected = expected.map_err(|name| Unanswered::Parameter(name.to_owned()));
        assert_eq!(got, expected.as_ref().copied(), "{query}");
    }

    #[test]
    fn windows_are_bounded_and_what_is_unknown_is_refused() {
        check("", Ok((0, API_ROWS, "")));
        check("filter=A%2fb+c&offset=990&limit=30", Ok((990, 10, "a/b c")));
        check("offset=18446744073709551615&limit=999999", Ok((1_000, 0, "")));
        check("limit=999999", Ok((0, API_ROWS_MAX, "")));
        check("limit=0", Ok((0, 1, "")));
        check("limit=-1", Err("limit"));
        check("filter=%zz", Err("filter"));
        check("kind=x", Err("kind"));
        check(&format!("host={}", "x".repeat(API_FILTER_BYTES_MAX + 1)), Err("host"));
        let window = Window::of_query("host=a.example", &["host"]).unwrap();
        assert_eq!((window.named("host"), window.named("kind")), (Some("a.example"), None));
        assert!(window.wants(String::new));
    }
}
