//! How large messages may be, and what is held of them.

use super::group::Group;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Bodies and buffers", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("client-body-buffer-size", Location, NotYet).doc("Memory for the body of a request."),
    row("proxy-body-size", Location, NotYet).doc("Longest body of a request; 0: any."),
    row("proxy-buffer-size", Location, NotYet).doc("Memory for the head of a response."),
    row("proxy-buffering", Location, NotYet)
        .doc("on: responses are read faster than clients take them."),
    row("proxy-buffers-number", Location, NotYet).doc("How many such buffers there are."),
    row("proxy-busy-buffers-size", Location, NotYet)
        .doc("How much of them may be on its way to the client."),
    row("proxy-max-temp-file-size", Location, NotYet)
        .doc("Longest file for what memory does not hold."),
    row("proxy-request-buffering", Location, NotYet)
        .doc("on: a request is read to its end before it goes to a backend."),
];
