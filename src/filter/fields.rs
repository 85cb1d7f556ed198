//! Edits of fields (headers). An edit that exists is safe to write into a head as it is.

use std::sync::Arc;

use super::overlay::is_same_name;
use crate::http1::fields::is_token;

/// Changes to fields. Names are tokens, as their author writes them, and values hold no control
/// characters; [`FieldEdits::new`] sees to it, and so nobody who writes a head has to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct FieldEdits {
    set: Vec<(Arc<str>, Arc<str>)>,
    add: Vec<(Arc<str>, Arc<str>)>,
    remove: Vec<Arc<str>>,
}

/// Why edits are not usable. The object's author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldEditError {
    /// Not a token, RFC 9110 section 5.1.
    #[error("{0:?} is not a field name")]
    Name(String),
    /// A control character other than tab, or a space at either end, RFC 9110 section 5.5.
    #[error("the value of {0} holds a control character, or a space at its start or end")]
    Value(Arc<str>),
    /// More than one action for a name, Gateway API `HTTPHeaderFilter`.
    #[error("{0} is named more than once")]
    Repeated(Arc<str>),
    /// The proxy writes it itself: it says where the message goes or ends, or what the connection
    /// is used for. A new Host is a [`super::Rewrite`].
    #[error("{0} is written by the proxy itself and cannot be edited")]
    Reserved(Arc<str>),
}

/// RFC 9110 sections 7.2 and 7.6.1, RFC 9112 section 6.
const RESERVED: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

impl FieldEdits {
    /// Nothing to do.
    pub const NONE: &Self = &Self { set: Vec::new(), add: Vec::new(), remove: Vec::new() };

    /// Checks the edits.
    ///
    /// Shape: `set` replaces every line of its name, `add` adds a line, `remove` deletes every
    /// line.
    ///
    /// # Errors
    /// The object's author is at fault; see [`FieldEditError`].
    ///
    /// Source: Gateway API `HTTPHeaderFilter`.
    pub fn new<'a>(
        set: impl IntoIterator<Item = (&'a str, &'a str)>,
        add: impl IntoIterator<Item = (&'a str, &'a str)>,
        remove: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, FieldEditError> {
        let check = |(name, value)| {
            let name = check_name(name)?;
            let value = check_value(&name, value)?;
            Ok((name, value))
        };
        let edits = Self {
            set: set.into_iter().map(check).collect::<Result<_, _>>()?,
            add: add.into_iter().map(check).collect::<Result<_, _>>()?,
            remove: remove.into_iter().map(check_name).collect::<Result<_, _>>()?,
        };
        match edits.repeated_name() {
            Some(name) => Err(FieldEditError::Repeated(name)),
            None => Ok(edits),
        }
    }

    /// One line in the place of all of its name. As nginx has it, without a value there is none.
    ///
    /// # Errors
    /// As [`FieldEdits::new`].
    pub fn line(name: &str, value: &str) -> Result<Self, FieldEditError> {
        match value.is_empty() {
            true => Self::new([], [], [name]),
            false => Self::new([(name, value)], [], []),
        }
    }

    /// Has `next` done behind these edits: it sees what they left.
    pub fn append(&mut self, next: &Self) {
        let Self { set, add, remove } = self;
        for lines in [set, add] {
            lines.retain(|(name, _)| !next.is_dropped(name.as_bytes()));
        }
        remove.retain(|name| !next.is_dropped(name.as_bytes()));
        self.set.extend_from_slice(&next.set);
        self.add.extend_from_slice(&next.add);
        self.remove.extend_from_slice(&next.remove);
    }

    /// Whether there is nothing to do.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Whether a received line of this name is left out.
    ///
    /// Shape: `name` in any case; does not allocate.
    #[must_use]
    #[inline]
    pub fn is_dropped(&self, name: &[u8]) -> bool {
        !self.is_empty() && self.drops(name)
    }

    /// The same, of names as backends of the CGI kind read them.
    #[must_use]
    pub fn is_dropped_as_read(&self, name: &[u8]) -> bool {
        let is_it = |edited: &Arc<str>| is_same_name(edited.as_bytes(), name);
        self.set.iter().any(|(edited, _)| is_it(edited)) || self.remove.iter().any(is_it)
    }

    fn drops(&self, name: &[u8]) -> bool {
        let is_it = |edited: &Arc<str>| edited.as_bytes().eq_ignore_ascii_case(name);
        self.set.iter().any(|(edited, _)| is_it(edited)) || self.remove.iter().any(is_it)
    }

    /// Lines to write after the received ones: what is set, then what is added.
    pub fn appended(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().chain(&self.add).map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Names of lines that are left out and not written anew.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.remove.iter().map(AsRef::as_ref)
    }

