//! Configuration text of nginx → directives with their places. Sans-IO; it knows the syntax and
//! what no directive means.
//!
//! Source: nginx `ngx_conf_read_token`: words end at a blank, `;` or `{`; a comment, a quote and a
//! block begin only where a word would; `${` begins no block; a backslash takes the next character
//! along. OpenResty: what stands in the block of a directive whose name ends with `_by_lua_block`
//! is another language.

use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

use crate::limits::{
    DIRECTIVE_DEPTH_MAX, DIRECTIVE_WORDS_MAX, DIRECTIVES_BYTES_MAX, DIRECTIVES_MAX,
};

/// One directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name.
    pub name: Word,
    /// What follows the name.
    pub arguments: Vec<Word>,
    /// What stands in braces behind it.
    pub block: Block,
}

/// What stands in braces behind a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// There are none.
    Absent,
    /// Directives.
    Directives(Vec<Directive>),
    /// Text in another language.
    Foreign,
}

/// A word, without its quotes and with its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Where it begins.
    pub at: Position,
}

/// A place in a text; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character of the line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is not read. Its author is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {fault}")]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What is wrong there.
    pub fault: SyntaxFault,
}

/// What may be wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxFault {
    /// More than [`DIRECTIVES_BYTES_MAX`].
    #[error("it is longer than {DIRECTIVES_BYTES_MAX} octets")]
    TooLong,
    /// More than [`DIRECTIVES_MAX`].
    #[error("it has more than {DIRECTIVES_MAX} directives")]
    TooMany,
    /// More than [`DIRECTIVE_WORDS_MAX`].
    #[error("a directive has more than {DIRECTIVE_WORDS_MAX} words")]
    TooManyWords,
    /// More than [`DIRECTIVE_DEPTH_MAX`].
    #[error("blocks stand in each other more than {DIRECTIVE_DEPTH_MAX} times")]
    TooDeep,
    /// A control character that is no blank.
    #[error("it has a control character")]
    Control,
    /// Something where it cannot be.
    #[error("{0:?} is not possible there")]
    Unexpected(char),
    /// A quote, a block or a directive without its end.
    #[error("a ';', a '}}' or a closing quote is missing for what begins there")]
    Open,
}

/// Reads a text.
///
/// # Errors
/// See [`SyntaxError`].
pub fn parse(text: &str) -> Result<Vec<Directive>, SyntaxError> {
    let start = Position { line: 1, column: 1 };
    if text.len() > DIRECTIVES_BYTES_MAX {
        return Err(SyntaxError { at: start, fault: SyntaxFault::TooLong });
    }
    let mut parser = Parser { rest: text.char_indices().peekable(), at: start, directives: 0 };
    parser.block(0, None)
}

/// What ends a word or stands for itself.
enum Token {
    Word(Word),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
    /// Of the text.
    Over,
}

struct Parser<'a> {
    rest: Peekable<CharIndices<'a>>,
    /// Of what comes next.
    at: Position,
    directives: usize,
}

