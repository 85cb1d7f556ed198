//! A text → what it means, and what is wrong with it.

use std::collections::BTreeSet;

use super::guards::guards;
use super::meaning::{Fault, Names, Snippet, Weight};
use super::places::Place;
use super::reading::Reading;
use super::rows;
use crate::directives::{Block as Braces, Directive, parse};

/// Reads a text. `others`: texts whose variables it may use; `outer`: what the text
/// for all hosts defines.
pub(crate) fn read(
    text: &str,
    place: Place,
    others: &[&str],
    outer: &Names,
) -> (Snippet, Vec<Fault>) {
    let directives = match parse(text) {
        Ok(directives) => directives,
        Err(error) => {
            let why = format!("it cannot be read: {}", error.fault);
            let (directive, weight) = (String::new(), Weight::Guard);
            let fault = Fault { at: error.at, directive, why, weight };
            return (Snippet::default(), vec![fault]);
        }
    };
    let others: Vec<_> = others.iter().filter_map(|other| parse(other).ok()).collect();
    let mut names = BTreeSet::new();
    for directives in others.iter().chain([&directives]) {
        name_variables(directives, &mut names);
    }
    let mut reading = Reading::new(&names, outer, rows::find, place);
    reading.directives(&directives);
    let (snippet, mut faults) = reading.finish();
    if others.iter().chain([&directives]).flatten().any(guards) {
        faults.iter_mut().filter(|fault| decides(fault)).for_each(|f| f.weight = Weight::Guard);
    }
    (snippet, faults)
}

/// Whether a guard may depend on what was lost: on a variable, or on whether it is come to.
fn decides(fault: &Fault) -> bool {
    let names = ["set", "if", "rewrite", "break", "auth_request_set"];
    fault.weight == Weight::Lost && names.contains(&&*fault.directive)
}

/// Notes the variables that directives set.
fn name_variables(directives: &[Directive], names: &mut BTreeSet<Box<str>>) {
    for Directive { name, arguments, block } in directives {
        match (&*name.text, &**arguments) {
            ("set" | "auth_request_set", [variable, ..]) => {
                let name = variable.text.strip_prefix('$');
                names.extend(name.filter(|name| *name != "args").map(Box::from));
            }
            ("location", [name]) if name.text.starts_with('@') => {
                names.insert(name.text.as_str().into());
            }
            ("if" | "rewrite" | "location", words) => {
                for part in words.iter().flat_map(|word| word.text.split("(?").skip(1)) {
                    let part = part.trim_start_matches(['P', '<', '\'']);
                    let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let (group, rest) = part.split_at(end.unwrap_or(part.len()));
                    if rest.starts_with(['>', '\'']) && !group.is_empty() {
                        names.insert(group.into());
                    }
                }
            }
            _ => {}
        }
        if let Braces::Directives(inner) = block {
            name_variables(inner, names);
        }
    }
}
