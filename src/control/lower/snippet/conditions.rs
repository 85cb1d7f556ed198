//! `set`, `if`, `return`, `rewrite`, `break`, `auth_request_set`.
//!
//! Source: nginx, modules `ngx_http_rewrite_module` and `ngx_http_auth_request_module`.

use super::merge::admitted;
use super::places::Place;
use super::reading::{Call, Reading};
use crate::control::lower::regex_path::Case;
use crate::directives::Directive;
use crate::filter::script::{
    Block as Fields, Condition, KeepsQuery, Returned, Rewrite, Step, Then, Wanted,
};
use crate::filter::{GoesTo, Text, Variable};

pub(super) fn set(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [name, value] = call.words[..] else {
        return Err("it takes a variable and a value".into());
    };
    let name = own_variable(name)?;
    let value = reading.text(value)?;
    reading.snippet.steps.push(Step::Set(name.into(), value));
    Ok(())
}

pub(super) fn auth_request_set(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [name, value] = call.words[..] else {
        return Err("it takes a variable and a value".into());
    };
    let name = own_variable(name)?;
    let value = reading.answer_text(value)?;
    reading.snippet.of_auth.push((name.into(), value));
    Ok(())
}

/// The name of a variable that may be set.
fn own_variable(word: &str) -> Result<&str, String> {
    let name = word.strip_prefix('$').ok_or("the variable does not begin with $")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(format!("{word:?} is no variable"));
    }
    match Variable::named(name) {
        Some(Variable::Field(_) | Variable::Cookie(_) | Variable::Parameter(_))
        | Some(Variable::Capture(_) | Variable::Host | Variable::Path | Variable::RequestUri) => {
            Err(format!("{word} is the request's and cannot be set"))
        }
        _ => Ok(name),
    }
}

pub(super) fn end(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    if !call.words.is_empty() {
        return Err("it takes no words".into());
    }
    reading.snippet.steps.push(Step::Break);
    Ok(())
}

pub(super) fn give_back(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let is_place = |text: &str| GoesTo::of(text) == GoesTo::Client;
    let status = |text: &str| {
        let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let known = number.filter(|number: &u16| (200..600).contains(number));
        known.ok_or_else(|| format!("{text:?} is no status"))
    };
    let (status, returned) = match call.words[..] {
        [place] if is_place(place) => (302, Returned::Location(reading.text(place)?)),
        [code] => (status(code)?, Returned::Nothing),
        [code, text] => match status(code)? {
            code @ (301..=303 | 307 | 308) => (code, Returned::Location(reading.text(text)?)),
            code => (code, Returned::Text(reading.body(text)?)),
        },
        _ => return Err("it takes a status and a text or an address".into()),
    };
    reading.snippet.steps.push(Step::Return(status, returned));
    Ok(())
}