impl Parser<'_> {
    /// The directives of a block, or of the whole text. `opened`: where the block begins.
    fn block(
        &mut self,
        depth: usize,
        opened: Option<Position>,
    ) -> Result<Vec<Directive>, SyntaxError> {
        let mut directives = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        loop {
            let (token, at) = self.token()?;
            let first = words.first().map(|word| word.at);
            let block = match (token, opened) {
                (Token::Word(word), _) => {
                    if words.len() > DIRECTIVE_WORDS_MAX {
                        return Err(fault(word.at, SyntaxFault::TooManyWords));
                    }
                    words.push(word);
                    continue;
                }
                (Token::End, _) => Block::Absent,
                (Token::Open, _) => self.inner(&words, depth)?,
                (Token::Close, Some(_)) if words.is_empty() => return Ok(directives),
                (Token::Close, _) => {
                    return Err(fault(first.unwrap_or(at), SyntaxFault::Unexpected('}')));
                }
                (Token::Over, None) if words.is_empty() => return Ok(directives),
                (Token::Over, opened) => {
                    let open = first.or(opened).unwrap_or(at);
                    return Err(fault(open, SyntaxFault::Open));
                }
            };
            let mut taken = std::mem::take(&mut words).into_iter();
            let Some(name) = taken.next() else {
                let sign = if block == Block::Absent { ';' } else { '{' };
                return Err(fault(at, SyntaxFault::Unexpected(sign)));
            };
            self.directives = self.directives.saturating_add(1);
            if self.directives > DIRECTIVES_MAX {
                return Err(fault(name.at, SyntaxFault::TooMany));
            }
            directives.push(Directive { name, arguments: taken.collect(), block });
        }
    }

    /// What stands in the braces of the directive that `words` begin.
    fn inner(&mut self, words: &[Word], depth: usize) -> Result<Block, SyntaxError> {
        let at = words.first().map_or(self.at, |word| word.at);
        if depth >= DIRECTIVE_DEPTH_MAX {
            return Err(fault(at, SyntaxFault::TooDeep));
        }
        match words.first() {
            Some(name) if name.text.ends_with("_by_lua_block") => self.foreign(at),
            _ => self.block(depth.saturating_add(1), Some(at)).map(Block::Directives),
        }
    }

    /// Steps over text in another language, in which braces have their counterparts.
    fn foreign(&mut self, at: Position) -> Result<Block, SyntaxError> {
        let mut depth = 1_usize;
        while let Some(next) = self.bump() {
            match next {
                '{' => depth = depth.saturating_add(1),
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Ok(Block::Foreign);
            }
        }
        Err(fault(at, SyntaxFault::Open))
    }

    fn bump(&mut self) -> Option<char> {
        let (_, next) = self.rest.next()?;
        self.at = match next {
            '\n' => Position { line: self.at.line.saturating_add(1), column: 1 },
            _ => Position { column: self.at.column.saturating_add(1), ..self.at },
        };
        Some(next)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, next)| *next)
    }

    /// The next one, and where it begins.
    fn token(&mut self) -> Result<(Token, Position), SyntaxError> {
        loop {
            let at = self.at;
            let Some(next) = self.bump() else { return Ok((Token::Over, at)) };
            let token = match next {
                next if is_blank(next) => continue,
                '#' => {
                    while self.bump().is_some_and(|next| next != '\n') {}
                    continue;
                }
                ';' => Token::End,
                '{' => Token::Open,
                '}' => Token::Close,
                '"' | '\'' => self.quoted(next, at)?,
                next => self.plain(next, at)?,
            };
            return Ok((token, at));
        }
    }

    fn quoted(&mut self, quote: char, at: Position) -> Result<Token, SyntaxError> {
        let mut text = String::new();
        loop {
            let here = self.at;
            match self.bump() {
                None => return Err(fault(at, SyntaxFault::Open)),
                Some('\\') => self.escape(at, &mut text)?,
                Some(next) if next == quote => break,
                Some(next) => push(next, here, &mut text)?,
            }
        }
        match self.peek() {
            Some(next) if !is_blank(next) && !matches!(next, ';' | '{' | ')') => {
                Err(fault(self.at, SyntaxFault::Unexpected(next)))
            }
            _ => Ok(Token::Word(Word { text, at })),
        }
    }

    fn plain(&mut self, first: char, at: Position) -> Result<Token, SyntaxError> {
        let mut text = String::new();
        let mut next = first;
        loop {
            match next {
                '\\' => self.escape(at, &mut text)?,
                other => push(other, at, &mut text)?,
            }
            match self.peek() {
                None => break,
                Some('{') if next != '$' => break,
                Some(';') => break,
                Some(other) if is_blank(other) => break,
                Some(other) => next = other,
            }
            self.bump();
        }
        Ok(Token::Word(Word { text, at }))
    }

    /// What a backslash and the character behind it stand for.
    fn escape(&mut self, at: Position, text: &mut String) -> Result<(), SyntaxError> {
        let here = self.at;
        match self.bump() {
            None => return Err(fault(at, SyntaxFault::Open)),
            Some(next @ ('"' | '\'' | '\\')) => text.push(next),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            Some(next) => {
                text.push('\\');
                push(next, here, text)?;
            }
        }
        Ok(())
    }
}

fn push(next: char, at: Position, text: &mut String) -> Result<(), SyntaxError> {
    if next.is_control() && !is_blank(next) {
        return Err(fault(at, SyntaxFault::Control));
    }
    text.push(next);
    Ok(())
}

fn is_blank(next: char) -> bool {
    matches!(next, ' ' | '\t' | '\r' | '\n')
}

