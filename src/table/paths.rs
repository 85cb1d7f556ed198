//! The literal paths of one host, compiled: which candidates a request path leads to, best first.
//!
//! Order: the longest path first, and an exact path before a prefix of the same length. Since
//! everything that matches is a piece of the same request path, that means: the exact path if there
//! is one, then prefixes from long to short. A prefix with a trailing slash also matches the path
//! without it, where it comes after the prefix that is written so: `/a` before `/a/` for a request
//! for `/a`, and `/a/` before `/a` for all that is below.
//!
//! A handful of paths is compared one after the other. More become a tree over path elements, held
//! in one array: a walk costs one hash probe per element and stops at the first element that no
//! rule has, so a path of 4,000 slashes costs no more than the deepest rule. Each node points at
//! the next shorter prefix, so a candidate that is passed over costs one step, not another search.

use std::collections::BTreeMap;
use std::ops::Range;

use super::conditions::{Candidate, order};
use super::index::{HashIndex, hash_bytes};

/// Up to this many paths are compared one by one.
///
/// PERF: `benches/lookup.rs`, "paths of one host", random ones three elements deep: 8 cost 45 ns as
/// a list, 9 cost 70 ns as a tree and 1,000 cost 60 ns.
const LINEAR_PATHS_MAX: usize = 8;

/// A set of literal paths.
#[derive(Debug)]
pub(super) enum Paths {
    /// Few.
    Linear(Linear),
    /// Many.
    Tree(Tree),
}

/// How a literal path matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    /// Byte for byte.
    Exact,
    /// By element, from the start.
    Prefix,
}

/// Collects the paths of a host with their candidates.
#[derive(Debug, Default)]
pub(super) struct PathsBuilder<'m> {
    /// By text, that of prefixes without the trailing slash; empty: the prefix `/`.
    paths: BTreeMap<&'m str, Claims>,
}

/// The candidates of one text.
#[derive(Debug, Default)]
struct Claims {
    exact: Vec<Candidate>,
    /// `/a`.
    prefix: Vec<Candidate>,
    /// `/a/`.
    slashed: Vec<Candidate>,
}

/// One literal path, ready to compile.
struct Literal<'m> {
    text: &'m str,
    /// For a request path that is the text.
    at: Range<u32>,
    /// For a request path that goes on with a slash.
    below: Range<u32>,
}

impl<'m> PathsBuilder<'m> {
    /// Adds a candidate. Calls come in the order of rules and matches.
    ///
    /// A path that does not begin with `/` matches nothing: no request has such a path.
    pub(super) fn add(&mut self, path: &'m str, kind: PathKind, candidate: Candidate) {
        if !path.starts_with('/') {
            return;
        }
        let stem = path.trim_end_matches('/');
        match kind {
            PathKind::Exact => self.paths.entry(path).or_default().exact.push(candidate),
            PathKind::Prefix if stem == path => {
                self.paths.entry(stem).or_default().prefix.push(candidate);
            }
            PathKind::Prefix => self.paths.entry(stem).or_default().slashed.push(candidate),
        }
    }

    /// Compiles; the candidates of all paths go to the end of `candidates`.
    pub(super) fn build(self, candidates: &mut Vec<Candidate>) -> Paths {
        let mut literals: Vec<Literal<'m>> = Vec::with_capacity(self.paths.len());
        for (text, mut claims) in self.paths {
            let Claims { exact, prefix, slashed } = &mut claims;
            for list in [&mut *exact, &mut *prefix, &mut *slashed] {
                order(list);
            }
            let mut push = |lists: &[&Vec<Candidate>]| {
                let start = saturate(candidates.len());
                for list in lists {
                    candidates.extend_from_slice(list);
                }
                start..saturate(candidates.len())
            };
            let below = push(&[slashed, prefix]);
            let at = match (exact.is_empty(), prefix.is_empty() || slashed.is_empty()) {
                // The same, which most paths have.
                (true, true) => below.clone(),
                _ => push(&[exact, prefix, slashed]),
            };
            literals.push(Literal { text, at, below });
        }
        if literals.len() <= LINEAR_PATHS_MAX {
            Paths::Linear(Linear::new(literals))
        } else {
            Paths::Tree(Tree::new(literals))
        }
    }
}

/// Indices are 32 bits; what would not fit cannot be held in memory either.
pub(super) fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Candidates of a path that matched, with the number of bytes it covers.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) candidates: Range<u32>,
    pub(super) matched_bytes: usize,
}

