//! Scripts against a slow and naive interpreter: one string each, copied at every step, and the
//! rules of nginx in the order of its documentation.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::path_pattern::PathPattern;
use super::super::text::{Text, Variable, Variables};
use super::*;
use crate::limits::{SCRIPT_OCTETS_MAX, SCRIPT_ROUNDS_MAX};

/// A request, by names of variables.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    query: String,
    field: String,
}

impl Variables for Asked {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        out.extend_from_slice(match variable {
            Variable::Path => self.path.as_bytes(),
            Variable::Query => self.query.as_bytes(),
            Variable::Field(_) => self.field.as_bytes(),
            Variable::RequestUri => self.path.as_bytes(),
            Variable::Parameter(name) => parameter(self.query.as_bytes(), name.as_bytes()),
            _ => b"",
        });
    }
}

const PATTERNS: [&str; 5] = ["^/a(.*)$", "b", "^/(?<n>[ab]+)/", "(a)|(b)", "^$"];
const TEXTS: [&str; 9] =
    ["", "x", "/a/$1", "/b$x$y", "$uri", "$args", "${x}a", "$n/$2", "/b/$http_f/$arg_q"];

fn known(name: &str) -> Option<Variable> {
    match name {
        "x" | "y" | "n" => Some(Variable::Set(name.into())),
        name => Variable::named(name),
    }
}

fn text(text: &str) -> Text {
    Text::read(text, known).expect("a text")
}

fn pattern(source: &str) -> PathPattern {
    PathPattern::new(source, source).expect("a pattern")
}

/// A step in words.
#[derive(Debug, Clone)]
enum Words {
    Set(&'static str, &'static str),
    If(&'static str, Test, Vec<Self>),
    Return(u16, &'static str),
    Rewrite(&'static str, &'static str, Option<&'static str>, bool, &'static str),
    Break,
}

#[derive(Debug, Clone)]
enum Test {
    Alone,
    Is(bool, &'static str),
    Matches(bool, &'static str),
}

fn variable() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["x", "y", "n", "uri", "args", "http_f", "arg_q", "1"][..])
}

fn some_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&TEXTS[..])
}

fn some_pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PATTERNS[..])
}

fn words() -> impl Strategy<Value = Words> {
    let name = prop::sample::select(&["x", "y", "args"][..]);
    let flag = prop::sample::select(&["", "", "last", "break", "redirect"][..]);
    let leaf = prop_oneof![
        6 => (name, some_text()).prop_map(|(name, text)| Words::Set(name, text)),
        1 => (prop::sample::select(&[200, 404, 301][..]), some_text())
            .prop_map(|(status, text)| Words::Return(status, text)),
        4 => (some_pattern(), some_text(), prop::option::of(some_text()), any::<bool>(), flag)
            .prop_map(|(from, to, query, keep, flag)| Words::Rewrite(from, to, query, keep, flag)),
        1 => Just(Words::Break),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        let test = prop_oneof![
            Just(Test::Alone),
            (any::<bool>(), some_text()).prop_map(|(is, text)| Test::Is(is, text)),
            (any::<bool>(), some_pattern()).prop_map(|(is, text)| Test::Matches(is, text)),
        ];
        (variable(), test, vec(inner, 0..4))
            .prop_map(|(name, test, inner)| Words::If(name, test, inner))
    })
}

/// The steps that words mean. Each `if` has a block of its own, counted in their order.
fn steps(words: &[Words], blocks: &mut usize) -> Box<[Step]> {
    let wanted = |is: bool| if is { Wanted::Yes } else { Wanted::No };
    let step = |words: &Words| match words {
        Words::Set(name, to) => Step::Set((*name).into(), text(to)),
        Words::If(name, test, inner) => {
            *blocks += 1;
            let (index, name) = (*blocks, known(name).expect("a variable"));
            let condition = match test {
                Test::Alone => Condition::IsSet(name),
                Test::Is(is, other) => Condition::Is(name, wanted(*is), text(other)),
                Test::Matches(is, from) => Condition::Matches(name, wanted(*is), pattern(from)),
            };
            Step::If(condition, steps(inner, blocks), Some(index))
        }
        Words::Return(status @ 301, to) => Step::Return(*status, Returned::Location(text(to))),
        Words::Return(status, to) => Step::Return(*status, Returned::Text(text(to))),
        Words::Rewrite(from, to, query, keeps, flag) => Step::Rewrite(Box::new(Rewrite {
            pattern: pattern(from),
            path: text(to),
            query: query.map(text),
            keeps_query: if *keeps { KeepsQuery::Yes } else { KeepsQuery::No },
            then: match *flag {
                "last" => Then::LookUp,
                "break" => Then::Serve,
                "redirect" => Then::Redirect(302),
                _ => Then::Next,
            },
        })),
        Words::Break => Step::Break,
    };
    words.iter().map(step).collect()
}

