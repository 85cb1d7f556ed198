//! Configuration text of nginx → whether it keeps clients out. Runs none of it.
//!
//! Source: the lexer of nginx, `ngx_conf_read_token`: words end at a blank, `;` or `{`; a comment,
//! a quote and a block begin only where a word would; a backslash takes the next character along.

use std::iter::Peekable;
use std::str::Chars;

/// What a snippet says to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Open,
    /// A directive may turn them away.
    Guards {
        /// Its name, as written.
        directive: String,
        /// From 1.
        line: usize,
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

/// Judges the text of a snippet.
pub(crate) fn judge(text: &str) -> Verdict {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    let mut words: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    loop {
        let token = match lexer.next() {
            Ok(Some(token)) => token,
            Ok(None) => break,
            Err(Unclosed) => return judged(&words).unwrap_or(Verdict::Unreadable),
        };
        match token {
            Token::Word(word, line) => {
                words.push((word, line));
                continue;
            }
            Token::End => {}
            Token::Open => depth = depth.saturating_add(1),
            Token::Close => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return judged(&words).unwrap_or(Verdict::Unreadable),
            },
        }
        if let Some(verdict) = judged(&words) {
            return verdict;
        }
        words.clear();
    }
    match judged(&words) {
        Some(verdict) => verdict,
        None if depth > 0 => Verdict::Unreadable,
        None => Verdict::Open,
    }
}

/// The directives of a text without blocks: words and line of each; `None`: it has one, or nginx
/// would not read it.
pub(crate) fn simple_directives(text: &str) -> Option<Vec<(Vec<String>, usize)>> {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    let mut directives = Vec::new();
    let (mut words, mut first) = (Vec::new(), 0);
    while let Some(token) = lexer.next().ok()? {
        match token {
            Token::Word(word, line) => {
                if words.is_empty() {
                    first = line;
                }
                words.push(word);
            }
            Token::End if !words.is_empty() => {
                directives.push((std::mem::take(&mut words), first));
            }
            Token::End | Token::Open | Token::Close => return None,
        }
    }
    words.is_empty().then_some(directives)
}

/// What one directive says, if it may turn clients away.
fn judged(words: &[(String, usize)]) -> Option<Verdict> {
    let (directive, line) = words.first()?;
    let name = directive.to_ascii_lowercase();
    let begins = || GUARD_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let is_guard = GUARDS.contains(&&*name)
        || name.contains("_by_lua")
        || name == "rewrite" && is_redirect(words)
        || begins() && !HARMLESS.contains(&&*name) && !is_off(words);
    if !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Some(Verdict::Unreadable);
    }
    is_guard.then(|| Verdict::Guards { directive: directive.clone(), line: *line })
}

/// A `rewrite` that answers as `return` does: nothing of the request gets to the backend.
fn is_redirect(words: &[(String, usize)]) -> bool {
    let word = |index| words.get(index).map(|(word, _): &(String, usize)| &**word);
    matches!(word(3), Some("redirect" | "permanent"))
        || word(2).is_some_and(|to| {
            ["http://", "https://", "$scheme"].iter().any(|start| to.starts_with(start))
        })
}

/// `off` is all it is told.
fn is_off(words: &[(String, usize)]) -> bool {
    matches!(words, [_, (value, _)] if value == "off")
}

