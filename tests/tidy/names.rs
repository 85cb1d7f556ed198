//! What the files of `src` name: every path in their code, resolved to a module of ours or to a
//! crate. It follows `crate::`, `self::`, `super::`, groups, child modules and what `use` brought
//! in; it does not expand macros.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::code::{closing, code_only, is_word, path_starts, test_ranges, word_at};
use super::tree::Text;

/// One file of `src`.
pub(crate) struct Source {
    /// Relative to the repository.
    pub(crate) path: PathBuf,
    /// `proxy::rt` for `src/proxy/rt/mod.rs`; empty for `src/lib.rs`.
    pub(crate) module: String,
    /// Text without comments and literals.
    pub(crate) code: String,
    /// Whether the whole file is compiled for tests alone.
    pub(crate) is_test: bool,
    /// Everything outside the file that its code mentions.
    pub(crate) names: Vec<Name>,
    /// The parts of any other file that are.
    tests: Vec<Range<usize>>,
}

/// All of them.
pub(crate) struct Sources {
    pub(crate) files: Vec<Source>,
    by_module: BTreeMap<String, usize>,
    dependencies: BTreeSet<String>,
}

/// One mention of something outside the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Where in the code.
    pub(crate) at: usize,
    pub(crate) target: Target,
    /// Whether only tests are compiled with it.
    pub(crate) in_test: bool,
    /// Whether it goes through something that `use` brought in, and that was named there already.
    pub(crate) is_through_use: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A path of this crate, without `crate::`.
    Own(String),
    Crate(String),
}

/// What is known in a file besides its children.
#[derive(Default)]
struct Scope {
    uses: BTreeMap<String, String>,
    /// Modules of which everything was brought in.
    globs: Vec<String>,
}

impl Sources {
    pub(crate) fn new(texts: Vec<Text>, dependencies: BTreeSet<String>) -> Self {
        let mut files: Vec<Source> = texts.into_iter().map(Source::new).collect();
        let by_module =
            files.iter().enumerate().map(|(at, file)| (file.module.clone(), at)).collect();
        let declared: Vec<String> = files.iter().flat_map(Source::test_modules).collect();
        for file in &mut files {
            let is_declared = declared.iter().any(|module| is_within(&file.module, module));
            file.is_test |= is_declared || file.module.split("::").any(|part| part == "tests");
        }
        let mut all = Self { files, by_module, dependencies };
        for at in 0..all.files.len() {
            all.files[at].names = all.names(&all.files[at]);
        }
        all
    }

    /// The file that defines the longest beginning of `target`.
    pub(crate) fn file_of(&self, target: &str) -> Option<usize> {
        let mut module = target;
        loop {
            if let Some(file) = self.by_module.get(module) {
                return Some(*file);
            }
            module = module.rsplit_once("::").map_or("", |(parent, _)| parent);
            if module.is_empty() {
                return self.by_module.get("").copied();
            }
        }
    }

    fn names(&self, file: &Source) -> Vec<Name> {
        let inline = inline_modules(&file.code);
        let mut scope = Scope::default();
        let mut names = Vec::new();
        for is_scope_pass in [true, false] {
            for (at, word) in path_starts(&file.code) {
                let is_use = is_behind_use(&file.code, at);
                let is_path = is_use || file.code[at + word.len()..].starts_with("::");
                if !is_path || is_scope_pass && !is_use {
                    continue;
                }
                let here = module_at(file, &inline, at);
                for leaf in expand(&file.code, at) {
                    let Some((target, is_through_use)) = self.resolve(&here, &leaf.path, &scope)
                    else {
                        continue;
                    };
                    if is_scope_pass {
                        scope.add(leaf, target);
                    } else {
                        let in_test = file.is_test_at(at);
                        names.push(Name { at, target, in_test, is_through_use });
                    }
                }
            }
        }
        names
    }

    fn resolve(&self, here: &str, path: &[String], scope: &Scope) -> Option<(Target, bool)> {
        let (first, rest) = path.split_first()?;
        let own = |base: &str, rest: &[String]| Target::Own(join(base, rest));
        match first.as_str() {
            "crate" => return Some((own("", rest), false)),
            "self" => return Some((own(here, rest), false)),
            "super" => {
                let climbs = path.iter().take_while(|part| *part == "super").count();
                let mut base = here;
                for _ in 0..climbs {
                    base = base.rsplit_once("::").map_or("", |(parent, _)| parent);
                }
                return Some((own(base, &path[climbs..]), false));
            }
            _ => {}
        }
        let child = |base: &str| {
            let module = join(base, std::slice::from_ref(first));
            self.by_module.contains_key(&module).then(|| own(&module, rest))
        };
        if let Some(target) = child(here) {
            return Some((target, false));
        }
        if let Some(bound) = scope.uses.get(first) {
            return Some((own(bound, rest), true));
        }
        if let Some(target) = scope.globs.iter().find_map(|module| child(module)) {
            return Some((target, true));
        }
        let is_dependency = self.dependencies.contains(first);
        is_dependency.then(|| (Target::Crate(first.clone()), false))
    }
}

