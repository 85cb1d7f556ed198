//! Directives about texts in bodies of answers.
//!
//! Source: nginx, module `ngx_http_sub_module`.

use super::reading::{Call, Reading};
use super::simple::switch;
use crate::filter::{Substitution, Substitutions, Text, Times, Variable};

pub(super) fn sub_filter(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [find, put] = call.words[..] else { return Err("it takes a text and another one".into()) };
    // A line end is a part of it like any other.
    let put = match put.contains('$') {
        true => reading.text(put)?,
        false => Text::literal(put),
    };
    if find.contains('$') {
        return Err("variables are not supported in the text that is looked for".into());
    }
    if put.variables().any(|variable| matches!(variable, Variable::Capture(_))) {
        return Err("captures are not supported there".into());
    }
    let pair = Substitution::new(find, put).map_err(|error| error.to_string())?;
    let pairs = &mut reading.snippet.replaced.pairs;
    pairs.push(pair);
    if let Err(error) = Substitutions::new(pairs.iter().cloned()) {
        pairs.pop();
        return Err(error.to_string());
    }
    Ok(())
}

pub(super) fn sub_filter_once(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let times = if switch(call)? { Times::Once } else { Times::All };
    reading.snippet.replaced.times = Some(times);
    Ok(())
}

pub(super) fn sub_filter_types(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    if call.words.is_empty() {
        return Err("it takes media types".into());
    }
    reading.snippet.replaced.types.extend(call.words.iter().map(|word| Box::from(*word)));
    Ok(())
}

pub(super) fn sub_filter_last_modified(
    reading: &mut Reading<'_>,
    call: &Call<'_>,
) -> Result<(), String> {
    reading.snippet.replaced.keeps_validators = switch(call)?;
    Ok(())
}
