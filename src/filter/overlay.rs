//! Fields of a request that gates set or take away on its way to the backend.

/// What gates said about fields. For almost every request nothing, and then it costs a look.
///
/// INVARIANT: what stands in it is safe to write into a head as it is: names are tokens, values
/// hold no control characters but tabs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestOverlay {
    /// Of lines that do not pass, each with a line feed behind it.
    names: Vec<u8>,
    /// Whole lines, CRLF included.
    lines: Vec<u8>,
}

impl RequestOverlay {
    /// Nothing to do; the memory stays.
    pub fn clear(&mut self) {
        self.names.clear();
        self.lines.clear();
    }

    /// Whether there is nothing to do.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.lines.is_empty()
    }

    /// Octets that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.names.len().saturating_add(self.lines.len())
    }

    /// No line of this name passes that the client sent.
    pub fn remove(&mut self, name: &[u8]) {
        debug_assert!(!name.contains(&b'\n'), "a name is a token");
        self.names.extend_from_slice(name);
        self.names.push(b'\n');
    }

    /// No line passes whose name begins so, be it one that was added.
    pub fn remove_beginning(&mut self, name: &[u8]) {
        self.take_back_if(|known| is_beginning(known, name));
        self.names.extend_from_slice(name);
        self.names.push(BEGINNING);
        self.names.push(b'\n');
    }

    /// Has a line in the place of the client's.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    /// The same, also of what was added before. Without a value there is no such field.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        self.take_back(name);
        self.remove(name);
        if !value.is_empty() {
            self.add(name, value);
        }
    }

    /// Has what `later` has in the place of its own.
    pub fn take_over(&mut self, later: &Self) {
        for name in later.names.split(|octet| *octet == b'\n').filter(|name| !name.is_empty()) {
            match name.strip_suffix(&[BEGINNING]) {
                Some(name) => self.remove_beginning(name),
                None => {
                    self.take_back(name);
                    self.remove(name);
                }
            }
        }
        self.lines.extend_from_slice(&later.lines);
    }

    /// The value of the first line of this name that was added.
    #[must_use]
    pub fn added(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields().find_map(|(known, value)| is_same_name(known, name).then_some(value))
    }

    /// Names and values of the lines that were added.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.split(|octet| *octet == b'\n').filter_map(|line| Self::part(line))
    }

    fn take_back(&mut self, name: &[u8]) {
        self.take_back_if(|known| is_same_name(known, name));
    }

    fn take_back_if(&mut self, is_name: impl Fn(&[u8]) -> bool) {
        let is_it = |line: &[u8]| Self::part(line).is_some_and(|(name, _)| is_name(name));
        if !self.lines.split(|octet| *octet == b'\n').any(is_it) {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        let kept = lines.split_inclusive(|octet| *octet == b'\n').filter(|line| !is_it(line));
        self.lines.extend(kept.flatten());
    }

    /// Name and value of a line.
    fn part(line: &[u8]) -> Option<(&[u8], &[u8])> {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let (name, rest) = line.split_at_checked(colon)?;
        Some((name, rest.get(1..)?.trim_ascii()))
    }

    /// Takes back what was added; what was removed stays so.
    pub fn withhold(&mut self) {
        self.lines.clear();
    }

    /// Adds a line.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        debug_assert!(!value.iter().any(|octet| matches!(octet, b'\r' | b'\n')), "one line");
        for part in [name, b": ", value, b"\r\n"] {
            self.lines.extend_from_slice(part);
        }
    }

    /// Whether a line of this name is left out. Names are compared as backends of the CGI kind read
    /// them: no case, and one sign for all that is neither letter nor digit.
    #[must_use]
    #[inline]
    pub fn is_dropped(&self, name: &[u8]) -> bool {
        !self.names.is_empty() && self.drops(name)
    }

    fn drops(&self, name: &[u8]) -> bool {
        let mut names = self.names.split(|octet| *octet == b'\n');
        names.any(|known| match known.strip_suffix(&[BEGINNING]) {
            Some(known) => is_beginning(name, known),
            None => is_same_name(known, name),
        })
    }

    /// The lines that are added.
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }
}

/// Behind the beginning of a name: no name has it.
const BEGINNING: u8 = b'\t';

fn is_beginning(name: &[u8], beginning: &[u8]) -> bool {
    name.get(..beginning.len()).is_some_and(|start| is_same_name(start, beginning))
}

/// Whether backends of the CGI kind cannot tell two names from each other.
pub(super) fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    let is_sign = |octet: u8| !octet.is_ascii_alphanumeric();
    one.len() == other.len()
        && one.iter().zip(other).all(|(&one, &other)| {
            one.eq_ignore_ascii_case(&other) || (is_sign(one) && is_sign(other))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_names_have_many_spellings() {
        let mut overlay = RequestOverlay::default();
        assert!(overlay.is_empty() && !overlay.is_dropped(b"x-user"));
        overlay.remove(b"X-User");
        overlay.remove(b"Authorization");
        overlay.remove_beginning(b"X-Own-");
        for (name, expected) in [
            ("X-Own-", true),
            ("x_own_id", true),
            ("X-Own", false),
            ("X-User", true),
            ("x-user", true),
            ("X_USER", true),
            ("x.user", true),
            ("AUTHORIZATION", true),
            ("X-Use", false),
            ("X-User2", false),
            ("XaUser", false),
            ("User", false),
        ] {
            assert_eq!(overlay.is_dropped(name.as_bytes()), expected, "{name}");
        }
        assert!(!overlay.is_empty());
        overlay.clear();
        assert!(overlay.is_empty() && !overlay.is_dropped(b"x-user"));
    }

    #[test]
    fn lines_are_added_as_they_are() {
        let mut overlay = RequestOverlay::default();
        overlay.remove(b"X-User");
        overlay.add(b"X-User", b"ann");
        overlay.add(b"X-User", b"");
        assert_eq!(overlay.lines(), b"X-User: ann\r\nX-User: \r\n");
        overlay.withhold();
        overlay.set(b"X-Code", b"401");
        assert_eq!(overlay.lines(), b"X-Code: 401\r\n");
        assert!(overlay.is_dropped(b"x-user") && overlay.is_dropped(b"x_code"));
    }
}
