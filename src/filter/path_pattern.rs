//! Regular expressions that paths are matched by: linear in time, bounded in size, and without
//! memory of their own while they match, whichever thread asks.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use regex_automata::dfa::onepass;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::limits::{PATH_GROUPS_MAX, PATH_REGEX_BYTES_MAX, PATH_SCRATCH_BYTES_MAX};

/// An expression that a path is matched by. Octets, not characters: case is none of ASCII, and `.`
/// is one octet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PathPattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: Arc<str>,
    weight: usize,
    source: Box<str>,
    /// What each match begins with, in lower case.
    head: Box<[u8]>,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    /// The head is all.
    Head,
    /// One way through it at most, whatever the path.
    OnePass(Box<onepass::DFA>),
    /// Several: by trying them, of long paths all at once.
    General(Box<(BoundedBacktracker, PikeVM)>),
}

/// Why a text is not a usable pattern. The object's author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// What the parser says.
    #[error("{0}")]
    Syntax(String),
    /// A compiled form above [`PATH_REGEX_BYTES_MAX`].
    #[error("it is too large")]
    TooLarge,
    /// More than [`PATH_GROUPS_MAX`].
    #[error("it has more than {PATH_GROUPS_MAX} groups")]
    TooManyGroups,
}

/// What the groups of a pattern captured of a path.
#[derive(Debug, Clone)]
pub struct Captures([Option<NonMaxUsize>; SLOTS]);

/// Two a group, and two for the whole.
const SLOTS: usize = 2 * (PATH_GROUPS_MAX + 1);

impl PathPattern {
    /// Compiles `source`.
    ///
    /// Shape: `text` is what its author wrote; patterns of a host are tried in its order.
    ///
    /// # Errors
    /// See [`PathPatternError`].
    pub fn new(text: &str, source: &str) -> Result<Self, PathPatternError> {
        Self::weighing(text.len(), text, source)
    }

    /// The same for one that is tried before those of less `weight`, whatever their texts.
    ///
    /// # Errors
    /// See [`PathPatternError`].
    pub fn weighing(weight: usize, text: &str, source: &str) -> Result<Self, PathPatternError> {
        let tree = parse(source)?;
        let (head, rest) = head(&tree);
        let engine = match rest {
            Rest::Nothing => Engine::Head,
            Rest::Something => Engine::new(&tree)?,
        };
        Ok(Self(Arc::new(Compiled {
            text: text.into(),
            weight,
            source: source.into(),
            head: head.into(),
            engine,
        })))
    }

    /// Whether `source` is an expression by itself, so that it means the same within another one.
    ///
    /// # Errors
    /// It is none.
    pub fn check(source: &str) -> Result<(), PathPatternError> {
        parse(source).map(|_| ())
    }

    /// As its author wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Those that weigh more are tried before; its length, if nothing else was said.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.weight
    }

    /// What it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What each path begins with that it matches, in lower case, whatever the case of the path;
    /// empty if its beginning is not known.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.0.head
    }

    /// Whether it matches `path`.
    #[must_use]
    pub fn is_match(&self, path: &[u8]) -> bool {
        self.search(path, &mut [])
    }

    /// What its groups capture of `path`; `None`: it does not match.
    ///
    /// Shape: allocates nothing once the thread has matched a pattern and a path as large.
    #[must_use]
    pub fn captures(&self, path: &[u8]) -> Option<Captures> {
        let mut captures = Captures([None; SLOTS]);
        self.search(path, &mut captures.0).then_some(captures)
    }

    /// The number of the group of this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<usize> {
        let nfa = self.0.engine.nfa()?;
        nfa.group_info().to_index(regex_automata::PatternID::ZERO, name)
    }

    /// Its groups that have names, with their numbers.
    pub fn groups(&self) -> impl Iterator<Item = (&str, usize)> {
        let nfa = self.0.engine.nfa();
        let names = nfa.map(|nfa| nfa.group_info().pattern_names(regex_automata::PatternID::ZERO));
        names.into_iter().flatten().enumerate().filter_map(|(number, name)| Some((name?, number)))
    }

    fn search(&self, path: &[u8], slots: &mut [Option<NonMaxUsize>]) -> bool {
        let head = &self.0.head;
        let begins = path.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head));
        begins && self.0.engine.search(path, slots)
    }
}

