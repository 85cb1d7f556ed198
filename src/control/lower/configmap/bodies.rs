//! How large messages may be, and what is held of them.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::{NoEffect, Partial, Supported};

pub(super) const KEYS: &[Key] = &[
    key("client-body-buffer-size", "8k", Partial(STREAMED_UP))
        .of_annotation()
        .doc("Memory for the body of a request."),
    key("proxy-body-size", "1m", Supported)
        .of_annotation()
        .doc("Longest body of a request, with k, m or g for more than octets; 0: any."),
    key("proxy-buffer-size", "4k", Partial("heads of up to 64 KiB pass, longer ones are 502"))
        .of_annotation()
        .doc("Memory for the head of a response."),
    key("proxy-buffering", "off", Partial(STREAMED_DOWN))
        .of_annotation()
        .doc("on: responses are read faster than clients take them."),
    key("proxy-buffers-number", "4", Partial(STREAMED_DOWN))
        .of_annotation()
        .doc("How many such buffers there are."),
    key("proxy-busy-buffers-size", "", Partial(STREAMED_DOWN))
        .of_annotation()
        .doc("How much of them may be on its way to the client."),
    key("proxy-max-temp-file-size", "1024m", Partial("there are no files"))
        .of_annotation()
        .doc("Longest file for what memory does not hold."),
    key("proxy-request-buffering", "on", Partial(STREAMED_UP))
        .of_annotation()
        .doc("on: a request is read to its end before it goes to a backend."),
    key("grpc-buffer-size-kb", "0", NoEffect("responses pass as they come"))
        .doc("Memory for the response to a gRPC call."),
];

const STREAMED_UP: &str = "no effect: bodies pass as they come";
const STREAMED_DOWN: &str = "no effect: responses pass as fast as clients take them";
