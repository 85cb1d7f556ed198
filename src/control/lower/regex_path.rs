//! Paths that are regular expressions: which look so, and which requests they mean.

use crate::model::Pattern;

/// Whether a path has what only expressions have a use for. A dot is none: `/v1.2` and
/// `/.well-known` are paths.
pub(crate) fn looks_like_one(path: &str) -> bool {
    let special = ['(', ')', '[', ']', '{', '}', '|', '^', '\\', '*', '?'];
    path.contains(special) || path.contains(".+") || path.ends_with('$')
}

/// The requests that ingress-nginx would send to an expression: it begins where the path does, ends
/// anywhere, and case is no difference. One that is written in a way that no linear-time engine
/// knows (look-around, back-references), or is too large, means all that begins with the plain text
/// before its first special character.
pub(crate) fn pattern(path: &str) -> Option<Pattern> {
    let plain = || {
        let special = ['(', '[', '{', '|', '^', '\\', '*', '?', '+', '.', '$'];
        let end = path.find(special).unwrap_or(path.len());
        let text = path.get(..end).unwrap_or_default();
        // What is optional or repeated is the last character before it.
        let text = text.rsplit_once('/').map_or("", |(before, _)| before);
        Pattern::new(&format!("(?i)^{}/", Pattern::escape(text)))
    };
    Pattern::new(&format!("(?i)^{path}")).or_else(|_not_linear| plain()).ok()
}