impl Source {
    fn new(text: Text) -> Self {
        let code = code_only(&text.text);
        let tests = test_ranges(&code);
        let module = module_of(&text.path).replace('/', "::");
        let module = if module == "lib" { String::new() } else { module };
        Self { path: text.path, module, code, is_test: false, names: Vec::new(), tests }
    }

    /// Whether what stands at `at` is compiled for tests alone.
    pub(crate) fn is_test_at(&self, at: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&at))
    }

    /// Modules that it declares for tests alone.
    fn test_modules(&self) -> Vec<String> {
        let declared = |range: &Range<usize>| {
            let item = self.code[range.clone()].trim_end().strip_suffix(';')?;
            let (_, name) = item.rsplit_once("mod ")?;
            Some(join(&self.module, &[name.trim().to_owned()]))
        };
        self.tests.iter().filter_map(declared).collect()
    }
}

impl Scope {
    fn add(&mut self, leaf: Leaf, target: Target) {
        let Target::Own(target) = target else { return };
        match leaf.name {
            Some(name) => drop(self.uses.insert(name, target)),
            None => self.globs.push(target),
        }
    }
}

/// Path below `src/` without extension and `mod`: `proxy/rt` for `src/proxy/rt/mod.rs`.
pub(crate) fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").expect("under src").with_extension("");
    let below = below.to_string_lossy().into_owned();
    below.strip_suffix("/mod").map(str::to_owned).unwrap_or(below)
}

/// Whether `module` is `room` or in it.
pub(crate) fn is_within(module: &str, room: &str) -> bool {
    module.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn join(base: &str, rest: &[String]) -> String {
    let mut joined = base.to_owned();
    for part in rest {
        if !joined.is_empty() {
            joined += "::";
        }
        joined += part;
    }
    joined
}

/// One path of a tree of them, and the name that `use` gives it; `None`: everything in it.
struct Leaf {
    path: Vec<String>,
    name: Option<String>,
}

/// The paths that begin at `at`, groups expanded.
fn expand(code: &str, at: usize) -> Vec<Leaf> {
    fn walk(code: &str, mut at: usize, mut path: Vec<String>, leaves: &mut Vec<Leaf>) {
        loop {
            let word = word_at(code, at);
            at += word.len();
            if word == "self" && !path.is_empty() {
                break;
            }
            path.push(word.to_owned());
            let Some(after) = code[at..].strip_prefix("::") else { break };
            at += "::".len();
            if after.starts_with('{') {
                for item in group_items(code, at) {
                    walk(code, item, path.clone(), leaves);
                }
                return;
            }
            if after.starts_with('*') {
                return leaves.push(Leaf { path, name: None });
            }
            if !after.starts_with(|first: char| first.is_ascii() && is_word(first as u8)) {
                break;
            }
        }
        let alias = code[at..].trim_start().strip_prefix("as ").map(|rest| word_at(rest, 0));
        let name = alias.map(str::to_owned).or_else(|| path.last().cloned());
        leaves.push(Leaf { path, name });
    }
    let mut leaves = Vec::new();
    walk(code, at, Vec::new(), &mut leaves);
    leaves
}

/// Where the items of the group begin that opens at `at`. A `*` among them is none: its path was
/// named by the group itself.
fn group_items(code: &str, at: usize) -> Vec<usize> {
    let end = closing(code, at);
    let mut depth = 0;
    let mut items = Vec::new();
    for (offset, byte) in code[at..end].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && matches!(byte, b'{' | b',') {
            let next = at + offset + 1;
            let start = next + code[next..].len() - code[next..].trim_start().len();
            if is_word(code.as_bytes()[start]) {
                items.push(start);
            }
        }
    }
    items
}

fn is_behind_use(code: &str, at: usize) -> bool {
    let before = code[..at].trim_end();
    before.len() < at
        && before
            .strip_suffix("use")
            .is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric()))
}

/// Modules with their content in this file: its extent, and the name.
fn inline_modules(code: &str) -> Vec<(Range<usize>, String)> {
    let found = path_starts(code).filter(|(_, word)| *word == "mod").filter_map(|(at, _)| {
        let name = word_at(code, at + "mod ".len());
        let opening = at + "mod ".len() + name.len() + 1;
        (code.as_bytes().get(opening) == Some(&b'{'))
            .then(|| (opening..closing(code, opening), name.to_owned()))
    });
    found.collect()
}