enum Token {
    /// With its line.
    Word(String, usize),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// A quote has no end.
struct Unclosed;

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.line = self.line.saturating_add(usize::from(next == '\n'));
        Some(next)
    }

    fn next(&mut self) -> Result<Option<Token>, Unclosed> {
        while let Some(next) = self.bump() {
            return Ok(Some(match next {
                ' ' | '\t' | '\r' | '\n' => continue,
                '#' => {
                    while self.bump().is_some_and(|c| c != '\n') {}
                    continue;
                }
                ';' => Token::End,
                '{' => Token::Open,
                '}' => Token::Close,
                '"' | '\'' => self.quoted(next)?,
                other => self.word(other),
            }));
        }
        Ok(None)
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Unclosed> {
        let (mut word, line) = (String::new(), self.line);
        loop {
            match self.bump().ok_or(Unclosed)? {
                '\\' => word.extend(self.bump()),
                next if next == quote => return Ok(Token::Word(word, line)),
                next => word.push(next),
            }
        }
    }

    fn word(&mut self, first: char) -> Token {
        let (mut word, line) = (String::new(), self.line);
        let mut next = Some(first);
        while let Some(character) = next {
            word.push(character);
            if character == '\\' {
                word.extend(self.bump());
            }
            // `${name}` is part of the word.
            let is_variable = character == '$';
            next = match self.rest.peek() {
                None | Some(' ' | '\t' | '\r' | '\n' | ';') => None,
                Some('{') if !is_variable => None,
                Some(_) => self.bump(),
            };
        }
        Token::Word(word, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn guards(text: &str, directive: &str, line: usize) {
        let expected = Verdict::Guards { directive: directive.into(), line };
        assert_eq!(judge(text), expected, "{text:?}");
    }

    #[test]
    fn directives_that_turn_clients_away_are_found_wherever_they_stand() {
        guards("deny all;", "deny", 1);
        guards("  allow 10.0.0.0/8;\n  deny all;", "allow", 1);
        guards("more_set_headers 'A: b';\n\n deny\n all;", "deny", 3);
        guards("DENY all;", "DENY", 1);
        guards("\"deny\" all;", "deny", 1);
        guards("'deny' all;", "deny", 1);
        guards("set $x '# no comment';deny all;", "deny", 1);
        guards("set $x a#b; deny all;", "deny", 1);
        guards("set $x \"a\\\"b\"; deny all;", "deny", 1);
        guards("set $x a\\;b; deny all;", "deny", 1);
        guards("set $x ${y}; deny all;", "deny", 1);
        guards("# a comment\r\ndeny all;", "deny", 2);
        guards("if ($http_x != \"y\") {\n  return 403;\n}", "return", 2);
        guards("if ($http_x){return 403;}", "return", 1);
        guards("location /admin { deny all; }", "deny", 1);
        guards("location ~ \"^/x{2}\" { set $a b; auth_request /auth; }", "auth_request", 1);
        guards("auth_basic \"x\";", "auth_basic", 1);
        guards("auth_basic off; auth_request /x;", "auth_request", 1);
        guards("limit_except GET { deny all; }", "limit_except", 1);
        guards("limit_req zone=x;", "limit_req", 1);
        guards("limit_conn x 1;", "limit_conn", 1);
        guards("satisfy any;", "satisfy", 1);
        guards("secure_link $arg_x;", "secure_link", 1);
        guards("ssl_verify_client on;", "ssl_verify_client", 1);
        guards("modsecurity on;", "modsecurity", 1);
        guards("access_by_lua_block { ngx.exit(403) }", "access_by_lua_block", 1);
        guards("rewrite_by_lua 'ngx.exit(403)';", "rewrite_by_lua", 1);
        guards("include /etc/nginx/guard.conf;", "include", 1);
        guards("return 301 https://x;", "return", 1);
        guards("rewrite ^ https://login.example/ redirect;", "rewrite", 1);
        guards("rewrite ^/admin /login permanent;", "rewrite", 1);
        guards("if ($cookie_a = \"\") { rewrite ^ http://x/$1; }", "rewrite", 1);
        guards("rewrite ^ $scheme://x/;", "rewrite", 1);
        guards("ssl_reject_handshake on;", "ssl_reject_handshake", 1);
        // Nginx would not read these; what they want is plain all the same.
        guards("deny all", "deny", 1);
        guards("deny all }", "deny", 1);
        guards("deny 'all", "deny", 1);
    }

    #[test]
    fn what_only_looks_like_a_guard_is_none() {
        for text in [
            "",
            "  \n# deny all;\n",
            "more_set_headers \"X: deny all;\";",
            "more_set_headers 'X: a\ndeny all;\n';",
            "add_header X return;",
            "set $deny 1;",
            "proxy_set_header deny all;",
            "proxy_set_header X a\\ b;",
            "auth_request_set $user $upstream_http_x;",
            "auth_basic off;",
            "auth_request off;",
            "modsecurity off;",
            "limit_req_status 429;",
            "if ($scheme = http) { set $x y; }",
            "rewrite ^/a/(.*)$ /$1 break;",
            "rewrite ^/a /redirect;",
            "rewrite ^/a /permanent last;",
            "ssl_reject_handshake off;",
            "proxy_cookie_path / \"/; secure\";",
            "set $x ${deny};",
        ] {
            assert_eq!(judge(text), Verdict::Open, "{text:?}");
        }
    }

    #[test]
    fn what_nginx_would_not_read_is_not_known() {
        for text in [
            "}",
            "set $x 'y;",
            "if ($x) {",
            "set $x y; } location / {",
            "\"",
            "a { } }",
            "\u{feff}deny all;",
            "den\\\ny all;",
            "d\\eny all;",
            "\u{a0}x y;",
        ] {
            assert_eq!(judge(text), Verdict::Unreadable, "{text:?}");
        }
    }
}
