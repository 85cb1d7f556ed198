//! HTTP/2 to clients, by prior knowledge on the plain port: RFC 9113, raw frames and real peers.

mod attacks;
mod conformance;
mod drain;
mod endings;
mod flow;
mod messages;
mod peers;
mod slow;
mod websocket;
