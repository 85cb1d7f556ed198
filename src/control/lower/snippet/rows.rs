//! The closed set of directives: where each may stand, and what reads it.

use super::places::Place::{Auth, Http, Location, Rule, RuleIf, Server, ServerIf};
use super::places::Places;
use super::reading::{Read, Row};
use super::{
    backend_tls, bodies, clients, coding, conditions, fields, limits, logs, maps, returned, simple,
    upstreams,
};

const fn row(name: &'static str, places: Places, read: Read) -> Row {
    Row { name, places, read }
}

const BLOCKS: Places = Places::of(&[Http, Server, Rule, Location]);
const INNER: Places = Places::of(&[Server, Rule, Location]);
const RULES: Places = Places::of(&[Rule, Location]);
const WITH_IFS: Places = Places::of(&[Http, Server, Rule, Location, RuleIf]);
const REWRITES: Places = Places::of(&[Server, Rule, Location, RuleIf, ServerIf]);
const SENT: Places = Places::of(&[Http, Server, Rule, Location, Auth]);
const ANY: Places = Places::of(&[Http, Server, Rule, Location, RuleIf, ServerIf, Auth]);
const HTTP: Places = Places::of(&[Http]);
const LOCATION: Places = Places::of(&[Location]);

/// The row of a directive.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("absolute_redirect", ANY, simple::idle),
    row("access_log", WITH_IFS, logs::access_log),
    row("add_header", WITH_IFS, fields::add_header),
    row("aio", ANY, simple::idle),
    row("allow", BLOCKS, simple::access),
    row("auth_basic", BLOCKS, simple::no_password),
    row("auth_request", BLOCKS, simple::no_auth),
    row("auth_request_set", RULES, conditions::auth_request_set),
    row("break", REWRITES, conditions::end),
    row("brotli", BLOCKS, coding::on),
    row("brotli_buffers", BLOCKS, simple::idle),
    row("brotli_comp_level", BLOCKS, coding::level),
    row("brotli_min_length", BLOCKS, coding::length),
    row("brotli_static", BLOCKS, simple::idle),
    row("brotli_types", BLOCKS, coding::types),
    row("brotli_window", BLOCKS, simple::idle),
    row("chunked_transfer_encoding", ANY, simple::idle),
    row("client_body_buffer_size", BLOCKS, simple::idle),
    row("client_body_temp_path", ANY, simple::idle),
    row("client_body_timeout", BLOCKS, simple::idle),
    row("client_header_buffer_size", BLOCKS, simple::idle),
    row("client_header_timeout", BLOCKS, simple::idle),
    row("client_max_body_size", BLOCKS, simple::body_size),
    row("connection_pool_size", ANY, simple::idle),
    row("default_type", BLOCKS, simple::media_type),
    row("deny", BLOCKS, simple::access),
    row("directio", ANY, simple::idle),
    row("error_log", ANY, simple::idle),
    row("error_page", WITH_IFS, fields::error_page),
    row("etag", ANY, simple::idle),
    row("expires", WITH_IFS, fields::expires),
    row("geo", HTTP, maps::geo),
    row("grpc_buffer_size", ANY, simple::idle),
    row("grpc_connect_timeout", BLOCKS, simple::connect_timeout),
    row("grpc_read_timeout", BLOCKS, simple::read_timeout),
    row("grpc_send_timeout", BLOCKS, simple::send_timeout),
    row("grpc_set_header", SENT, fields::proxy_set_header),
    row("grpc_socket_keepalive", ANY, simple::idle),
    row("gunzip", BLOCKS, simple::idle),
    row("gzip", BLOCKS, coding::on),
    row("gzip_buffers", BLOCKS, simple::idle),
    row("gzip_comp_level", BLOCKS, coding::level),
    row("gzip_disable", BLOCKS, coding::disable),
    row("gzip_http_version", BLOCKS, simple::idle),
    row("gzip_min_length", BLOCKS, coding::length),
    row("gzip_proxied", BLOCKS, simple::idle),
    row("gzip_static", BLOCKS, simple::idle),
    row("gzip_types", BLOCKS, coding::types),
    row("gzip_vary", BLOCKS, simple::idle),
    row("http2_max_field_size", ANY, simple::idle),
    row("http2_max_header_size", ANY, simple::idle),
    row("http2_push_preload", BLOCKS, simple::idle),
    row("if", INNER, conditions::condition),
    row("if_modified_since", BLOCKS, simple::idle),
    row("internal", LOCATION, simple::internal),
    row("keepalive_requests", ANY, simple::idle),
    row("keepalive_timeout", BLOCKS, simple::idle),
    row("large_client_header_buffers", BLOCKS, simple::idle),
    row("limit_conn", BLOCKS, limits::limit_conn),
    row("limit_conn_log_level", ANY, simple::idle),
    row("limit_conn_status", BLOCKS, simple::limit_status),
    row("limit_conn_zone", HTTP, limits::limit_conn_zone),
    row("limit_except", RULES, conditions::limit_except),
    row("limit_rate", BLOCKS, simple::rate),
    row("limit_rate_after", BLOCKS, simple::rate),
    row("limit_req", BLOCKS, limits::limit_req),
    row("limit_req_log_level", ANY, simple::idle),
    row("limit_req_status", BLOCKS, simple::limit_status),
    row("limit_req_zone", HTTP, limits::limit_req_zone),
    row("lingering_close", ANY, simple::idle),
    row("lingering_time", ANY, simple::idle),
    row("lingering_timeout", ANY, simple::idle),
    row("location", Places::of(&[Server]), simple::location),
    row("log_format", HTTP, logs::log_format),
    row("log_not_found", ANY, simple::idle),
    row("log_subrequest", ANY, simple::idle),
    row("map", HTTP, maps::map),
    row("map_hash_bucket_size", ANY, simple::idle),
    row("map_hash_max_size", ANY, simple::idle),
    row("more_clear_headers", WITH_IFS, fields::more_clear_headers),
    row("more_clear_input_headers", WITH_IFS, fields::more_clear_input_headers),
    row("more_set_headers", WITH_IFS, fields::more_set_headers),
    row("more_set_input_headers", WITH_IFS, fields::more_set_input_headers),
    row("msie_padding", ANY, simple::idle),
    row("open_file_cache", ANY, simple::idle),
    row("open_file_cache_errors", ANY, simple::idle),
    row("open_file_cache_min_uses", ANY, simple::idle),
    row("open_file_cache_valid", ANY, simple::idle),
    row("output_buffers", ANY, simple::idle),
    row("port_in_redirect", ANY, simple::idle),
    row("postpone_output", ANY, simple::idle),
    row("proxy_buffer_size", ANY, simple::idle),
    row("proxy_buffering", ANY, simple::idle),
    row("proxy_buffers", ANY, simple::idle),
    row("proxy_busy_buffers_size", ANY, simple::idle),
    row("proxy_cache", BLOCKS, simple::uncached),
    row("proxy_cache_bypass", BLOCKS, simple::uncached),
    row("proxy_connect_timeout", BLOCKS, simple::connect_timeout),
    row("proxy_cookie_domain", BLOCKS, returned::cookie_domain),
    row("proxy_cookie_flags", BLOCKS, returned::cookie_flags),
    row("proxy_cookie_path", BLOCKS, returned::cookie_path),
    row("proxy_headers_hash_bucket_size", ANY, simple::idle),
    row("proxy_headers_hash_max_size", ANY, simple::idle),
    row("proxy_hide_header", BLOCKS, fields::proxy_hide_header),
    row("proxy_http_version", BLOCKS, simple::version),
    row("proxy_ignore_client_abort", ANY, simple::idle),
    row("proxy_intercept_errors", BLOCKS, simple::intercept),
    row("proxy_max_temp_file_size", ANY, simple::idle),
    row("proxy_method", RULES, simple::method),
    row("proxy_next_upstream", BLOCKS, simple::next_upstream),
    row("proxy_next_upstream_timeout", BLOCKS, simple::tries_time),
    row("proxy_next_upstream_tries", BLOCKS, simple::tries),
    row("proxy_no_cache", BLOCKS, simple::uncached),
    row("proxy_pass", LOCATION, upstreams::proxy_pass),
    row("proxy_pass_header", BLOCKS, fields::proxy_pass_header),
    row("proxy_pass_request_body", Places::of(&[Auth]), simple::idle),
    row("proxy_read_timeout", BLOCKS, simple::read_timeout),
    row("proxy_redirect", BLOCKS, returned::proxy_redirect),
    row("proxy_request_buffering", ANY, simple::idle),
    row("proxy_send_timeout", BLOCKS, simple::send_timeout),
    row("proxy_set_header", SENT, fields::proxy_set_header),
    row("proxy_socket_keepalive", ANY, simple::idle),
    row("proxy_ssl_certificate", BLOCKS, backend_tls::file),
    row("proxy_ssl_certificate_key", BLOCKS, backend_tls::file),
    row("proxy_ssl_ciphers", BLOCKS, backend_tls::ciphers),
    row("proxy_ssl_name", BLOCKS, backend_tls::name),
    row("proxy_ssl_protocols", BLOCKS, backend_tls::protocols),
    row("proxy_ssl_server_name", BLOCKS, backend_tls::sends_name),
    row("proxy_ssl_session_reuse", BLOCKS, simple::idle),
    row("proxy_ssl_trusted_certificate", BLOCKS, backend_tls::file),
    row("proxy_ssl_verify", BLOCKS, backend_tls::verify),
    row("proxy_ssl_verify_depth", BLOCKS, backend_tls::depth),
    row("proxy_temp_file_write_size", ANY, simple::idle),
    row("proxy_temp_path", ANY, simple::idle),
    row("real_ip_header", BLOCKS, clients::real_ip_header),
    row("real_ip_recursive", BLOCKS, clients::real_ip_recursive),
    row("recursive_error_pages", ANY, simple::idle),
    row("request_pool_size", ANY, simple::idle),
    row("reset_timedout_connection", ANY, simple::idle),
    row("resolver", ANY, simple::idle),
    row("resolver_timeout", ANY, simple::idle),
    row("return", REWRITES, conditions::give_back),
    row("rewrite", REWRITES, conditions::rewrite),
    row("rewrite_log", ANY, simple::idle),
    row("satisfy", BLOCKS, simple::satisfy),
    row("send_timeout", BLOCKS, simple::idle),
    row("sendfile", ANY, simple::idle),
    row("server_name_in_redirect", ANY, simple::idle),
    row("server_names_hash_bucket_size", ANY, simple::idle),
    row("server_names_hash_max_size", ANY, simple::idle),
    row("server_tokens", ANY, simple::idle),
    row("set", REWRITES, conditions::set),
    row("set_real_ip_from", BLOCKS, clients::set_real_ip_from),
    row("sub_filter", BLOCKS, bodies::sub_filter),
    row("sub_filter_last_modified", BLOCKS, bodies::sub_filter_last_modified),
    row("sub_filter_once", BLOCKS, bodies::sub_filter_once),
    row("sub_filter_types", BLOCKS, bodies::sub_filter_types),
    row("tcp_nodelay", ANY, simple::idle),
    row("tcp_nopush", ANY, simple::idle),
    row("try_files", LOCATION, simple::try_files),
    row("types_hash_max_size", ANY, simple::idle),
    row("upstream", HTTP, upstreams::upstream),
    row("variables_hash_bucket_size", ANY, simple::idle),
    row("variables_hash_max_size", ANY, simple::idle),
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