    /// Lines in the place of all of their names.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Further lines.
    pub fn added(&self) -> impl Iterator<Item = (&str, &str)> {
        self.add.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    fn repeated_name(&self) -> Option<Arc<str>> {
        let pairs = self.set.iter().chain(&self.add).map(|(name, _)| name);
        let mut names: Vec<&Arc<str>> = pairs.chain(&self.remove).collect();
        names.sort_unstable_by_key(|name| name.to_ascii_lowercase());
        names.windows(2).find_map(|pair| match pair {
            [a, b] if a.eq_ignore_ascii_case(b) => Some(a.to_ascii_lowercase().into()),
            _ => None,
        })
    }
}

fn check_name(name: &str) -> Result<Arc<str>, FieldEditError> {
    if !is_token(name.as_bytes()) {
        return Err(FieldEditError::Name(name.to_owned()));
    }
    match RESERVED.iter().find(|reserved| reserved.eq_ignore_ascii_case(name)) {
        Some(reserved) => Err(FieldEditError::Reserved((*reserved).into())),
        None => Ok(name.into()),
    }
}

fn check_value(name: &Arc<str>, value: &str) -> Result<Arc<str>, FieldEditError> {
    let is_padded = value != value.trim_matches([' ', '\t']);
    if is_padded || value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(FieldEditError::Value(Arc::clone(name)));
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &[(&str, &str)], remove: &[&str], wanted: &FieldEditError) {
        let edits = FieldEdits::new(set.iter().copied(), [], remove.iter().copied());
        assert_eq!(edits.as_ref(), Err(wanted));
        let edits = FieldEdits::new([], set.iter().copied(), remove.iter().copied());
        assert_eq!(edits.as_ref(), Err(wanted));
    }

    #[test]
    fn names_are_tokens() {
        for name in ["", "a b", "a:", "ä", "a\r\nb", "a\0"] {
            check(&[(name, "1")], &[], &FieldEditError::Name(name.into()));
            check(&[], &[name], &FieldEditError::Name(name.into()));
        }
    }

    #[test]
    fn values_end_no_line_and_no_text() {
        for value in ["a\r\nx: 1", "a\nb", "a\rb", "a\0b", "\x7f", " a", "a ", "a\t"] {
            check(&[("x", value)], &[], &FieldEditError::Value("x".into()));
        }
    }

    #[test]
    fn a_name_has_one_action() {
        check(&[("X-A", "1"), ("x-a", "2")], &[], &FieldEditError::Repeated("x-a".into()));
        check(&[("x-a", "1")], &["X-a"], &FieldEditError::Repeated("x-a".into()));
    }

    #[test]
    fn what_the_proxy_writes_is_not_edited() {
        for name in ["Transfer-Encoding", "Content-Length", "Connection", "Host"] {
            let wanted = FieldEditError::Reserved(name.to_ascii_lowercase().into());
            check(&[(name, "1")], &[], &wanted);
            check(&[], &[name], &wanted);
        }
    }

    #[test]
    fn set_replaces_add_keeps_and_remove_deletes() {
        let edits =
            FieldEdits::new([("X-Set", "s\tt"), ("x-two", "")], [("X-Add", "ü")], ["X-Gone"])
                .expect("usable");
        for (name, wanted) in
            [("x-set", true), ("X-SET", true), ("x-gone", true), ("x-add", false), ("x", false)]
        {
            assert_eq!(edits.is_dropped(name.as_bytes()), wanted, "{name}");
        }
        let lines: Vec<_> = edits.appended().collect();
        assert_eq!(lines, [("X-Set", "s\tt"), ("x-two", ""), ("X-Add", "ü")]);
        assert!(!edits.is_empty());
        assert!(FieldEdits::default().is_empty());
    }

    /// What becomes of a received `x: 0`, and of nothing received.
    #[track_caller]
    fn check_x(edits: &FieldEdits, wanted: &[&str]) {
        let received = Some("0").filter(|_| !edits.is_dropped(b"x"));
        let appended = edits.appended().filter(|(name, _)| *name == "x");
        let lines: Vec<&str> = received.into_iter().chain(appended.map(|(_, v)| v)).collect();
        assert_eq!(lines, wanted, "{edits:?}");
    }

    #[test]
    fn edits_see_what_earlier_ones_left() {
        let set = |value| FieldEdits::new([("x", value)], [], []).expect("usable");
        let add = |value| FieldEdits::new([], [("x", value)], []).expect("usable");
        let remove = || FieldEdits::new([], [], ["x"]).expect("usable");
        let cases: [(FieldEdits, FieldEdits, &[&str]); 9] = [
            (set("1"), set("2"), &["2"]),
            (set("1"), add("2"), &["1", "2"]),
            (set("1"), remove(), &[]),
            (add("1"), set("2"), &["2"]),
            (add("1"), add("2"), &["0", "1", "2"]),
            (add("1"), remove(), &[]),
            (remove(), set("2"), &["2"]),
            (remove(), add("2"), &["2"]),
            (remove(), remove(), &[]),
        ];
        for (mut first, second, wanted) in cases {
            first.append(&second);
            check_x(&first, wanted);
            first.append(&FieldEdits::default());
            check_x(&first, wanted);
        }
    }
}
