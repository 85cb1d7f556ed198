//! The page for people: a few files that look at the API and ask no other host. They hold no data,
//! so that whoever is asked for a token can be asked by them.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue, VARY};

use super::replies::{Reply, response};

/// Path, type and octets.
const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", include_str!("page.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.svg", "image/svg+xml", include_str!("page.svg")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page.js")),
];

/// The file at this path; `None`: there is none, or a list of pages is what `fields` ask for, as
/// curl does.
pub(super) fn file(path: &str, fields: &HeaderMap) -> Option<Reply> {
    let (path, content_type, text) = *FILES.iter().find(|(known, ..)| *known == path)?;
    let mut accepted = fields.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    if path == "/" && !accepted.any(|line| line.contains("text/html")) {
        return None;
    }
    let mut reply = response(StatusCode::OK, content_type, Bytes::from_static(text.as_bytes()));
    reply.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Some(reply)
}
