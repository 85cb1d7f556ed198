//! The walks of ARCHITECTURE.md lead downwards.

use std::collections::BTreeSet;
use std::path::Path;

use super::circles::{Edges, edges};
use super::imports::read;
use super::names::Sources;
use super::tree::{Findings, texts};

const DOCUMENT: &str = "ARCHITECTURE.md";

/// The files of each numbered list under the heading of the walks: the first of each item, and its
/// line.
fn walks(document: &str) -> Vec<Vec<(&str, usize)>> {
    let lines = document.lines().zip(1..);
    let section = lines.skip_while(|(line, _)| *line != "## Two walks").skip(1);
    let mut walks: Vec<Vec<_>> = Vec::new();
    for (line, number) in section.take_while(|(line, _)| !line.starts_with("## ")) {
        let Some((ordinal, item)) = line.split_once(". `") else { continue };
        if ordinal == "1" {
            walks.push(Vec::new());
        }
        let is_item = ordinal.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(walk) = walks.last_mut().filter(|_| is_item) {
            walk.push((item.split('`').next().unwrap_or_default(), number));
        }
    }
    walks
}

/// All files that `start` leads to.
fn reach(edges: &Edges, start: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left = vec![start];
    while let Some(at) = left.pop() {
        let next = edges.get(&at).into_iter().flat_map(|named| named.keys());
        left.extend(next.filter(|next| reached.insert(**next)));
    }
    reached
}

fn check(sources: &Sources, document: &str, findings: &mut Findings) {
    let edges = edges(sources);
    let document_path = Path::new(DOCUMENT);
    for walk in walks(document) {
        let mut above: Vec<usize> = Vec::new();
        for (path, line) in walk {
            let file = Path::new("src").join(path);
            let Some(at) = sources.files.iter().position(|source| source.path == file) else {
                findings.add(document_path, line, &format!("`{path}` is no file of src"));
                continue;
            };
            for upper in above.iter().filter(|upper| reach(&edges, at).contains(upper)) {
                let upper = sources.files[*upper].path.display();
                let text = format!("`{path}` leads to {upper}, which stands above it");
                findings.add(document_path, line, &text);
            }
            above.push(at);
        }
    }
}

#[test]
fn walks_lead_downwards() {
    let text = texts(|path| path == Path::new(DOCUMENT)).remove(0).text;
    let found = walks(&text);
    assert!(found.len() == 2 && found.iter().all(|walk| walk.len() > 5), "{found:?}");
    let mut findings = Findings::default();
    check(read(), &text, &mut findings);
    findings.assert_none();
}

#[test]
fn steps_of_a_walk_that_lead_back_are_found() {
    use super::tree::Text;

    let file = |path: &str, text: &str| Text { path: path.into(), text: text.to_owned() };
    let texts = vec![
        file("src/a.rs", "use crate::b::B;"),
        file("src/b.rs", "use crate::c::C;"),
        file("src/c.rs", ""),
        file("src/d.rs", "use crate::a::A;"),
    ];
    let sources = Sources::new(texts, BTreeSet::new());
    let check = |steps: &[&str], expected: usize| {
        let items = steps.iter().zip(1..).map(|(step, at)| format!("{at}. `{step}`: x `y.rs`\n"));
        let document = format!("## Two walks\n{}## End\n1. `z.rs`\n", items.collect::<String>());
        let mut findings = Findings::default();
        check(&sources, &document, &mut findings);
        assert_eq!(findings.0.len(), expected, "{steps:?}: {:?}", findings.0);
    };
    check(&["a.rs", "b.rs", "c.rs"], 0);
    check(&["a.rs", "c.rs"], 0);
    check(&["a.rs", "c.rs", "b.rs"], 1);
    check(&["a.rs", "d.rs"], 1);
    check(&["a.rs", "nowhere.rs"], 1);
}
