//! Text of one manifest → documents with the line of every field.
//!
//! Never builds more than [`YAML_NODES_MAX`] nodes or [`YAML_BYTES_MAX`] bytes of one document,
//! with aliases expanded, and never recurses: nesting is a stack of at most [`YAML_DEPTH_MAX`]
//! frames. JSON goes the same way, because YAML 1.2 contains it.
//!
//! Source: YAML 1.2.2; scalars by the core schema, section 10.3.2.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

use crate::limits::{YAML_BYTES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};

/// One document.
#[derive(Debug)]
pub struct Document {
    /// Its content; mappings have text keys only.
    pub value: Value,
    /// Where its fields stand.
    pub positions: Positions,
}

/// Lines of a node and of everything in it; the same tree as the value's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// From 1; of a field: that of its key.
    line: u32,
    children: Children,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Children {
    /// As it is written, where that is no text to YAML but might be meant as one: `60`, `0x1F`,
    /// `True`.
    Scalar(Option<Box<str>>),
    /// In the order of the text; of a name that stands twice because of a merge the last counts.
    Fields(Vec<(Box<str>, Positions)>),
    Items(Vec<Positions>),
}

/// Why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlErrorKind {
    /// The grammar.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// A mapping with the same key twice.
    #[error("the field {0:?} stands twice in the same mapping")]
    DuplicateKey(String),
    /// A mapping key that is a list or a mapping.
    #[error("a field name must be text")]
    ComplexKey,
    /// `<<` with anything else.
    #[error("a merge key (<<) takes a mapping, an alias of one, or a list of these")]
    MergeValue,
    /// An alias of an anchor that is not complete before it.
    #[error("the alias names an anchor that does not stand before it")]
    Alias,
    /// `!something`.
    #[error("the tag {0:?} is not supported")]
    Tag(String),
    /// More than [`YAML_DEPTH_MAX`] levels.
    #[error("nested more than {YAML_DEPTH_MAX} levels deep")]
    TooDeep,
    /// More than [`YAML_NODES_MAX`] or [`YAML_BYTES_MAX`].
    #[error("too large once its aliases are expanded")]
    TooLarge,
}

/// A [`YamlErrorKind`] and its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// Where.
    pub line: u32,
    /// What.
    pub kind: YamlErrorKind,
}

impl Positions {
    /// The line of the node itself.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Line of a field such as `spec.rules[0].host`; of the nearest enclosing node that exists when
    /// the field itself does not.
    #[must_use]
    pub fn line_of(&self, field: &str) -> u32 {
        self.nearest(field).0.line
    }

    /// What is written in a field whose value is a number or a truth value.
    #[must_use]
    pub fn text_of(&self, field: &str) -> Option<&str> {
        match self.nearest(field) {
            (Self { children: Children::Scalar(text), .. }, "") => text.as_deref(),
            _ => None,
        }
    }

    /// The field, or the nearest enclosing node and what is left of the path.
    fn nearest<'a, 'p>(&'a self, field: &'p str) -> (&'a Self, &'p str) {
        let (mut node, mut rest) = (self, field);
        while let Some((child, after)) = node.step(rest) {
            (node, rest) = (child, after);
        }
        (node, rest)
    }

    /// Takes the positions of the items of the list field `name`; empty if there is none.
    #[must_use]
    pub fn into_items_of(self, name: &str) -> Vec<Self> {
        let Children::Fields(fields) = self.children else { return Vec::new() };
        let found = fields.into_iter().rfind(|(key, _)| &**key == name);
        match found.map(|(_, positions)| positions.children) {
            Some(Children::Items(items)) => items,
            _ => Vec::new(),
        }
    }