impl Paths {
    /// First result of `accept` over the paths that match `path`, best first.
    #[inline]
    pub(super) fn find<T>(&self, path: &[u8], accept: impl FnMut(Hit) -> Option<T>) -> Option<T> {
        match self {
            Self::Linear(linear) => linear.find(path, accept),
            Self::Tree(tree) => tree.find(path, accept),
        }
    }
}

/// A few paths in the order they are tried.
#[derive(Debug)]
pub(super) struct Linear {
    /// All texts, one after the other.
    text: Box<[u8]>,
    entries: Box<[LinearEntry]>,
}

#[derive(Debug)]
struct LinearEntry {
    text: Range<u32>,
    at: Range<u32>,
    below: Range<u32>,
}

impl Linear {
    fn new(mut literals: Vec<Literal<'_>>) -> Self {
        literals.sort_by_key(|literal| std::cmp::Reverse(literal.text.len()));
        let mut text = Vec::new();
        let entries = literals.into_iter().map(|literal| {
            let start = saturate(text.len());
            text.extend_from_slice(literal.text.as_bytes());
            LinearEntry { text: start..saturate(text.len()), at: literal.at, below: literal.below }
        });
        let entries = entries.collect();
        Self { text: text.into(), entries }
    }

    #[inline]
    fn find<T>(&self, path: &[u8], mut accept: impl FnMut(Hit) -> Option<T>) -> Option<T> {
        self.entries.iter().find_map(|entry| {
            let text = slice(&self.text, &entry.text);
            let candidates = match path.strip_prefix(text)? {
                [] => &entry.at,
                [b'/', ..] => &entry.below,
                // The prefix `/`, and the target `*`.
                _ if text.is_empty() => &entry.below,
                _ => return None,
            };
            accept(Hit { candidates: candidates.clone(), matched_bytes: text.len() })
        })
    }
}

#[inline]
fn slice<'t, T>(all: &'t [T], range: &Range<u32>) -> &'t [T] {
    all.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// Many paths, by element.
#[derive(Debug)]
pub(super) struct Tree {
    /// Elements of all nodes, one after the other.
    text: Box<[u8]>,
    /// The first is the root, which is the prefix `/`. A parent comes before its children.
    nodes: Box<[Node]>,
    /// Nodes by parent and element.
    index: HashIndex,
    /// Longest element; a longer one of a request is not even hashed.
    element_bytes_max: usize,
}

/// The root, or one element below a node.
#[derive(Debug, Clone)]
struct Node {
    element: Range<u32>,
    parent: u32,
    /// Next shorter prefix with candidates on the way to the root; the root points at itself.
    shorter: u32,
    /// Bytes from the start of the path to the end of this element.
    path_bytes: u32,
    /// See [`Literal`].
    at: Range<u32>,
    below: Range<u32>,
    /// PERF: spares the hash of the element that follows the deepest rule, which most requests
    /// have.
    has_children: bool,
}

const ROOT: u32 = 0;

/// The root's parent, so that the root is not taken for its own child with an empty element.
const NO_PARENT: u32 = u32::MAX;

/// How much of a path a node stands for.
#[derive(Clone, Copy)]
enum Extent {
    Whole,
    Beginning,
}

impl Tree {
    fn new(mut literals: Vec<Literal<'_>>) -> Self {
        // By element, not by byte: `/a-b` sorts between `/a` and `/a/c` as text.
        literals.sort_by(|a, b| a.text.split('/').cmp(b.text.split('/')));
        let mut builder = TreeBuilder::new();
        for literal in &literals {
            builder.add(literal);
        }
        builder.finish()
    }

    /// PERF: the walk remembers only where it ends; shorter prefixes are links, not a list, so
    /// there is neither an allocation nor a bound on depth.
    #[inline]
    fn find<T>(&self, path: &[u8], mut accept: impl FnMut(Hit) -> Option<T>) -> Option<T> {
        let (mut at, mut extent) = self.walk(path);
        loop {
            let node = self.nodes.get(at as usize)?;
            let candidates = match extent {
                Extent::Whole => &node.at,
                Extent::Beginning => &node.below,
            };
            if !candidates.is_empty() {
                let matched_bytes = node.path_bytes as usize;
                let hit = Hit { candidates: candidates.clone(), matched_bytes };
                if let Some(found) = accept(hit) {
                    return Some(found);
                }
            }
            if at == ROOT {
                return None;
            }
            at = node.shorter;
            extent = Extent::Beginning;
        }
    }