pub(super) fn rewrite(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let (expression, target, flag) = match call.words[..] {
        [expression, target] => (expression, target, ""),
        [expression, target, flag] => (expression, target, flag),
        _ => return Err("it takes an expression, a path and perhaps a flag".into()),
    };
    let is_sent = GoesTo::of(target) == GoesTo::Client;
    let then = match flag {
        "permanent" => Then::Redirect(301),
        "redirect" => Then::Redirect(302),
        "" | "last" | "break" if is_sent => Then::Redirect(302),
        "" => Then::Next,
        "last" => Then::LookUp,
        "break" => Then::Serve,
        other => return Err(format!("{other:?} is no flag")),
    };
    let (target, keeps_query) = match target.strip_suffix('?') {
        Some(target) => (target, KeepsQuery::No),
        None => (target, KeepsQuery::Yes),
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let rewrite = Rewrite {
        pattern: reading.pattern(expression, Case::Counts)?,
        path: reading.text(path)?,
        query: query.map(|query| reading.text(query)).transpose()?,
        keeps_query,
        then,
    };
    reading.snippet.steps.push(Step::Rewrite(Box::new(rewrite)));
    Ok(())
}

/// What an `if` says of fields belongs to a block of its own, if it says anything.
pub(super) fn condition(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let condition = parsed(reading, &call.words)?;
    let inner = call.inner.unwrap_or_default();
    if call.place == Place::Server {
        let steps = reading.inner(inner, Place::ServerIf);
        reading.snippet.steps.push(Step::If(condition, steps.into(), None));
        return Ok(());
    }
    let index = reading.snippet.blocks.len();
    reading.snippet.blocks.push(Fields::default());
    let outer = std::mem::take(&mut reading.fields);
    let steps = reading.inner(inner, Place::RuleIf);
    let own = std::mem::replace(&mut reading.fields, outer);
    if let Some(block) = reading.snippet.blocks.get_mut(index) {
        *block = own;
    }
    reading.snippet.steps.push(Step::If(condition, steps.into(), Some(index)));
    Ok(())
}

/// Who has another method is let in by address alone, before anything is rewritten. GET is HEAD,
/// too.
pub(super) fn limit_except(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let is_method = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    if call.words.is_empty() || !call.words.iter().all(is_method) {
        return Err("it takes methods".into());
    }
    let inner = call.inner.unwrap_or_default();
    let is_about_addresses =
        |directive: &Directive| matches!(&*directive.name.text, "allow" | "deny");
    if let Some(other) = inner.iter().find(|directive| !is_about_addresses(directive)) {
        return Err(format!("{} is not supported in it", other.name.text));
    }
    let faults = reading.faults.len();
    let inner = reading.apart(inner, Place::Location);
    if faults < reading.faults.len() {
        return Err("not all of it can be read".into());
    }
    let mut step = Step::Return(403, Returned::Nothing);
    let allowed = admitted(&inner.access);
    if !allowed.is_empty() {
        step = Step::If(Condition::IsOutside(allowed), [step].into(), None);
    }
    let head = call.words.contains(&"GET").then_some("HEAD");
    for method in call.words.iter().copied().chain(head) {
        let condition = Condition::Is(Variable::Method, Wanted::No, Text::literal(method));
        step = Step::If(condition, [step].into(), None);
    }
    reading.snippet.steps.insert(0, step);
    Ok(())
}

/// Source: nginx `ngx_http_rewrite_if_condition`.
fn parsed(reading: &Reading<'_>, words: &[&str]) -> Result<Condition, String> {
    let mut words = words.to_vec();
    let shape = "its condition is not in parentheses";
    match words.first_mut() {
        Some(first) if *first == "(" => drop(words.remove(0)),
        Some(first) => *first = first.strip_prefix('(').ok_or(shape)?,
        None => return Err(shape.into()),
    }
    match words.last_mut() {
        Some(last) if *last == ")" => drop(words.pop()),
        Some(last) => *last = last.strip_suffix(')').ok_or(shape)?,
        None => return Err(shape.into()),
    }
    let variable = |word: &str| {
        let name = word.strip_prefix('$').unwrap_or_default();
        let name = name.strip_prefix('{').and_then(|n| n.strip_suffix('}')).unwrap_or(name);
        reading.variable(name).ok_or_else(|| format!("{word:?} is no variable that is known"))
    };
    match words[..] {
        [name] => Ok(Condition::IsSet(variable(name)?)),
        // There are no files, and each request has a method.
        ["-f" | "-d" | "-e" | "-x", _] => {
            Ok(Condition::Is(Variable::Method, Wanted::Yes, Text::literal("")))
        }
        ["!-f" | "!-d" | "!-e" | "!-x", _] => {
            Ok(Condition::Is(Variable::Method, Wanted::No, Text::literal("")))
        }
        [name, operator, value] => {
            let wanted = if operator.starts_with('!') { Wanted::No } else { Wanted::Yes };
            let case = if operator.ends_with('*') { Case::Ignored } else { Case::Counts };
            match operator {
                "=" | "!=" => Ok(Condition::Is(variable(name)?, wanted, reading.text(value)?)),
                "~" | "~*" | "!~" | "!~*" => {
                    let pattern = reading.pattern(value, case)?;
                    Ok(Condition::Matches(variable(name)?, wanted, pattern))
                }
                other => Err(format!("{other:?} is no comparison")),
            }
        }
        _ => Err("its condition is neither a variable nor a comparison".into()),
    }
}
