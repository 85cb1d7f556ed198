//! The built proxy on loopback, on both I/O drivers. This file is the table of contents: each
//! module is a behaviour, each test a rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod harness;

mod access_log;
mod admin;
mod admin_api;
mod admin_page;
mod annotations;
mod bad_objects;
mod command_line;
mod compression;
mod cores;
mod demo;
mod drain;
mod entry_points;
mod explain;
mod forwarding;
mod gateway;
mod http1;
mod http2;
mod limits;
mod listeners;
mod long_bodies;
mod nginx_metrics;
mod proxy_protocol;
mod reload;
mod routing;
mod slow_client;
mod smuggling;
mod stream_services;
mod takeover;
mod tls;
mod upgrade;
mod upstream;
mod upstream_http2;
