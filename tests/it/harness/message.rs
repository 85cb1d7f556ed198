//! One HTTP message as read off a socket: just enough parsing to find its end, raw bytes kept.

use std::io::{self, Read};

/// A message, head as received and body decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// First line without CRLF.
    pub(crate) start_line: String,
    /// Names as received, in order.
    pub(crate) fields: Vec<(String, String)>,
    /// Content without framing.
    pub(crate) body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body came in chunks.
    pub(crate) is_chunked: bool,
}

/// Where more bytes of a message come from.
pub(crate) trait Source {
    /// Bytes received and not yet taken.
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// Receives more; `Ok(0)`: the peer closed.
    fn fill(&mut self) -> io::Result<usize>;
}

/// Appends what one read gives.
///
/// A read that a signal cut short is repeated: the kernel takes down the ring of
/// [`super::Driver::is_available`] by interrupting the thread that made it, and does not by itself
/// restart a read that has a timeout.
pub(crate) fn read_some(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 64 * 1024];
    loop {
        match stream.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(count) => {
                buffer.extend_from_slice(&piece[..count]);
                return Ok(count);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What a body's end depends on besides its own head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A request.
    Request,
    /// The response to a request of this method.
    ResponseTo(&'a str),
}

fn unexpected_end(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed before the end of {what}"))
}

/// Takes the bytes up to and including the next `end`.
pub(crate) fn take_through(source: &mut impl Source, end: &[u8]) -> io::Result<Vec<u8>> {
    loop {
        let buffer = source.buffer();
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            let rest = buffer.split_off(at + end.len());
            return Ok(std::mem::replace(buffer, rest));
        }
        if source.fill()? == 0 {
            return Err(unexpected_end(&format!("a message part; got {}", text(source.buffer()))));
        }
    }
}

/// Takes exactly `count` bytes.
pub(crate) fn take_exact(source: &mut impl Source, count: usize) -> io::Result<Vec<u8>> {
    while source.buffer().len() < count {
        if source.fill()? == 0 {
            let got = source.buffer().len();
            return Err(unexpected_end(&format!("a body: {got} of {count} bytes came")));
        }
    }
    let rest = source.buffer().split_off(count);
    Ok(std::mem::replace(source.buffer(), rest))
}

/// Takes everything until the peer closes.
pub(crate) fn take_to_end(source: &mut impl Source) -> io::Result<Vec<u8>> {
    while source.fill()? > 0 {}
    Ok(std::mem::take(source.buffer()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes as one `char` each, so that obs-text survives.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn parse_fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
        })
        .collect()
}

/// Reads a head, blank line included.
pub(crate) fn read_head(source: &mut impl Source) -> io::Result<Message> {
    let head = latin1(&take_through(source, b"\r\n\r\n")?);
    let mut lines = head.split("\r\n");
    let start_line = lines.next().unwrap_or_default().to_owned();
    Ok(Message { start_line, fields: parse_fields(lines), ..Message::default() })
}

/// Reads a whole message.
pub(crate) fn read_message(source: &mut impl Source, kind: Kind<'_>) -> io::Result<Message> {
    let mut message = read_head(source)?;
    read_body(source, kind, &mut message)?;
    Ok(message)
}

/// Reads the body that belongs to the head in `message`.
pub(crate) fn read_body(
    source: &mut impl Source,
    kind: Kind<'_>,
    message: &mut Message,
) -> io::Result<()> {
    let is_response = matches!(kind, Kind::ResponseTo(_));
    let status = if is_response { message.status() } else { 0 };
    let is_without_body = kind == Kind::ResponseTo("HEAD")
        || is_response && (status < 200 || status == 204 || status == 304);
    if is_without_body {
        return Ok(());
    }
    let is_chunked = message.field("transfer-encoding").is_some_and(|v| v.contains("chunked"));
    if is_chunked {
        message.is_chunked = true;
        return read_chunks(source, message);
    }
    if let Some(length) = message.field("content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        message.body = take_exact(source, length)?;
    } else if is_response {
        message.body = take_to_end(source)?;
    }
    Ok(())
}

fn read_chunks(source: &mut impl Source, message: &mut Message) -> io::Result<()> {
    loop {
        let line = text(&take_through(source, b"\r\n")?);
        let digits = line.trim_end();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|error| io::Error::other(format!("chunk size {line:?}: {error}")))?;
        if size == 0 {
            break;
        }
        message.body.extend(take_exact(source, size)?);
        let end = take_exact(source, 2)?;
        if end != b"\r\n" {
            return Err(io::Error::other("chunk data is not followed by CRLF"));
        }
    }
    loop {
        let line = latin1(&take_through(source, b"\r\n")?);
        if line == "\r\n" {
            return Ok(());
        }
        message.trailers.extend(parse_fields(std::iter::once(line.trim_end())));
    }
}

impl Message {
    /// Status code of a response.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let code = self.start_line.split(' ').nth(1).unwrap_or_default();
        code.parse().unwrap_or_else(|_| panic!("not a status line: {:?}", self.start_line))
    }

    /// Method of a request.
    pub(crate) fn method(&self) -> &str {
        self.start_line.split(' ').next().unwrap_or_default()
    }

    /// Target of a request.
    pub(crate) fn target(&self) -> &str {
        self.start_line.split(' ').nth(1).unwrap_or_default()
    }

    /// Value of the first field line of a name, any case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let line = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.as_str())
    }

    /// Body as text.
    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    /// Body of an echo backend as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.start_line, self.text()))
    }

    /// Name of the echo backend that answered.
    #[track_caller]
    pub(crate) fn backend(&self) -> String {
        self.json()["backend"].as_str().unwrap_or_default().to_owned()
    }

    /// Value of a field of the request as the echo backend received it; `None`: absent.
    #[track_caller]
    pub(crate) fn echoed_field(&self, name: &str) -> Option<String> {
        let all = self.echoed_fields(name);
        assert!(all.len() < 2, "several lines of {name}: {all:?}");
        all.into_iter().next()
    }

    /// Values of every line of a field as the echo backend received them.
    #[track_caller]
    pub(crate) fn echoed_fields(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let lines = json["fields"].as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter(|line| line[0].as_str().is_some_and(|field| field.eq_ignore_ascii_case(name)))
            .filter_map(|line| line[1].as_str().map(str::to_owned))
            .collect()
    }
}

/// Values of every line of `name`, any case.
pub(crate) fn fields_named<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let lines = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    lines.map(|(_, value)| value.as_str()).collect()
}