    /// One step down the path: the child and what is left. Keys may hold dots (annotations), so the
    /// longest key that fits is meant.
    fn step<'a, 'p>(&'a self, path: &'p str) -> Option<(&'a Self, &'p str)> {
        match &self.children {
            Children::Scalar(_) => None,
            Children::Fields(fields) => fields
                .iter()
                .filter_map(|(key, child)| {
                    let rest = path.strip_prefix(&**key)?;
                    let end = rest.is_empty() || rest.starts_with(['.', '[']);
                    end.then(|| (key.len(), child, rest.strip_prefix('.').unwrap_or(rest)))
                })
                .max_by_key(|(length, ..)| *length)
                .map(|(_, child, rest)| (child, rest)),
            Children::Items(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                let child = items.get(index.parse::<usize>().ok()?)?;
                Some((child, rest.strip_prefix('.').unwrap_or(rest)))
            }
        }
    }
}

/// A part of a manifest between two `---` lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// With the `---` line that opens it.
    pub text: &'a str,
    /// Line of its first character, from 1.
    pub first_line: u32,
}

/// Cuts a manifest at its `---` lines, so that one broken document does not harm the others.
///
/// Chunks without content (blank lines, comments, directives) are left out.
pub fn split(text: &str) -> Vec<Chunk<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(values) = split_json(text) {
        return values;
    }
    let mut chunks = Vec::new();
    let (mut start, mut start_line) = (0usize, 1u32);
    let (mut offset, mut line_number) = (0usize, 0u32);
    for line in text.split_inclusive('\n') {
        line_number = line_number.saturating_add(1);
        if is_document_start(line) && offset > start {
            push_chunk(&mut chunks, text.get(start..offset), start_line);
            (start, start_line) = (offset, line_number);
        }
        offset = offset.saturating_add(line.len());
    }
    push_chunk(&mut chunks, text.get(start..), start_line);
    chunks
}

/// JSON values one behind the other, as many programs write them; `None`: anything else.
fn split_json(text: &str) -> Option<Vec<Chunk<'_>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let (mut chunks, mut start, mut first_line) = (Vec::new(), 0usize, 1u32);
    while let Some(value) = values.next() {
        value.ok()?;
        let text = text.get(start..values.byte_offset())?;
        let blank = text.len().saturating_sub(text.trim_start().len());
        let lines = |text: &str| {
            u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
        };
        first_line = first_line.saturating_add(lines(text.get(..blank)?));
        let text = text.get(blank..)?;
        chunks.push(Chunk { text, first_line });
        first_line = first_line.saturating_add(lines(text));
        start = values.byte_offset();
    }
    (chunks.len() > 1).then_some(chunks)
}

fn push_chunk<'a>(chunks: &mut Vec<Chunk<'a>>, text: Option<&'a str>, first_line: u32) {
    let has_content = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !line.is_empty() && !line.starts_with(['#', '%']) && line != "..."
    };
    if let Some(text) = text
        && text.lines().any(has_content)
    {
        chunks.push(Chunk { text, first_line });
    }
}

fn is_document_start(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Parses the documents of one chunk; more than one only if `...` lines separate them.
///
/// # Errors
/// The author of the manifest is at fault; nothing of the chunk is used.
pub fn parse(chunk: Chunk<'_>) -> Result<Vec<Document>, YamlError> {
    // The parser is young. A panic in it must cost this chunk, not the control plane.
    std::panic::catch_unwind(|| parse_chunk(chunk)).unwrap_or_else(|_panic| {
        let kind = YamlErrorKind::Syntax("the parser failed on it".into());
        Err(YamlError { line: chunk.first_line, kind })
    })
}

fn parse_chunk(chunk: Chunk<'_>) -> Result<Vec<Document>, YamlError> {
    refuse_control_characters(chunk)?;
    let text = join_surrogates(chunk.text);
    let mut parser = Parser::new_from_str(&text);
    let mut builder = Builder::new(chunk.first_line);
    let mut documents = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| YamlError {
            // What is never closed fails behind the last line; the eye looks for it on it.
            line: builder.line(e.marker().line().min(chunk.text.lines().count())),
            kind: YamlErrorKind::Syntax(e.info().to_owned()),
        })?;
        let line = builder.line(span.start.line());
        match event {
            Event::DocumentStart(_) => builder = Builder::new(chunk.first_line),
            Event::DocumentEnd => documents.extend(builder.root.take()),
            Event::StreamEnd => break,
            event => builder.event(event, span).map_err(|kind| YamlError { line, kind })?,
        }
    }
    Ok(documents)
}