fn module_at(file: &Source, inline: &[(Range<usize>, String)], at: usize) -> String {
    let names: Vec<String> = inline
        .iter()
        .filter(|(range, _)| range.contains(&at))
        .map(|(_, name)| name.clone())
        .collect();
    join(&file.module, &names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file `src/a/mod.rs`, beside `src/lib.rs`, `src/a/child.rs`, `src/b.rs`, `src/b/deep.rs`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let file = |path: &str, text: &str| Text { path: path.into(), text: text.to_owned() };
        let others = ["src/a/child.rs", "src/b.rs", "src/b/deep.rs", "src/lib.rs"];
        let texts = std::iter::once(file("src/a/mod.rs", text));
        let texts = texts.chain(others.map(|path| file(path, "")));
        let dependencies = BTreeSet::from(["dep".to_owned()]);
        let sources = Sources::new(texts.collect(), dependencies);
        let of_code = sources.files[0].names.iter().filter(|name| !name.in_test);
        let found: Vec<String> = of_code
            .map(|name| match &name.target {
                Target::Own(target) => target.clone(),
                Target::Crate(name) => format!("{name} (crate)"),
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn paths_are_found_in_every_form() {
        check("use crate::b::B;", &["b::B"]);
        check("use crate::{b::{B, deep::D}, a};", &["b::B", "b::deep::D", "a"]);
        check("use crate::b::{self, deep};", &["b", "b::deep"]);
        check("pub use self::child::C;", &["a::child::C"]);
        check("pub use child::{C, D as E};", &["a::child::C", "a::child::D"]);
        check("use super::b::deep;", &["b::deep"]);
        check("pub(crate) use super::b::*;", &["b"]);
        check("fn f() -> crate::b::B { child::f::<u8>(1) }", &["b::B", "a::child::f"]);
        check("use crate::b; fn f() { b::deep::f() }", &["b", "b::deep::f"]);
        check("use crate::b as c; fn f() { c::deep::f() }", &["b", "b::deep::f"]);
        check("use super::*; fn f() { b::deep::f() }", &["", "b::deep::f"]);
        check("mod kind { pub fn f() { super::child::f() } }", &["a::child::f"]);
        check("use dep::b; fn f() { dep::f(); b::deep() }", &["dep (crate)", "dep (crate)"]);
        check("use dep;", &["dep (crate)"]);
        check("mod child; fn f() { other::f(); reuse(crate::b) }", &["b"]);
        check("// use crate::b;\nconst A: &str = \"crate::b::x\";", &[]);
        check(
            "fn f<'a>(c: char) { c == '\\'' || c == '\"' || c == 'ü'; crate::b::f() }",
            &["b::f"],
        );
        check("pub(in crate::b) fn f(x: crate::a::A) {}", &["a::A"]);
        check("fn f() { r#\"crate::b::f\"#; b\"crate::b\"; }", &[]);
    }

    #[test]
    fn names_of_tests_are_told_apart() {
        check("#[cfg(test)]\nmod tests { use crate::b::B; }\nuse crate::a;", &["a"]);
        check("#[cfg(test)]\n#[expect(x)]\nfn f(x: [u8; 2]) { crate::b::f() }", &[]);
        check("#[cfg(test)]\nuse crate::b::{B, C};\nuse crate::a;", &["a"]);
        let file = |path: &str, text: &str| Text { path: path.into(), text: text.to_owned() };
        let texts = vec![
            file("src/a.rs", "#[cfg(test)]\npub(crate) mod samples;"),
            file("src/a/samples.rs", ""),
            file("src/a/tests/b.rs", ""),
        ];
        let sources = Sources::new(texts, BTreeSet::new());
        let tests: Vec<bool> = sources.files.iter().map(|file| file.is_test).collect();
        assert_eq!(tests, [false, true, true]);
    }

    #[test]
    fn a_path_belongs_to_the_file_of_its_longest_module() {
        let paths = ["src/lib.rs", "src/a/mod.rs", "src/a/b.rs", "src/c.rs"];
        let texts = paths.map(|path| Text { path: path.into(), text: String::new() });
        let sources = Sources::new(texts.into(), BTreeSet::new());
        let rows = [("a::b::C", 2), ("a::B", 1), ("c", 3), ("d::e", 0), ("", 0)];
        for (target, expected) in rows {
            assert_eq!(sources.file_of(target), Some(expected), "{target}");
        }
    }
}
