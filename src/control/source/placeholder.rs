//! Values that a template left for somebody to fill in.

/// What a host, name or number must never hold; each with its end.
const MARKS: [(&str, &str); 6] =
    [("{{", "}}"), ("${", "}"), ("$(", ")"), ("<%", "%>"), ("%{", "}"), ("<", ">")];
/// What no request path holds either; the others may be meant in one.
const PATH_MARKS: usize = 2;

/// What to do about one.
pub const FILL_IN: &str = "Fill it in first (helm template, kustomize build, envsubst).";

/// The first placeholder of a text that is a host, a name or a number.
#[must_use]
pub fn find(text: &str) -> Option<&str> {
    first(text, &MARKS).or_else(|| {
        // `$DOMAIN`, `%DOMAIN%`, `__DOMAIN__`, `@DOMAIN@`
        ["$", "%", "__", "@"].iter().find_map(|mark| {
            let (before, rest) = text.split_once(mark)?;
            let word =
                rest.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
            let mut word = rest.get(..word.unwrap_or(rest.len()))?;
            let mut end = "";
            if *mark != "$" {
                let inner = if *mark == "__" { word.strip_suffix("__")? } else { word };
                (word, end) = (inner, mark);
            }
            let length = mark.len().saturating_add(word.len()).saturating_add(end.len());
            let found = text.get(before.len()..)?.get(..length)?;
            (word.contains(|c: char| c.is_ascii_uppercase()) && found.ends_with(end))
                .then_some(found)
        })
    })
}

/// The same of a path, which may be a regular expression.
#[must_use]
pub fn find_in_path(text: &str) -> Option<&str> {
    first(text, MARKS.get(..PATH_MARKS).unwrap_or_default())
}

fn first<'a>(text: &'a str, marks: &[(&str, &str)]) -> Option<&'a str> {
    marks.iter().find_map(|(begin, end)| {
        let (before, rest) = text.split_once(begin)?;
        // What is never closed is one to its end.
        let length = match rest.find(end) {
            Some(0) => return None,
            Some(inner) => begin.len().saturating_add(inner).saturating_add(end.len()),
            None if begin.len() > 1 => begin.len().saturating_add(rest.len()),
            None => return None,
        };
        text.get(before.len()..)?.get(..length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_all_kinds_are_found() {
        for (text, expected) in [
            ("app.${DOMAIN}", Some("${DOMAIN}")),
            ("${HOST:-a}.example", Some("${HOST:-a}")),
            ("app.$(DOMAIN).example", Some("$(DOMAIN)")),
            ("app.<your-domain>", Some("<your-domain>")),
            ("{{ .Values.host }}", Some("{{ .Values.host }}")),
            ("a.{{ host }}.b", Some("{{ host }}")),
            ("{{ .Values", Some("{{ .Values")),
            ("<%= host %>", Some("<%= host %>")),
            ("%{ host }", Some("%{ host }")),
            ("app.$DOMAIN.example", Some("$DOMAIN")),
            ("%DOMAIN%", Some("%DOMAIN%")),
            ("a.__MY_DOMAIN__.b", Some("__MY_DOMAIN__")),
            ("@DOMAIN@", Some("@DOMAIN@")),
            ("app.example.com", None),
            ("a_b.example", None),
            ("a__b.example", None),
            ("$1", None),
            ("50%", None),
            ("a@b.example", None),
            ("<", None),
            ("<>", None),
            ("", None),
        ] {
            assert_eq!(find(text), expected, "{text:?}");
        }
        for (path, expected) in [
            ("/${X}/a", Some("${X}")),
            ("/{{ .Values.path }}", Some("{{ .Values.path }}")),
            ("/x(/|$)(.*)", None),
            ("/a/(?<id>[0-9]+)$", None),
            ("/a{2}", None),
        ] {
            assert_eq!(find_in_path(path), expected, "{path:?}");
        }
    }
}