/// The parser takes NUL for the end of the text: what stands behind it would be lost in silence.
///
/// Source: YAML 1.2.2, `c-printable`, section 5.1; kubectl refuses the same characters.
fn refuse_control_characters(chunk: Chunk<'_>) -> Result<(), YamlError> {
    let mut line = chunk.first_line;
    for character in chunk.text.chars() {
        match character {
            '\n' => line = line.saturating_add(1),
            '\t' | '\r' | '\u{85}' => {}
            other if other.is_control() => {
                let what = format!("the control character U+{:04X}", u32::from(other));
                return Err(YamlError { line, kind: YamlErrorKind::Syntax(what) });
            }
            _ => {}
        }
    }
    Ok(())
}

/// JSON writes characters beyond 16 bits as two escapes (RFC 8259 section 7), YAML as one: `\U`.
///
/// Touches JSON only (a document in braces), where a backslash always begins an escape.
fn join_surrogates(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start_matches("---").trim_start().starts_with('{');
    if !is_json || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let (mut joined, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, escape)) = rest.split_once('\\') {
        joined.push_str(before);
        joined.push('\\');
        if let Some((character, after)) = surrogate_pair(escape) {
            joined.push_str(&format!("U{:08x}", u32::from(character)));
            rest = after;
        } else {
            // The escaped character itself may be a backslash.
            let escaped = escape.chars().next();
            joined.extend(escaped);
            rest = escape.get(escaped.map_or(0, char::len_utf8)..).unwrap_or_default();
        }
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

/// The character of two escapes at the start of `text`, the first backslash already read, and what
/// follows.
fn surrogate_pair(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u16::from_str_radix(text, 16).ok();
    let high = unit(text.strip_prefix('u')?.get(..4)?)?;
    let rest = text.get(5..)?.strip_prefix("\\u")?;
    let low = unit(rest.get(..4)?)?;
    let mut characters = char::decode_utf16([high, low]);
    match (characters.next(), characters.next()) {
        (Some(Ok(character)), None) => Some((character, rest.get(4..)?)),
        _ => None,
    }
}

/// A node with what it costs to copy it.
struct Node {
    value: Value,
    positions: Positions,
    cost: Cost,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
}

struct Frame {
    line: u32,
    anchor: usize,
    /// Spent before the node began.
    spent_before: Cost,
    content: Content,
}

enum Content {
    Sequence(Vec<Value>, Vec<Positions>),
    Mapping {
        fields: Map<String, Value>,
        positions: Vec<(Box<str>, Positions)>,
        /// Read, its value not yet.
        key: Option<Key>,
        /// Names of `fields` that a merge wrote.
        merged: HashSet<String>,
    },
}

enum Key {
    /// A field, and the line of its name.
    Field(String, u32),
    /// `<<` (YAML 1.1 merge type): the fields of what follows become those of this mapping.
    Merge,
}

/// Builds one document from events.
struct Builder {
    first_line: u32,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    spent: Cost,
    root: Option<Document>,
}

impl Builder {
    fn new(first_line: u32) -> Self {
        Self {
            first_line,
            stack: Vec::new(),
            anchors: HashMap::new(),
            spent: Cost::default(),
            root: None,
        }
    }

    /// Line in the file for a line in the chunk.
    fn line(&self, in_chunk: usize) -> u32 {
        let offset = u32::try_from(in_chunk.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_line.saturating_add(offset)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlErrorKind> {
        let line = self.line(span.start.line());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text, style, anchor, tag.as_deref(), line)
            }
            Event::SequenceStart(anchor, tag) => self.open(
                line,
                anchor,
                tag.as_deref(),
                "seq",
                Content::Sequence(Vec::new(), Vec::new()),
            ),
            Event::MappingStart(anchor, tag) => {
                let (fields, positions) = (Map::new(), Vec::new());
                let content =
                    Content::Mapping { fields, positions, key: None, merged: HashSet::new() };
                self.open(line, anchor, tag.as_deref(), "map", content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn spend(&mut self, nodes: usize, bytes: usize) -> Result<(), YamlErrorKind> {
        self.spent.nodes = self.spent.nodes.saturating_add(nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(bytes);
        if self.spent.nodes > YAML_NODES_MAX || self.spent.bytes > YAML_BYTES_MAX {
            return Err(YamlErrorKind::TooLarge);
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: u32,
    ) -> Result<(), YamlErrorKind> {
        self.spend(1, text.len())?;
        let cost = Cost { nodes: 1, bytes: text.len() };
        let is_key = self.expects_key();
        if is_key
            && is_merge(&text, style, tag)
            && let Some(Frame { content: Content::Mapping { key, .. }, .. }) = self.stack.last_mut()
        {
            *key = Some(Key::Merge);
            return Ok(());
        }
        let resolved = if is_key { None } else { resolve(&text, style, tag)? };
        let written = resolved.as_ref().filter(|value| !value.is_null()).map(|_| (*text).into());
        let value = resolved.unwrap_or_else(|| Value::String(text.into_owned()));
        let positions = Positions { line, children: Children::Scalar(written) };
        self.add(Node { value, positions, cost }, anchor)
    }

    fn open(
        &mut self,
        line: u32,
        anchor: usize,
        tag: Option<&Tag>,
        core_tag: &str,
        content: Content,
    ) -> Result<(), YamlErrorKind> {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == core_tag)
        {
            return Err(YamlErrorKind::Tag(tag.to_string()));
        }
        if self.expects_key() {
            return Err(YamlErrorKind::ComplexKey);
        }
        if self.stack.len() >= YAML_DEPTH_MAX {
            return Err(YamlErrorKind::TooDeep);
        }
        let spent_before = self.spent;
        self.spend(1, 0)?;
        self.stack.push(Frame { line, anchor, spent_before, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlErrorKind> {
        let Some(Frame { line, anchor, spent_before, content }) = self.stack.pop() else {
            return Err(YamlErrorKind::Syntax("an end without a start".into()));
        };
        let (value, children) = match content {
            Content::Sequence(items, positions) => {
                (Value::Array(items), Children::Items(positions))
            }
            Content::Mapping { fields, positions, key: _, merged: _ } => {
                (Value::Object(fields), Children::Fields(positions))
            }
        };
        let cost = Cost {
            nodes: self.spent.nodes.saturating_sub(spent_before.nodes),
            bytes: self.spent.bytes.saturating_sub(spent_before.bytes),
        };
        self.add(Node { value, positions: Positions { line, children }, cost }, anchor)
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Result<(), YamlErrorKind> {
        let cost = self.anchors.get(&anchor).ok_or(YamlErrorKind::Alias)?.cost;
        self.spend(cost.nodes, cost.bytes)?;
        let known = self.anchors.get(&anchor).ok_or(YamlErrorKind::Alias)?;
        let is_merged = matches!(
            self.stack.last(),
            Some(Frame { content: Content::Mapping { key: Some(Key::Merge), .. }, .. })
        );
        if is_merged && !known.value.is_object() {
            return Err(YamlErrorKind::MergeValue);
        }
        let positions = Positions { line, ..known.positions.clone() };
        let node = Node { value: known.value.clone(), positions, cost };
        self.add(node, 0)
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { content: Content::Mapping { key: None, .. }, .. }))
    }

    /// Puts a complete node where it belongs. The copy for its anchor (0: none) costs as well.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), YamlErrorKind> {
        if anchor != 0 {
            self.spend(node.cost.nodes, node.cost.bytes)?;
            let (value, positions) = (node.value.clone(), node.positions.clone());
            self.anchors.insert(anchor, Node { value, positions, cost: node.cost });
        }
        let Node { value, positions, cost: _ } = node;
        let Some(Frame { content, .. }) = self.stack.last_mut() else {
            self.root = Some(Document { value, positions });
            return Ok(());
        };
        match content {
            Content::Sequence(items, lines) => {
                items.push(value);
                lines.push(positions);
                Ok(())
            }
            Content::Mapping { fields, positions: lines, key, merged } => match key.take() {
                None => {
                    let Value::String(text) = value else { return Err(YamlErrorKind::ComplexKey) };
                    *key = Some(Key::Field(text, positions.line));
                    Ok(())
                }
                Some(Key::Merge) => {
                    for (name, value, positions) in merge(value, positions)? {
                        lines.push((name.as_str().into(), positions));
                        merged.insert(name.clone());
                        fields.insert(name, value);
                    }
                    Ok(())
                }
                Some(Key::Field(name, line)) => {
                    if fields.contains_key(&name) && !merged.remove(&name) {
                        return Err(YamlErrorKind::DuplicateKey(name));
                    }
                    lines.push((name.as_str().into(), Positions { line, ..positions }));
                    fields.insert(name, value);
                    Ok(())
                }
            },
        }
    }
}

/// As kubectl has it: plain, or so tagged. In quotes it is a name like any other.
fn is_merge(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    text == "<<"
        && match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) => tag.is_yaml_core_schema() && tag.suffix == "merge",
        }
}

/// The fields that the value of a merge key stands for, in the order they are written: of a list
/// the first mapping counts most, so it comes last. What is written later overwrites, be it
/// merged or not, as in the reader that kubectl has.
fn merge(
    value: Value,
    positions: Positions,
) -> Result<Vec<(String, Value, Positions)>, YamlErrorKind> {
    match (value, positions.children) {
        (Value::Object(mut values), Children::Fields(fields)) => {
            // A name that stands twice has its value at the last place.
            let mut written: Vec<_> = fields
                .into_iter()
                .rev()
                .filter_map(|(name, positions)| {
                    let (name, value) = values.remove_entry(&*name)?;
                    Some((name, value, positions))
                })
                .collect();
            written.reverse();
            Ok(written)
        }
        (Value::Array(values), Children::Items(lines)) => {
            let mut written = Vec::new();
            for (value, positions) in values.into_iter().zip(lines).rev() {
                if !value.is_object() {
                    return Err(YamlErrorKind::MergeValue);
                }
                written.extend(merge(value, positions)?);
            }
            Ok(written)
        }
        _ => Err(YamlErrorKind::MergeValue),
    }
}

/// What a scalar means: YAML 1.2 core schema for plain ones, text (`None`) for quoted and block
/// ones.
fn resolve(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Option<Value>, YamlErrorKind> {
    let is_plain = style == ScalarStyle::Plain;
    match tag {
        None if is_plain => Ok(plain(text)),
        None => Ok(None),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(None),
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "str" => Ok(None),
            "int" | "float" | "bool" | "null" => Ok(plain(text)),
            _ => Err(YamlErrorKind::Tag(tag.to_string())),
        },
        Some(tag) => Err(YamlErrorKind::Tag(tag.to_string())),
    }
}

fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        other => number(other).map(Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex).then(|| u64::from_str_radix(hex, 16).ok())?.map(Number::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal).then(|| u64::from_str_radix(octal, 8).ok())?.map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `inf`, `nan` and `infinity` are numbers to Rust and words to YAML.
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let positive = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = positive.parse::<i64>() {
            return Some(Number::from(number));
        }
        if let Ok(number) = positive.parse::<u64>() {
            return Some(Number::from(number));
        }
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

/// Rust's radix parser would also take a sign.
fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