fn parse(source: &str) -> Result<Hir, PathPatternError> {
    let config = syntax::Config::new().unicode(false).utf8(false);
    let tree = syntax::parse_with(source, &config);
    tree.map_err(|error| PathPatternError::Syntax(reason(&error)))
}

impl Captures {
    /// What group `number` captured; `None`: nothing, or there is no such group.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<Range<usize>> {
        let at = number.checked_mul(2)?;
        let slot = |at: usize| self.0.get(at).copied().flatten().map(NonMaxUsize::get);
        Some(slot(at)?..slot(at.checked_add(1)?)?)
    }
}

impl Engine {
    fn new(tree: &Hir) -> Result<Self, PathPatternError> {
        let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(PATH_REGEX_BYTES_MAX));
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(tree)
            .map_err(|_too_large| PathPatternError::TooLarge)?;
        if nfa.group_info().group_len(regex_automata::PatternID::ZERO) > PATH_GROUPS_MAX + 1 {
            return Err(PathPatternError::TooManyGroups);
        }
        if nfa.is_always_start_anchored() {
            let config = onepass::Config::new()
                .match_kind(MatchKind::LeftmostFirst)
                .size_limit(Some(PATH_REGEX_BYTES_MAX));
            let built = onepass::Builder::new().configure(config).build_from_nfa(nfa.clone());
            if let Ok(dfa) = built {
                return Ok(Self::OnePass(Box::new(dfa)));
            }
        }
        let config = backtrack::Config::new().visited_capacity(PATH_SCRATCH_BYTES_MAX);
        let backtracker =
            BoundedBacktracker::builder().configure(config).build_from_nfa(nfa.clone());
        match (backtracker, PikeVM::new_from_nfa(nfa)) {
            (Ok(backtracker), Ok(pike)) => Ok(Self::General(Box::new((backtracker, pike)))),
            _ => Err(PathPatternError::TooLarge),
        }
    }

    fn nfa(&self) -> Option<&NFA> {
        match self {
            Self::Head => None,
            Self::OnePass(dfa) => Some(dfa.get_nfa()),
            Self::General(both) => Some(both.0.get_nfa()),
        }
    }

    /// INVARIANT: no engine fails on these inputs but the backtracker, on a path that is too long
    /// for its memory.
    fn search(&self, path: &[u8], slots: &mut [Option<NonMaxUsize>]) -> bool {
        let input = Input::new(path).earliest(slots.is_empty());
        SCRATCH.with_borrow_mut(|scratch| match self {
            Self::Head => true,
            Self::OnePass(dfa) => {
                let cache = scratch.one_pass.get_or_insert_with(|| dfa.create_cache());
                cache.reset(dfa);
                matches!(dfa.try_search_slots(cache, &input, slots), Ok(Some(_)))
            }
            Self::General(both) => {
                let (backtracker, pike) = &**both;
                let cache = scratch.backtrack.get_or_insert_with(|| backtracker.create_cache());
                cache.reset(backtracker);
                match backtracker.try_search_slots(cache, &input, slots) {
                    Ok(found) => found.is_some(),
                    Err(_too_long) => {
                        let cache = scratch.pike.get_or_insert_with(|| pike.create_cache());
                        cache.reset(pike);
                        pike.search_slots(cache, &input, slots).is_some()
                    }
                }
            }
        })
    }
}

/// What a thread needs while it matches, whatever the pattern.
#[derive(Default)]
struct Scratch {
    one_pass: Option<onepass::Cache>,
    backtrack: Option<backtrack::Cache>,
    pike: Option<pikevm::Cache>,
}

thread_local! {
    /// PERF: patterns are shared by all cores; memory in them would be one each for every core, and
    /// behind a lock.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a pattern asks for behind its head.
#[derive(Clone, Copy)]
enum Rest {
    Nothing,
    Something,
}

/// What each match begins with, in lower case.
fn head(tree: &Hir) -> (Vec<u8>, Rest) {
    let mut head = Vec::new();
    let mut rest = Rest::Nothing;
    let HirKind::Concat(parts) = tree.kind() else { return (head, Rest::Something) };
    let mut parts = parts.iter();
    if parts.next().map(Hir::kind) != Some(&HirKind::Look(Look::Start)) {
        return (head, Rest::Something);
    }
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) => {
                head.extend(literal.0.iter().map(u8::to_ascii_lowercase));
                // Its case counts.
                if literal.0.iter().any(u8::is_ascii_alphabetic) {
                    rest = Rest::Something;
                }
            }
            HirKind::Class(Class::Bytes(class)) => match class.ranges() {
                [upper, lower]
                    if upper.start() == upper.end()
                        && lower.start() == lower.end()
                        && upper.start().to_ascii_lowercase() == lower.start() =>
                {
                    head.push(lower.start());
                }
                _ => return (head, Rest::Something),
            },
            _ => return (head, Rest::Something),
        }
    }
    (head, rest)
}

