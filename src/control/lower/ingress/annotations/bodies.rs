//! How large messages may be, and what is held of them.

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::Settings;

pub(super) const GROUP: Group = Group { title: "Bodies and buffers", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("client-body-buffer-size", Location, Partial(STREAMED_UP))
        .doc("Memory for the body of a request."),
    row(BODY_SIZE, Location, Supported)
        .risk(Medium)
        .doc("Longest body of a request, with k, m or g for more than octets; 0: any."),
    row("proxy-buffer-size", Location, Partial("heads of up to 64 KiB pass, longer ones are 502"))
        .doc("Memory for the head of a response."),
    row("proxy-buffering", Location, Partial(STREAMED_DOWN))
        .doc("on: responses are read faster than clients take them."),
    row("proxy-buffers-number", Location, Partial(STREAMED_DOWN))
        .doc("How many such buffers there are."),
    row("proxy-busy-buffers-size", Location, Partial(STREAMED_DOWN))
        .doc("How much of them may be on its way to the client."),
    row("proxy-max-temp-file-size", Location, Partial("there are no files"))
        .doc("Longest file for what memory does not hold."),
    row("proxy-request-buffering", Location, Partial(STREAMED_UP))
        .doc("on: a request is read to its end before it goes to a backend."),
];

const STREAMED_UP: &str = "no effect: bodies pass as they come";
const STREAMED_DOWN: &str = "no effect: responses pass as fast as clients take them";

const BODY_SIZE: &str = "proxy-body-size";

/// Knobs of buffers that are not here, each with the suffixes that its value may have.
const SIZES: [(&str, &str); 4] = [
    ("client-body-buffer-size", "km"),
    ("proxy-buffer-size", "kmg"),
    ("proxy-busy-buffers-size", "kmg"),
    ("proxy-max-temp-file-size", "kmg"),
];

const SWITCHES: [&str; 2] = ["proxy-buffering", "proxy-request-buffering"];

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    settings.policies.body_bytes_max = reader.size(BODY_SIZE, "kmg");
    // What has no effect may be wrong all the same, and then its author wants to know.
    for (name, suffixes) in SIZES {
        reader.size(name, suffixes);
    }
    for name in SWITCHES {
        if let Some(text) = reader.text(name).filter(|text| !matches!(*text, "on" | "off")) {
            reader.invalid(name, text, "it is no switch.", "Write \"on\" or \"off\".");
        }
    }
    reader.number("proxy-buffers-number");
}
