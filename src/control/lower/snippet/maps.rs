//! `map` and `geo`.
//!
//! Source: nginx, modules `ngx_http_map_module` and `ngx_http_geo_module`.

use std::cmp::Reverse;
use std::sync::Arc;

use super::reading::{Call, Reading};
use crate::control::lower::regex_path::Case;
use crate::directives::{Block, Directive};
use crate::filter::{AddressRanges, Entries, Mapping, PathPattern, Text, Variable};
use crate::limits::SCRIPT_MAP_EXPRESSIONS_MAX;
use crate::model::Pattern;

pub(super) fn map(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [source, name] = call.words[..] else {
        return Err("it takes a text and a variable".into());
    };
    let (mut texts, mut hosts, mut expressions) = (Vec::new(), Vec::new(), Vec::new());
    let mut default = Text::literal("");
    let entries = entries(call)?;
    let has_hosts = entries.contains(&("hostnames", None));
    for (key, value) in entries {
        match (key, value) {
            ("volatile" | "hostnames", None) => {}
            ("include", _) => return Err("there are no files to include".into()),
            (_, None) => return Err(format!("{key:?} is not supported in it")),
            ("default", Some(value)) => default = text(reading, value, None)?,
            (key, Some(value)) => match key.strip_prefix('~') {
                Some(expression) => {
                    let (expression, case) = match expression.strip_prefix('*') {
                        Some(expression) => (expression, Case::Ignored),
                        None => (expression, Case::Counts),
                    };
                    let pattern = reading.pattern(expression, case)?;
                    let value = text(reading, value, Some(&pattern))?;
                    expressions.push((pattern, value));
                }
                None if has_hosts && (key.starts_with(['*', '.']) || key.ends_with(".*")) => {
                    hosts.push((key, text(reading, value, None)?));
                }
                None => {
                    let key = key.strip_prefix('\\').unwrap_or(key).to_ascii_lowercase();
                    texts.push((key.into_boxed_str(), text(reading, value, None)?));
                }
            },
        }
    }
    // Of names with an asterisk the longest counts, and those of whole domains first.
    hosts.sort_by_key(|(key, _)| (key.ends_with(".*"), Reverse(key.len())));
    let hosts = hosts.into_iter().map(|(key, value)| {
        let pattern = host_expression(key).ok_or_else(|| format!("{key:?} is no name"))?;
        Ok((reading.pattern(&pattern, Case::Ignored)?, value))
    });
    let hosts = hosts.collect::<Result<Vec<_>, String>>()?;
    let expressions: Vec<_> = hosts.into_iter().chain(expressions).collect();
    if expressions.len() > SCRIPT_MAP_EXPRESSIONS_MAX {
        return Err(format!("it has more than {SCRIPT_MAP_EXPRESSIONS_MAX} expressions"));
    }
    texts.sort_by(|(one, _), (other, _)| one.cmp(other));
    let entries = Entries::Texts(texts.into(), expressions.into());
    define(reading, call, (source, name), entries, default)
}

pub(super) fn geo(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let (source, name) = match call.words[..] {
        [name] => ("$remote_addr", name),
        [source, name] => (source, name),
        _ => return Err("it takes a variable, and perhaps one of an address before it".into()),
    };
    let mut ranges = Vec::new();
    let mut default = Text::literal("");
    for (key, value) in entries(call)? {
        let value = value.ok_or_else(|| format!("{key:?} is not supported in it"))?;
        match key {
            "default" => default = Text::literal(value),
            "ranges" | "proxy" | "delete" | "include" | "proxy_recursive" => {
                return Err(format!("{key:?} is not supported in it"));
            }
            key => {
                let range = AddressRanges::parse(key).map_err(|error| error.to_string())?;
                let bits = key.split_once('/').and_then(|(_, bits)| bits.parse::<u8>().ok());
                ranges.push((bits.unwrap_or(u8::MAX), range, Text::literal(value)));
            }
        }
    }
    ranges.sort_by_key(|(bits, ..)| Reverse(*bits));
    let ranges = ranges.into_iter().map(|(_, range, value)| (range, value)).collect();
    define(reading, call, (source, name), Entries::Addresses(ranges), default)
}

/// An expression for the hosts that `*.name`, `.name` or `name.*` stands for; `None`: it is none.
fn host_expression(key: &str) -> Option<String> {
    let is_name = |name: &str| !name.is_empty() && !name.contains('*');
    let (before, name, behind) = match key.strip_suffix(".*") {
        Some(name) => ("^", name, "\\..+$"),
        None => match (key.strip_prefix("*."), key.strip_prefix('.')) {
            (Some(name), _) => ("^.+\\.", name, "$"),
            (None, Some(name)) => ("^(?:.+\\.)?", name, "$"),
            (None, None) => return None,
        },
    };
    is_name(name).then(|| format!("{before}{}{behind}", Pattern::escape(name)))
}

/// Names and values of the block.
fn entries<'c>(call: &Call<'c>) -> Result<Vec<(&'c str, Option<&'c str>)>, String> {
    let entry = |directive: &'c Directive| match (&*directive.arguments, &directive.block) {
        ([], Block::Absent) => Ok((&*directive.name.text, None)),
        ([value], Block::Absent) => Ok((&*directive.name.text, Some(&*value.text))),
        _ => Err(format!("{:?} has not one value", directive.name.text)),
    };
    call.inner.unwrap_or_default().iter().map(entry).collect()
}

/// A value. Of the variables in it none is mapped: values of values could grow without end.
fn text(reading: &Reading<'_>, value: &str, pattern: Option<&PathPattern>) -> Result<Text, String> {
    let known = |name: &str| match pattern.and_then(|pattern| pattern.group(name)) {
        Some(_) => Some(Variable::NamedCapture(name.into())),
        None => reading.answer_variable(name),
    };
    let text = Text::read(value, known).map_err(|error| error.to_string())?;
    let is_nested = text.variables().any(|variable| matches!(variable, Variable::Mapped(_)));
    match is_nested {
        true => Err("a value of a map is no other map's".into()),
        false => Ok(text),
    }
}

fn define(
    reading: &mut Reading<'_>,
    call: &Call<'_>,
    (source, name): (&str, &str),
    entries: Entries,
    default: Text,
) -> Result<(), String> {
    let name = name.strip_prefix('$').filter(|name| !name.is_empty());
    let name = name.ok_or("what is defined is no variable")?;
    let source = reading.answer_text(source)?;
    let before: Vec<_> = source
        .variables()
        .filter_map(|variable| match variable {
            Variable::Mapped(map) => Some(&*map.text),
            _ => None,
        })
        .collect();
    if before.len() > 1 {
        return Err("it depends on more than one other map".into());
    }
    let text = format!("{}|{:?}|{:?}|{}", call.name, call.words, call.inner, before.concat());
    let map = Mapping { text: text.into(), source, entries, default };
    reading.snippet.names.maps.insert(name.into(), Variable::Mapped(Arc::new(map)));
    Ok(())
}
