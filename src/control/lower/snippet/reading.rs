//! Directives → what they mean, one after the other; what is wrong with one spoils no other.

use std::collections::BTreeSet;

use super::guards::guards;
use super::meaning::{Fault, Names, Snippet, Weight};
use super::places::{Place, Places};
use crate::control::lower::regex_path::{self, Case};
use crate::directives::{Block as Braces, Directive, Position};
use crate::filter::script::{Block, Step};
use crate::filter::{PathPattern, Text, Variable};

/// What is said of what every rule of ingress-nginx says itself, where it is said for a host.
pub(super) const OF_RULES: &str =
    "every rule says it itself, so that it has no effect on rules in ingress-nginx either";

/// Directives with a block.
const BLOCKS: [&str; 6] = ["geo", "if", "limit_except", "location", "map", "upstream"];

/// What reads a directive; or says what is wrong with it, as a part of a sentence.
pub(super) type Read = fn(&mut Reading<'_>, &Call<'_>) -> Result<(), String>;

/// One directive of those that there are.
pub(super) struct Row {
    pub name: &'static str,
    pub places: Places,
    pub read: Read,
}

/// The row of a directive.
pub(super) type Find = fn(&str) -> Option<&'static Row>;

/// A directive as its reader sees it.
pub(super) struct Call<'a> {
    pub name: &'a str,
    /// Behind the name.
    pub words: Vec<&'a str>,
    pub inner: Option<&'a [Directive]>,
    pub place: Place,
    pub at: Position,
}

impl Call<'_> {
    /// The only word.
    pub(super) fn word(&self) -> Result<&str, String> {
        match self.words[..] {
            [word] => Ok(word),
            _ => Err("it takes one word".into()),
        }
    }
}