/// The last line of what the parser draws.
fn reason(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        let same = self.text() == other.text() && self.weight() == other.weight();
        same && self.source() == other.source()
    }
}

impl Eq for PathPattern {}

impl Hash for PathPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str) -> PathPattern {
        PathPattern::new(source, source).expect("a pattern")
    }

    /// Each group as text, `-` for none; `None`: no match.
    fn captured(source: &str, path: &str) -> Option<String> {
        let pattern = pattern(source);
        let captures = pattern.captures(path.as_bytes());
        assert_eq!(pattern.is_match(path.as_bytes()), captures.is_some(), "{source} {path}");
        let captures = captures?;
        let group = |n| captures.get(n).map_or("-", |range| &path[range]);
        Some((1..=3).map(group).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn groups_are_captured_by_every_engine() {
        for (source, path, expected) in [
            ("(?i)^/api", "/API/x", Some("- - -")),
            ("(?i)^/api", "/ap", None),
            ("(?i)^/api/(.*)", "/Api/V1", Some("V1 - -")),
            ("(?i)^/api(/|$)(.*)", "/api/v1", Some("/ v1 -")),
            ("(?i)^/api(/|$)(.*)", "/api", Some("  -")),
            ("(?i)^/api(/|$)(.*)", "/apis", None),
            ("(?i)^/(a|b)?(/.*)?", "/c", Some("- - -")),
            ("(?i)^/(.*)/x/(.*)", "/a/x/b/x/c", Some("a/x/b c -")),
            ("(?i)^/a|/b(.)", "/z/b1", Some("1 - -")),
            ("(?i)^/(?<first>[a-z]+)/(?<second>[0-9]+)$", "/ab/12", Some("ab 12 -")),
            ("(?i)^/(x.z)", "/x\u{e9}z", None),
            ("^/api", "/Api", None),
            ("^/api", "/api", Some("- - -")),
        ] {
            assert_eq!(captured(source, path).as_deref(), expected, "{source} {path}");
        }
        let named = pattern("(?i)^/(?<first>[a-z]+)/(?<second>[0-9]+)$");
        assert_eq!((named.group("second"), named.group("third")), (Some(2), None));
    }

    #[test]
    fn a_path_that_is_too_long_to_try_all_ways_is_matched_all_the_same() {
        let path = format!("/{}x/end", "a/x/".repeat(PATH_SCRATCH_BYTES_MAX / 4));
        let pattern = pattern("(?i)^/(.*)/x/(.*)");
        let captures = pattern.captures(path.as_bytes()).expect("a match");
        assert_eq!(captures.get(2).map(|range| &path[range]), Some("end"));
    }

    #[test]
    fn heads_are_what_is_plain() {
        for (source, expected) in [
            ("(?i)^/Api/v1", "/api/v1"),
            ("(?i)^/api(/|$)(.*)", "/api"),
            ("(?i)^/v1.2/x", "/v1"),
            ("(?i)^/a+b", "/"),
            ("(?i)^/a|/b", ""),
            ("(?i)^(/a|/b)", ""),
            ("(?i)/a", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(pattern(source).head()), expected, "{source}");
        }
    }

    #[test]
    fn patterns_are_bounded() {
        let error = |source: &str| PathPattern::new("", source).expect_err("no pattern");
        assert_eq!(error("^/(?:a{1000}){1000}"), PathPatternError::TooLarge);
        let groups = "(a)".repeat(PATH_GROUPS_MAX + 1);
        assert_eq!(error(&format!("^{groups}")), PathPatternError::TooManyGroups);
        assert!(PathPattern::new("", &format!("^{}", "(a)".repeat(PATH_GROUPS_MAX))).is_ok());
        assert_eq!(error("^/("), PathPatternError::Syntax("unclosed group".into()));
    }
}
