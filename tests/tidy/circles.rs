//! No file names a file that leads back to it: what is called never names its caller. Tests are
//! left out, and `mod x;` is no name. A method that a file adds to a type of another one is named
//! by whoever names the type and calls it; calls on values whose type is not named are not seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::code::{closing, is_word, line_of, path_starts, word_at};
use super::imports::read;
use super::names::{Source, Sources, Target, is_within};
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
    add_calls(sources, &mut edges);
    edges
}

/// Paths of types and other things that code outside tests names.
fn targets(file: &Source) -> BTreeSet<&str> {
    let names = file.names.iter().filter(|name| !name.in_test);
    let own = names.filter_map(|name| match &name.target {
        Target::Own(target) => Some(target.as_str()),
        Target::Crate(_) => None,
    });
    own.collect()
}

/// Methods that a file adds to types of others: the path of the type, and the method.
fn added(file: &Source) -> Vec<(&str, &str)> {
    let targets = targets(file);
    let blocks =
        path_starts(&file.code).filter(|(at, word)| *word == "impl" && !file.is_test_at(*at));
    let mut found = Vec::new();
    for (at, word) in blocks {
        let Some(open) = file.code[at..].find('{').map(|open| at + open) else { continue };
        let head = &file.code[at + word.len()..open];
        let behind = if head.starts_with('<') { closing_angle(head) } else { 0 };
        let kind = word_at(head[behind..].trim_start(), 0);
        let is_it = |target: &&&str| target.rsplit("::").next() == Some(kind);
        let Some(kind) = targets.iter().find(is_it).filter(|_| !head.contains(" for ")) else {
            continue;
        };
        let body = &file.code[open..closing(&file.code, open)];
        found.extend(methods(body).map(|method| (*kind, method)));
    }
    found
}

/// Behind the parameters of an `impl`.
fn closing_angle(head: &str) -> usize {
    let mut depth = 0;
    let is_end = |byte: u8| {
        depth += i32::from(byte == b'<') - i32::from(byte == b'>');
        depth == 0
    };
    head.bytes().position(is_end).map_or(head.len(), |at| at + 1)
}

/// Functions with a receiver.
fn methods(code: &str) -> impl Iterator<Item = &str> {
    path_starts(code).filter(|(_, word)| *word == "fn").filter_map(|(at, word)| {
        let name = word_at(code, at + word.len() + 1);
        let (parameters, _) = code[at..].split_once('(')?.1.split_once([',', ')'])?;
        parameters.trim_end().ends_with("self").then_some(name)
    })
}

/// Edges of calls; a method that something else has that the caller names may be that one's.
fn add_calls(sources: &Sources, edges: &mut Edges) {
    let files = || sources.files.iter().enumerate().filter(|(_, file)| !file.is_test);
    let all: Vec<_> = files()
        .flat_map(|(to, file)| {
            added(file).into_iter().map(move |(kind, method)| (to, kind, method))
        })
        .collect();
    let own: Vec<BTreeSet<&str>> =
        sources.files.iter().map(|file| methods(&file.code).collect()).collect();
    for (from, file) in files() {
        let targets = targets(file);
        let known: Vec<usize> = edges[&from].keys().copied().chain([from]).collect();
        for &(to, kind, method) in all.iter().filter(|(to, ..)| *to != from) {
            // Its owner may hold parts of a type in a folder of its own.
            let is_owner = kind.rsplit_once("::").is_some_and(|(module, _)| module == file.module);
            let is_part = is_owner && is_within(&sources.files[to].module, &file.module);
            let is_another = || known.iter().any(|at| *at != to && own[*at].contains(method));
            if is_part || !is_owner && !targets.contains(kind) || is_another() {
                continue;
            }
            // What a field of it is asked may be a method of another type that nobody names.
            let call = format!(".{method}(");
            let is_direct = |at: usize| {
                let before = &file.code[..at];
                let receiver = before.rfind(|c: char| !c.is_ascii() || !is_word(c as u8));
                !before[..receiver.map_or(0, |end| end + 1)].ends_with('.')
            };
            let mut calls = file.code.match_indices(&call);
            let found = calls.find(|(at, _)| !file.is_test_at(*at) && is_direct(*at));
            if let Some((at, _)) = found {
                let named = edges.entry(from).or_default();
                named.entry(to).or_insert_with(|| line_of(&file.code, at));
            }
        }
    }
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
    // Through methods that one file adds to the type of another.
    let (t, f) = (("t", "struct T;"), "use crate::t::T; impl<'a> T<'a> { fn f(&self) {} }");
    let g = "use crate::t::T; impl T { fn g(&mut self) { self.f() } }";
    check(&[t, ("a", f), ("b", g)], &[]);
    let calls = f.replace("{}", "{ self.g() }");
    check(&[t, ("a", &calls), ("b", g)], &["a b a"]);
    check(&[("t", "struct T; fn x(t: T) { t.g() }"), ("b", g)], &["t b t"]);
    check(&[("t/mod", "struct T; fn x(t: T) { t.g() }"), ("t/b", g)], &[]);
    // It may be another's.
    let field = f.replace("{}", "{ self.x.g() }");
    check(&[t, ("a", &field), ("b", g)], &[]);
    check(&[t, ("a", &calls), ("b", &format!("{g} struct U; impl U {{ fn f(&self) {{}} }}"))], &[]);
}
