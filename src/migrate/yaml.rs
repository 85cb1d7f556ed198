//! Values as YAML for people: blocks, and quotes where a text could be taken for something else.

use serde_json::Value;

/// A mapping as a document.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                out.push_str(&pad);
                out.push_str(&scalar(&Value::from(name.as_str())));
                out.push(':');
                nested(out, value, indent);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&pad);
                out.push('-');
                nested(out, item, indent);
            }
        }
        plain => out.push_str(&format!("{pad}{}\n", scalar(plain))),
    }
}

/// What stands behind `name:` or `-`.
fn nested(out: &mut String, value: &Value, indent: usize) {
    let is_empty = match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if is_empty {
        out.push_str(&format!(" {}\n", scalar(value)));
    } else {
        out.push('\n');
        block(out, value, indent.saturating_add(2));
    }
}

/// A comment ends with its line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// In one line: JSON, which is YAML, unless a text is plain in every reading.
pub(super) fn scalar(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_./".contains(&c));
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if is_plain && !is_word { text.clone() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::control::source::yaml;

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({
            "a": {"b": "true", "c": true, "d": "8m", "e": "x: #y\n\"z\"", "f": [], "g": {}},
            "list": ["*", {"name": "http", "port": 80}, ["nested"], null],
            "5432": "data/postgres:5432", "on": "off", "": "",
        });
        let text = document(&value);
        let chunk = yaml::split(&text).into_iter().next().expect("a chunk");
        let read = yaml::parse(chunk).expect("YAML");
        assert_eq!(read.first().expect("a document").value, value, "{text}");
        assert_eq!(document(&json!({"a": {"b": [1, "x"]}})), "a:\n  b:\n    - 1\n    - x\n");
    }
}