fn fault(at: Position, fault: SyntaxFault) -> SyntaxError {
    SyntaxError { at, fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name(word|word){…}` of each directive.
    fn shown(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let words: Vec<_> = directive.arguments.iter().map(|word| &*word.text).collect();
            let block = match &directive.block {
                Block::Absent => String::new(),
                Block::Directives(inner) => format!("{{{}}}", shown(inner)),
                Block::Foreign => "{..}".into(),
            };
            format!("{}({}){block}", directive.name.text, words.join("|"))
        };
        directives.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        for (text, expected) in [
            ("", ""),
            (" \n# deny all;\n", ""),
            ("deny all;", "deny(all)"),
            ("a;b ;", "a() b()"),
            ("a\tb\r\nc;", "a(b|c)"),
            ("a 'b c' \"d;e\";", "a(b c|d;e)"),
            ("a #b\nc;", "a(c)"),
            ("a b#c;", "a(b#c)"),
            (r#"a "b\"c" 'd\'e' f\\g;"#, r#"a(b"c|d'e|f\g)"#),
            (r"a b\;c \d\.x;", r"a(b\;c|\d\.x)"),
            (r"a \t\r\n;", "a(\t\r\n)"),
            ("a b\"c\" d;", "a(b\"c\"|d)"),
            ("a ${b}c;", "a(${b}c)"),
            ("a $b{c d;}", "a($b){c(d)}"),
            ("a ${b;c}d;", "a(${b) c}d()"),
            ("if ($a = \"b\"){c;}", "if(($a|=|b|)){c()}"),
            ("if ($a = b) { c; } d;", "if(($a|=|b)){c()} d()"),
            ("a { b { c; } }", "a(){b(){c()}}"),
            ("a b}c;", "a(b}c)"),
            ("x_by_lua_block { if a then { b } end } c;", "x_by_lua_block(){..} c()"),
            ("set $a '';", "set($a|)"),
            ("a \u{fc};", "a(\u{fc})"),
        ] {
            assert_eq!(parse(text).map(|found| shown(&found)), Ok(expected.into()), "{text:?}");
        }
    }

    #[test]
    fn what_nginx_would_not_read_is_told_with_its_place() {
        let nested = |depth: usize| format!("{}{}", "a {".repeat(depth), "}".repeat(depth));
        let long = format!("a {};", "b".repeat(DIRECTIVES_BYTES_MAX));
        for (text, line, column, fault) in [
            ("deny all", 1, 1, SyntaxFault::Open),
            ("a;\n  b {", 2, 3, SyntaxFault::Open),
            ("a 'b;", 1, 3, SyntaxFault::Open),
            ("a b\\", 1, 3, SyntaxFault::Open),
            ("a \"b\\", 1, 3, SyntaxFault::Open),
            ("x_by_lua_block { {", 1, 1, SyntaxFault::Open),
            ("}", 1, 1, SyntaxFault::Unexpected('}')),
            ("a;\n}", 2, 1, SyntaxFault::Unexpected('}')),
            ("a { b }", 1, 5, SyntaxFault::Unexpected('}')),
            (";", 1, 1, SyntaxFault::Unexpected(';')),
            ("a; {}", 1, 4, SyntaxFault::Unexpected('{')),
            ("a 'b'c;", 1, 6, SyntaxFault::Unexpected('c')),
            ("a b\0;", 1, 3, SyntaxFault::Control),
            ("a 'b\u{7f}';", 1, 5, SyntaxFault::Control),
            (
                &*nested(DIRECTIVE_DEPTH_MAX + 1),
                1,
                3 * DIRECTIVE_DEPTH_MAX + 1,
                SyntaxFault::TooDeep,
            ),
            (
                &*format!("a{};", " b".repeat(DIRECTIVE_WORDS_MAX + 1)),
                1,
                2 * DIRECTIVE_WORDS_MAX + 3,
                SyntaxFault::TooManyWords,
            ),
            (&*"a;".repeat(DIRECTIVES_MAX + 1), 1, 2 * DIRECTIVES_MAX + 1, SyntaxFault::TooMany),
            (&*long, 1, 1, SyntaxFault::TooLong),
        ] {
            let at = Position { line, column };
            assert_eq!(parse(text), Err(SyntaxError { at, fault }), "{text:.60}");
        }
        assert!(parse(&nested(DIRECTIVE_DEPTH_MAX)).is_ok());
    }
}