/// What a request has come to.
#[derive(Debug, Clone, Default, PartialEq)]
struct Naive {
    path: Option<String>,
    query: Option<String>,
    variables: BTreeMap<String, String>,
    captured: Vec<String>,
    has_captures: bool,
    ending: Option<(u16, String)>,
    block: usize,
    is_moved: bool,
}

impl Naive {
    /// Whether there may be more of its texts, all together, than the other one holds.
    fn is_large(&self) -> bool {
        let texts = self.variables.values().chain(&self.path).chain(&self.query);
        texts.map(String::len).max().unwrap_or(0) > SCRIPT_OCTETS_MAX / 256
    }

    fn value(&self, asked: &Asked, name: &str) -> String {
        let query = self.query.as_ref().unwrap_or(&asked.query);
        match name {
            "uri" => self.path.as_ref().unwrap_or(&asked.path).clone(),
            "args" => query.clone(),
            "http_f" => asked.field.clone(),
            "arg_q" => {
                let pairs = query.split('&');
                pairs.filter_map(|pair| pair.strip_prefix("q=")).next().unwrap_or("").to_owned()
            }
            "1" | "2" if self.has_captures => {
                let number: usize = name.parse().expect("a number");
                self.captured.get(number).cloned().unwrap_or_default()
            }
            name => self.variables.get(name).cloned().unwrap_or_default(),
        }
    }

    fn text(&self, asked: &Asked, text: &str) -> String {
        let mut text = text.replace("${x}", "$x");
        // The longest names first; values hold no `$`.
        for name in ["http_f", "arg_q", "args", "uri", "x", "y", "n", "1", "2"] {
            text = text.replace(&format!("${name}"), &self.value(asked, name));
        }
        text
    }

    fn search(&mut self, from: &str, subject: &str) -> bool {
        let pattern = pattern(from);
        let Some(found) = pattern.captures(subject.as_bytes()) else { return false };
        let group = |n| found.get(n).map_or("", |range| &subject[range]).to_owned();
        self.captured = (0..3).map(group).collect();
        self.has_captures = true;
        if from.contains("?<n>") {
            self.variables.insert("n".into(), group(1));
        }
        true
    }

    /// Whether the phase is over. `count`: `if`s that were passed, as [`steps`] counts them.
    fn run(&mut self, asked: &Asked, words: &[Words], count: &mut usize) -> bool {
        for word in words {
            let is_over = match word {
                Words::Set("args", to) => {
                    self.query = Some(self.text(asked, to));
                    false
                }
                Words::Set(name, to) => {
                    self.variables.insert((*name).into(), self.text(asked, to));
                    false
                }
                Words::If(name, test, inner) => {
                    *count += 1;
                    let (index, value) = (*count, self.value(asked, name));
                    let holds = match test {
                        Test::Alone => !value.is_empty() && value != "0",
                        Test::Is(is, other) => (value == self.text(asked, other)) == *is,
                        Test::Matches(is, from) => self.search(from, &value) == *is,
                    };
                    if holds {
                        self.block = index;
                        self.run(asked, inner, count)
                    } else {
                        *count += ifs(inner);
                        false
                    }
                }
                Words::Return(status, to) => {
                    self.ending = Some((*status, self.text(asked, to)));
                    true
                }
                Words::Rewrite(from, to, query, keeps, flag) => {
                    self.rewrite(asked, from, (to, *query, *keeps), flag)
                }
                Words::Break => true,
            };
            if is_over {
                return true;
            }
        }
        false
    }