    /// The deepest node on the way of `path`, and for how much of it that stands.
    #[inline]
    fn walk(&self, path: &[u8]) -> (u32, Extent) {
        let mut at = ROOT;
        let Some(mut rest) = path.strip_prefix(b"/") else { return (at, Extent::Beginning) };
        loop {
            // One byte more than the longest element shows whether this one is longer.
            let window = rest.get(..=self.element_bytes_max).unwrap_or(rest);
            let end = memchr::memchr(b'/', window);
            if end.is_none() && window.len() > self.element_bytes_max {
                return (at, Extent::Beginning);
            }
            let (element, tail) = rest.split_at(end.unwrap_or(window.len()));
            let Some(child) = self.child(at, element) else { return (at, Extent::Beginning) };
            at = child;
            let Some(next) = tail.get(1..) else { return (at, Extent::Whole) };
            if !self.nodes.get(at as usize).is_some_and(|node| node.has_children) {
                return (at, Extent::Beginning);
            }
            rest = next;
        }
    }

    #[inline]
    fn child(&self, parent: u32, element: &[u8]) -> Option<u32> {
        let found = self.index.find(node_hash(parent, element), |n| {
            self.nodes.get(n).is_some_and(|node| {
                node.parent == parent && slice(&self.text, &node.element) == element
            })
        });
        found.map(saturate)
    }
}

/// An odd multiplier spreads consecutive parents over all bits of an already good hash.
#[inline]
fn node_hash(parent: u32, element: &[u8]) -> u64 {
    hash_bytes(element) ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Grows a [`Tree`]. Literals come sorted by element, so the way to the last one is kept as a stack
/// and shared elements need no search.
struct TreeBuilder {
    text: Vec<u8>,
    nodes: Vec<Node>,
    /// Nodes from the root to the last literal.
    way: Vec<u32>,
    element_bytes_max: usize,
}

impl TreeBuilder {
    fn new() -> Self {
        let root = Node {
            element: 0..0,
            parent: NO_PARENT,
            shorter: ROOT,
            path_bytes: 0,
            at: 0..0,
            below: 0..0,
            has_children: false,
        };
        Self { text: Vec::new(), nodes: vec![root], way: vec![ROOT], element_bytes_max: 0 }
    }

    fn add(&mut self, literal: &Literal<'_>) {
        let mut depth = 0;
        if let Some(elements) = literal.text.strip_prefix('/') {
            for element in elements.split('/') {
                depth += 1;
                self.descend(depth, element.as_bytes());
            }
        }
        self.way.truncate(depth + 1);
        let at = self.way.last().map_or(ROOT, |at| *at) as usize;
        if let Some(node) = self.nodes.get_mut(at) {
            node.at = literal.at.clone();
            node.below = literal.below.clone();
        }
    }

    /// Makes `element` the one at `depth` of the way.
    fn descend(&mut self, depth: usize, element: &[u8]) {
        if let Some(node) = self.way.get(depth).and_then(|at| self.nodes.get(*at as usize))
            && slice(&self.text, &node.element) == element
        {
            return;
        }
        self.way.truncate(depth);
        let parent = self.way.last().map_or(ROOT, |at| *at);
        let parent_bytes = self.nodes.get(parent as usize).map_or(0, |node| node.path_bytes);
        let start = saturate(self.text.len());
        self.text.extend_from_slice(element);
        self.element_bytes_max = self.element_bytes_max.max(element.len());
        self.way.push(saturate(self.nodes.len()));
        self.nodes.push(Node {
            element: start..saturate(self.text.len()),
            parent,
            shorter: ROOT,
            path_bytes: parent_bytes.saturating_add(1).saturating_add(saturate(element.len())),
            at: 0..0,
            below: 0..0,
            has_children: false,
        });
    }

    fn finish(mut self) -> Tree {
        for at in 1..self.nodes.len() {
            let parent = self.nodes[at].parent as usize;
            let above = &mut self.nodes[parent];
            above.has_children = true;
            let shorter = if above.below.is_empty() { above.shorter } else { saturate(parent) };
            self.nodes[at].shorter = shorter;
        }
        let text = &self.text;
        let hashes = self.nodes.iter().map(|n| node_hash(n.parent, slice(text, &n.element)));
        let index = HashIndex::new(hashes);
        Tree {
            index,
            text: self.text.into(),
            nodes: self.nodes.into(),
            element_bytes_max: self.element_bytes_max,
        }
    }
}