/// A text that is being read.
pub(super) struct Reading<'a> {
    /// Variables that may be used, and locations without a path (`@name`).
    names: &'a BTreeSet<Box<str>>,
    /// What the text for all hosts defines.
    outer: &'a Names,
    find: Find,
    place: Place,
    pub snippet: Snippet,
    /// What the block says of fields that is being read.
    pub fields: Block,
    pub faults: Vec<Fault>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        names: &'a BTreeSet<Box<str>>,
        outer: &'a Names,
        find: Find,
        place: Place,
    ) -> Self {
        let snippet = Snippet { blocks: vec![Block::default()], ..Snippet::default() };
        Self { names, outer, find, place, snippet, fields: Block::default(), faults: Vec::new() }
    }

    /// Whether there is a location of this name, `@` included.
    pub(super) fn has_location(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(super) fn directives(&mut self, directives: &[Directive]) {
        for directive in directives {
            if let Err(why) = self.directive(directive) {
                let name = &*directive.name.text;
                // Nginx asks nobody else about the requests of a location. Another server is none
                // of ours.
                let is_guard = guards(directive)
                    && !(self.place == Place::Http && name == "server")
                    || name == "location";
                let weight = if is_guard { Weight::Guard } else { Weight::Lost };
                self.fault(directive, why, weight);
            }
        }
    }

    fn fault(&mut self, directive: &Directive, why: String, weight: Weight) {
        let (at, directive) = (directive.name.at, directive.name.text.clone());
        self.faults.push(Fault { at, directive, why, weight });
    }

    fn directive(&mut self, directive: &Directive) -> Result<(), String> {
        let name = &*directive.name.text;
        let row = (self.find)(name).ok_or_else(|| instead(name))?;
        if !row.places.has(self.place) {
            if name == "proxy_pass" {
                return Err(elsewhere(self.place).into());
            }
            return Err(format!("it is not possible {}", self.place.words()));
        }
        let inner = match &directive.block {
            Braces::Absent => None,
            Braces::Directives(inner) => Some(&**inner),
            Braces::Foreign => return Err("its block is no list of directives".into()),
        };
        if inner.is_some() != BLOCKS.contains(&name) {
            let why = if inner.is_some() { "it has no block" } else { "its block is missing" };
            return Err(why.into());
        }
        let words = directive.arguments.iter().map(|word| &*word.text).collect();
        let at = directive.name.at;
        (row.read)(self, &Call { name, words, inner, place: self.place, at })
    }

    /// Says that a directive does nothing, and that this is right.
    pub(super) fn idle(&mut self, call: &Call<'_>, why: &str) {
        let (at, directive) = (call.at, call.name.to_owned());
        self.faults.push(Fault { at, directive, why: why.to_owned(), weight: Weight::Idle });
    }

    /// Reads a block within this one; its steps are returned, all else is kept.
    pub(super) fn inner(&mut self, directives: &[Directive], place: Place) -> Vec<Step> {
        let outer = std::mem::take(&mut self.snippet.steps);
        let old = std::mem::replace(&mut self.place, place);
        self.directives(directives);
        self.place = old;
        std::mem::replace(&mut self.snippet.steps, outer)
    }

    /// Reads a block that is a text of its own.
    pub(super) fn apart(&mut self, directives: &[Directive], place: Place) -> Snippet {
        let mut inner = Reading::new(self.names, self.outer, self.find, place);
        inner.directives(directives);
        let (snippet, mut faults) = inner.finish();
        self.faults.append(&mut faults);
        snippet
    }

    /// What it came to, and what is wrong with it.
    pub(super) fn finish(mut self) -> (Snippet, Vec<Fault>) {
        if let Some(first) = self.snippet.blocks.first_mut() {
            *first = self.fields;
        }
        (self.snippet, self.faults)
    }

    /// A text of the request.
    pub(super) fn text(&self, text: &str) -> Result<Text, String> {
        Text::read(text, |name| self.variable(name)).map_err(|error| error.to_string())
    }

    /// The same, of one that becomes a body.
    pub(super) fn body(&self, text: &str) -> Result<Text, String> {
        Text::body(text, |name| self.variable(name)).map_err(|error| error.to_string())
    }

    /// The same, of one that also knows what was answered.
    pub(super) fn answer_text(&self, text: &str) -> Result<Text, String> {
        Text::read(text, |name| self.answer_variable(name)).map_err(|error| error.to_string())
    }

    /// A variable of such a text.
    pub(super) fn answer_variable(&self, name: &str) -> Option<Variable> {
        self.variable(name).or_else(|| Variable::of_answer(name))
    }

    /// What this text or the one for all hosts defines.
    pub(super) fn defined<T>(&self, get: impl Fn(&Names) -> Option<&T>) -> Option<&T> {
        get(&self.snippet.names).or_else(|| get(self.outer))
    }

    /// A variable by its name.
    pub(super) fn variable(&self, name: &str) -> Option<Variable> {
        match self.names.contains(name) {
            true => Some(Variable::Set(name.into())),
            false => {
                let map = self.defined(|names| names.maps.get(name));
                map.cloned().or_else(|| Variable::named(name))
            }
        }
    }

    /// A regular expression.
    pub(super) fn pattern(&self, text: &str, case: Case) -> Result<PathPattern, String> {
        regex_path::expression(text, case).map_err(|error| error.to_string())
    }
}

/// What is told of `proxy_pass` where no backend can be chosen.
fn elsewhere(place: Place) -> &'static str {
    match place {
        Place::RuleIf | Place::ServerIf => {
            "an if chooses no backend: use a canary, or rewrite to a location with proxy_pass"
        }
        _ => "backends of rules are those of Ingresses; it is possible in a location",
    }
}

/// What is told of a directive that there is not.
fn instead(name: &str) -> &'static str {
    match name {
        "server" | "listen" | "server_name" => "hosts are those of Ingresses",
        "proxy_cache_path" | "proxy_cache_valid" | "proxy_cache_key" => "nothing is cached",
        "mirror" => "copies are said by mirror-target",
        "opentelemetry_attribute" => "attributes of spans are those of HTTP",
        "opentelemetry_ignore_paths" => "say opentelemetry off in a location",
        "opentracing" => "it is called opentelemetry",
        "proxy_set_body" | "proxy_pass_request_headers" => {
            "bodies and fields of requests are passed on as they come"
        }
        "root" | "alias" | "index" | "autoindex" => "there are no files",
        name if name.contains("_by_lua") || name.starts_with("lua_") => "Lua is not run",
        _ => "it is not supported",
    }
}
