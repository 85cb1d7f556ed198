//! Whether a directive that is not understood keeps clients out.

use crate::directives::{Block, Directive, Position, parse};
use crate::filter::GoesTo;

/// What a text that nothing reads says to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Open,
    /// A directive may turn them away.
    Guards {
        /// Its name, as written.
        directive: String,
        at: Position,
    },
    /// Nginx would not read it: it cannot be known.
    Unreadable,
}

/// Directives that turn clients away, or whose effect cannot be seen.
const GUARDS: &[&str] = &[
    "allow",
    "deny",
    "include",
    "internal",
    "load_module",
    "naxsi_extensive_log",
    "return",
    "satisfy",
    "secrulesenabled",
    "valid_referers",
];

/// What the names of more such directives begin with.
const GUARD_PREFIXES: &[&str] = &[
    "auth_",
    "js_",
    "limit_conn",
    "limit_except",
    "limit_rate",
    "limit_req",
    "modsecurity",
    "perl",
    "secure_link",
    "ssl_client_certificate",
    "ssl_crl",
    "ssl_ocsp",
    "ssl_reject_handshake",
    "ssl_trusted_certificate",
    "ssl_verify",
];

/// Of these names, those that turn nobody away by themselves.
const HARMLESS: &[&str] = &[
    "auth_delay",
    "auth_request_set",
    "limit_conn_dry_run",
    "limit_conn_log_level",
    "limit_conn_status",
    "limit_conn_zone",
    "limit_rate_after",
    "limit_req_dry_run",
    "limit_req_log_level",
    "limit_req_status",
    "limit_req_zone",
    "ssl_verify_depth",
];

/// Judges a text.
pub(crate) fn judge(text: &str) -> Verdict {
    let Ok(directives) = parse(text) else { return Verdict::Unreadable };
    match first(&directives) {
        None => Verdict::Open,
        Some(found) => Verdict::Guards { directive: found.name.text.clone(), at: found.name.at },
    }
}

/// The first guard, of those within each other the inner one.
fn first(directives: &[Directive]) -> Option<&Directive> {
    let found = directives.iter().find(|directive| guards(directive))?;
    let inner = match &found.block {
        Block::Directives(inner) => first(inner),
        Block::Absent | Block::Foreign => None,
    };
    Some(inner.unwrap_or(found))
}

/// Whether it may turn clients away, by itself or by what stands in it.
pub(super) fn guards(directive: &Directive) -> bool {
    let words: Vec<_> = directive.arguments.iter().map(|word| &*word.text).collect();
    let name = directive.name.text.to_ascii_lowercase();
    let begins = || GUARD_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let is_readable = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let inner = match &directive.block {
        Block::Directives(inner) => inner.iter().any(guards),
        Block::Absent | Block::Foreign => false,
    };
    inner
        || !is_readable
        || GUARDS.contains(&&*name)
        || name.contains("_by_lua")
        || name == "rewrite" && is_redirect(&words)
        || begins() && !HARMLESS.contains(&&*name) && words != ["off"]
}

/// A `rewrite` that answers as `return` does: nothing of the request gets to the backend.
fn is_redirect(words: &[&str]) -> bool {
    matches!(words.get(2), Some(&("redirect" | "permanent")))
        || words.get(1).is_some_and(|to| GoesTo::of(to) == GoesTo::Client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::parse;

    #[test]
    fn directives_that_turn_clients_away_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("deny all;", true),
            ("DENY all;", true),
            ("'deny' all;", true),
            ("if ($http_x != \"y\") {\n  return 403;\n}", true),
            ("location ~ \"^/x{2}\" { set $a b; auth_request /auth; }", true),
            ("auth_basic \"x\";", true),
            ("limit_except GET { deny all; }", true),
            ("limit_req zone=x;", true),
            ("secure_link $arg_x;", true),
            ("modsecurity on;", true),
            ("access_by_lua_block { ngx.exit(403) }", true),
            ("rewrite_by_lua 'ngx.exit(403)';", true),
            ("include /etc/nginx/guard.conf;", true),
            ("rewrite ^ https://login.example/ redirect;", true),
            ("rewrite ^/admin /login permanent;", true),
            ("rewrite ^ $scheme://x/;", true),
            ("ssl_reject_handshake on;", true),
            ("d\\eny all;", true),
            ("\u{feff}deny all;", true),
            ("more_set_headers \"X: deny all;\";", false),
            ("set $deny 1;", false),
            ("auth_request_set $user $upstream_http_x;", false),
            ("auth_request off;", false),
            ("limit_req_status 429;", false),
            ("rewrite ^/a /permanent last;", false),
            ("ssl_reject_handshake off;", false),
            ("if ($scheme = http) { set $x y; }", false),
        ] {
            let found = parse(text).expect("directives");
            assert_eq!(found.iter().any(guards), expected, "{text:?}");
        }
    }
}
