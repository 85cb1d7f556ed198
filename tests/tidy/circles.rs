//! No file names a file that leads back to it: what is called never names its caller. Tests are
//! left out, and `mod x;` is no name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::code::line_of;
use super::imports::read;
use super::names::{Sources, Target};
use super::tree::Findings;

/// The files that each file names, by index, and where it does so first.
pub(crate) type Edges = BTreeMap<usize, BTreeMap<usize, usize>>;

pub(crate) fn edges(sources: &Sources) -> Edges {
    let mut edges = Edges::new();
    for (from, file) in sources.files.iter().enumerate().filter(|(_, file)| !file.is_test) {
        let named = edges.entry(from).or_default();
        for name in file.names.iter().filter(|name| !name.in_test) {
            let Target::Own(target) = &name.target else { continue };
            let to = sources.file_of(target).filter(|to| *to != from);
            if let Some(to) = to {
                named.entry(to).or_insert_with(|| line_of(&file.code, name.at));
            }
        }
    }
    edges
}

/// The shortest way from a file back to it, both ends included.
fn circle_through(edges: &Edges, start: usize) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in edges.get(&at).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                let mut way = vec![start, at];
                while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// One shortest circle for each file in one, each circle once.
fn circles(sources: &Sources) -> Vec<Vec<usize>> {
    let edges = edges(sources);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in edges.keys() {
        if let Some(circle) = circle_through(&edges, *file)
            && seen.insert(circle.iter().copied().collect::<BTreeSet<_>>())
        {
            found.push(circle);
        }
    }
    found
}

fn told(sources: &Sources, circle: &[usize], findings: &mut Findings) {
    let edges = edges(sources);
    let steps = circle.windows(2).map(|step| {
        let line = edges.get(&step[0]).and_then(|named| named.get(&step[1])).copied();
        let path = |at: usize| sources.files[at].path.display();
        format!("{}:{} names {}", path(step[0]), line.unwrap_or(1), path(step[1]))
    });
    let text = format!(
        "a circle: {}; what is called never names its caller: move what both need to a file of its \
         own",
        steps.collect::<Vec<_>>().join(", ")
    );
    findings.add(&sources.files[circle[0]].path, 1, &text);
}

#[test]
fn no_file_leads_back_to_itself() {
    let sources = read();
    let mut findings = Findings::default();
    for circle in circles(sources) {
        told(sources, &circle, &mut findings);
    }
    findings.assert_none();
}

#[test]
fn circles_are_found_in_every_form() {
    use super::tree::Text;

    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let text = |(path, text): &(&str, &str)| Text {
            path: format!("src/{path}.rs").into(),
            text: (*text).to_owned(),
        };
        let sources = Sources::new(files.iter().map(text).collect(), BTreeSet::new());
        let module = |at: &usize| sources.files[*at].module.clone();
        let found: Vec<String> = circles(&sources)
            .iter()
            .map(|circle| circle.iter().map(module).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(found, expected, "{files:?}");
    };
    let x = ("x", "fn f() {}");
    check(&[("a", "use crate::x;"), ("b", "use crate::a; use crate::x;"), x], &[]);
    check(&[("a", "use crate::b::B;"), ("b", "use crate::a::A;")], &["a b a"]);
    check(
        &[("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "fn f() { super::a::f() }")],
        &["a b c a"],
    );
    // A folder that names its child, which names the folder.
    check(&[("a/mod", "mod b;"), ("a/b", "use super::A;")], &[]);
    check(&[("a/mod", "mod b; pub use b::B;"), ("a/b", "use super::A;")], &["a a::b a"]);
    check(&[("a/mod", "mod b; fn f() { b::f() }"), ("a/b", "use crate::a::A;")], &["a a::b a"]);
    // Through the folder that exports it.
    check(
        &[("a/mod", "pub use b::B;"), ("a/b", "use super::c::C;"), ("a/c", "use crate::a::B;")],
        &["a a::b a::c a"],
    );
    check(&[("a", "use crate::b;"), ("b", "#[cfg(test)]\nmod tests { use crate::a::A; }")], &[]);
    check(&[("a/mod", "use tests::f;"), ("a/tests", "use super::A;")], &[]);
}
