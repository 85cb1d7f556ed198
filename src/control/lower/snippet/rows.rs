//! The closed set of directives: where each may stand, and what reads it.

use super::places::Place::{Auth, Location, Rule, RuleIf, Server, ServerIf};
use super::places::Places;
use super::reading::{Read, Row};
use super::{bodies, conditions, fields, simple};

const fn row(name: &'static str, places: Places, read: Read) -> Row {
    Row { name, places, read }
}

const BLOCKS: Places = Places::of(&[Server, Rule, Location]);
const RULES: Places = Places::of(&[Rule, Location]);
const WITH_IFS: Places = Places::of(&[Server, Rule, Location, RuleIf]);
const REWRITES: Places = Places::of(&[Server, Rule, Location, RuleIf, ServerIf]);
const SENT: Places = Places::of(&[Server, Rule, Location, Auth]);
const ANY: Places = Places::of(&[Server, Rule, Location, RuleIf, ServerIf, Auth]);

/// The row of a directive.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("absolute_redirect", ANY, simple::idle),
    row("access_log", WITH_IFS, simple::access_log),
    row("add_header", WITH_IFS, fields::add_header),
    row("allow", BLOCKS, simple::access),
    row("auth_basic", BLOCKS, simple::no_password),
    row("auth_request", BLOCKS, simple::no_auth),
    row("auth_request_set", RULES, conditions::auth_request_set),
    row("break", REWRITES, conditions::end),
    row("chunked_transfer_encoding", ANY, simple::idle),
    row("client_body_buffer_size", BLOCKS, simple::idle),
    row("client_body_timeout", BLOCKS, simple::idle),
    row("client_header_buffer_size", BLOCKS, simple::idle),
    row("client_header_timeout", BLOCKS, simple::idle),
    row("client_max_body_size", BLOCKS, simple::body_size),
    row("default_type", BLOCKS, simple::media_type),
    row("deny", BLOCKS, simple::access),
    row("error_log", ANY, simple::idle),
    row("error_page", WITH_IFS, fields::error_page),
    row("etag", ANY, simple::idle),
    row("expires", WITH_IFS, fields::expires),
    row("grpc_connect_timeout", BLOCKS, simple::connect_timeout),
    row("grpc_read_timeout", BLOCKS, simple::read_timeout),
    row("grpc_send_timeout", BLOCKS, simple::send_timeout),
    row("grpc_set_header", SENT, fields::proxy_set_header),
    row("http2_push_preload", BLOCKS, simple::idle),
    row("if", BLOCKS, conditions::condition),
    row("if_modified_since", BLOCKS, simple::idle),
    row("keepalive_timeout", BLOCKS, simple::idle),
    row("large_client_header_buffers", BLOCKS, simple::idle),
    row("limit_except", RULES, conditions::limit_except),
    row("location", Places::of(&[Server]), simple::location),
    row("log_not_found", ANY, simple::idle),
    row("log_subrequest", ANY, simple::idle),
    row("more_clear_headers", WITH_IFS, fields::more_clear_headers),
    row("more_clear_input_headers", WITH_IFS, fields::more_clear_input_headers),
    row("more_set_headers", WITH_IFS, fields::more_set_headers),
    row("more_set_input_headers", WITH_IFS, fields::more_set_input_headers),
    row("port_in_redirect", ANY, simple::idle),
    row("proxy_buffer_size", ANY, simple::idle),
    row("proxy_buffering", ANY, simple::idle),
    row("proxy_buffers", ANY, simple::idle),
    row("proxy_busy_buffers_size", ANY, simple::idle),
    row("proxy_connect_timeout", BLOCKS, simple::connect_timeout),
    row("proxy_hide_header", BLOCKS, fields::proxy_hide_header),
    row("proxy_http_version", BLOCKS, simple::version),
    row("proxy_intercept_errors", BLOCKS, simple::intercept),
    row("proxy_max_temp_file_size", ANY, simple::idle),
    row("proxy_next_upstream_timeout", BLOCKS, simple::tries_time),
    row("proxy_next_upstream_tries", BLOCKS, simple::tries),
    row("proxy_pass", Places::of(&[Location]), simple::proxy_pass),
    row("proxy_pass_header", BLOCKS, fields::proxy_pass_header),
    row("proxy_pass_request_body", Places::of(&[Auth]), simple::idle),
    row("proxy_read_timeout", BLOCKS, simple::read_timeout),
    row("proxy_request_buffering", ANY, simple::idle),
    row("proxy_send_timeout", BLOCKS, simple::send_timeout),
    row("proxy_set_header", SENT, fields::proxy_set_header),
    row("proxy_ssl_name", BLOCKS, simple::tls_name),
    row("proxy_ssl_server_name", BLOCKS, simple::sends_tls_name),
    row("proxy_ssl_session_reuse", BLOCKS, simple::idle),
    row("proxy_ssl_verify", BLOCKS, simple::tls_verify),
    row("return", REWRITES, conditions::give_back),
    row("rewrite", REWRITES, conditions::rewrite),
    row("rewrite_log", ANY, simple::idle),
    row("satisfy", BLOCKS, simple::satisfy),
    row("send_timeout", BLOCKS, simple::idle),
    row("server_name_in_redirect", ANY, simple::idle),
    row("server_tokens", ANY, simple::idle),
    row("set", REWRITES, conditions::set),
    row("sub_filter", BLOCKS, bodies::sub_filter),
    row("sub_filter_last_modified", BLOCKS, bodies::sub_filter_last_modified),
    row("sub_filter_once", BLOCKS, bodies::sub_filter_once),
    row("sub_filter_types", BLOCKS, bodies::sub_filter_types),
    row("tcp_nodelay", ANY, simple::idle),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directive_has_one_row() {
        assert!(ROWS.is_sorted_by(|a, b| a.name < b.name));
        assert!(ROWS.iter().all(|row| find(row.name).is_some()));
    }
}