    fn rewrite(
        &mut self,
        asked: &Asked,
        from: &str,
        (to, query, keeps): (&str, Option<&str>, bool),
        flag: &str,
    ) -> bool {
        let path = self.value(asked, "uri");
        if !self.search(from, &path) {
            return false;
        }
        let (path, old) = (self.text(asked, to), self.value(asked, "args"));
        let new = query.map(|query| self.text(asked, query)).unwrap_or_default();
        let parts = [new.as_str(), if keeps { &old } else { "" }];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let whole = parts.join("&");
        if flag == "redirect" {
            let mark = if whole.is_empty() { "" } else { "?" };
            self.ending = Some((302, format!("{path}{mark}{whole}")));
            return true;
        }
        self.path = Some(if path.starts_with('/') { path } else { format!("/{path}") });
        if query.is_some() || !keeps {
            self.query = Some(whole);
        }
        self.is_moved = flag != "break";
        !flag.is_empty()
    }
}

fn ifs(words: &[Words]) -> usize {
    let one = |word: &Words| match word {
        Words::If(_, _, inner) => 1 + ifs(inner),
        _ => 0,
    };
    words.iter().map(one).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn scripts_do_what_the_naive_interpreter_does(
        words in vec(words(), 0..6),
        path in "/[ab/]{0,6}",
        query in "(q=[01ab]?)?",
        field in "[01ab]{0,2}",
    ) {
        let script = Script { rule: steps(&words, &mut 0), ..Script::default() };
        let asked = Asked { path, query, field };
        let (mut state, mut naive) = (ScriptState::default(), Naive::default());
        let mut rounds = 0;
        loop {
            (naive.block, naive.is_moved) = (0, false);
            let is_over = naive.run(&asked, &words, &mut 0);
            rounds += 1;
            let expected = match &naive.ending {
                Some(_) => Course::Ended,
                None if !naive.is_moved => Course::Onward,
                None if rounds > SCRIPT_ROUNDS_MAX => Course::Failed,
                None => Course::Moved,
            };
            let course = state.go_on(&script, &asked);
            if course == Course::Failed && naive.is_large() {
                break;
            }
            prop_assert_eq!(course, expected);
            prop_assert_eq!(state.block(), naive.block);
            prop_assert_eq!(state.is_settled(), is_over);
            let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            prop_assert_eq!(state.path().map(text), naive.path.clone());
            prop_assert_eq!(state.query().map(text), naive.query.clone());
            let ending = state.ending().map(|ending| (ending.status, text(ending.text)));
            prop_assert_eq!(ending, naive.ending.clone());
            for name in ["x", "y", "n", "1", "2"] {
                let mut value = Vec::new();
                state.put(&text_of(name), &asked, &mut value);
                prop_assert_eq!(text(&value), naive.value(&asked, name), "{}", name);
            }
            if course != Course::Moved {
                break;
            }
        }
    }
}

fn text_of(name: &str) -> Text {
    text(&format!("${name}"))
}

#[test]
fn what_directives_make_of_a_request_is_bounded() {
    let grow = Step::Set("x".into(), text("$x$x$x$x/"));
    let script = Script { rule: vec![grow; 20].into(), ..Script::default() };
    let asked = Asked { path: "/".into(), query: String::new(), field: String::new() };
    let mut state = ScriptState::default();
    assert_eq!(state.go_on(&script, &asked), Course::Failed);
    let mut value = Vec::new();
    state.put(&text("$x"), &asked, &mut value);
    assert!(value.len() <= SCRIPT_OCTETS_MAX);
    state.clear();
    assert_eq!(state.go_on(&Script::default(), &asked), Course::Onward);
}

#[test]
fn nothing_in_a_place_or_a_value_ends_the_line() {
    let steps = [Step::Return(302, Returned::Location(text("https://x/$http_f")))];
    let script = Script { rule: steps.into(), ..Script::default() };
    let field = "a\r\nSet-Cookie: b".to_owned();
    let asked = Asked { path: "/".into(), query: String::new(), field };
    let mut state = ScriptState::default();
    assert_eq!(state.go_on(&script, &asked), Course::Ended);
    let place = state.ending().expect("an ending").text;
    assert_eq!(place, b"https://x/a%0D%0ASet-Cookie:%20b");
}
