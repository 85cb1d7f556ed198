//! How much of what people write in snippets is read as a whole.
//!
//! Shape: each row stands for as many of 134 public snippets (107 for rules, 22 for hosts, 4 for
//! questions to servers of external authentication, one that is none) as its count says: their
//! directives were counted, the texts are ours.

use crate::control::lower::snippet::places::Place::{self, Auth, Rule, Server};
use crate::control::lower::snippet::{self, Names, Weight};

/// How many there are of its kind, whether it is read as a whole, where it stands, the text.
type Row = (usize, bool, Place, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Fields for backends.
    (3, true, Rule, r#"
proxy_set_header X-Forwarded-Proto https;
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;"#),
    (2, true, Rule, r#"
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";
proxy_set_header Accept-Encoding "";"#),
    (2, true, Auth, r#"
proxy_set_header X-Forwarded-Method $request_method;
proxy_set_header X-Forwarded-Uri $request_uri;"#),
    // Fields for clients.
    (5, true, Rule, r#"
more_set_headers "X-Frame-Options: SAMEORIGIN"
    "X-XSS-Protection: 1; mode=block";
more_set_headers "X-Content-Type-Options: nosniff";
more_set_headers "Referrer-Policy: strict-origin-when-cross-origin";"#),
    (5, true, Rule, r#"
more_set_headers "X-Forwarded-Proto: https";
proxy_set_header X-Forwarded-Ssl on;"#),
    (2, true, Rule, r#"
more_set_headers "Content-Security-Policy: frame-ancestors 'self'";
proxy_hide_header X-Frame-Options;"#),
    (3, true, Rule, r#"
add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
add_header X-Robots-Tag noindex;"#),
    (1, true, Rule, r#"
more_clear_headers Server "X-Powered-*";
proxy_pass_header Server;
server_tokens off;"#),
    (1, true, Rule, r#"
expires 1h;
etag on;
add_header Cache-Control public;"#),
    (1, true, Rule, r#"
more_set_input_headers "X-Forwarded-Proto: https";
chunked_transfer_encoding off;"#),
    // Rewrites and answers.
    (2, true, Rule, r#"
rewrite ^/(.*)/$ /$1 break;
rewrite ^(/old)$ $1/ redirect;"#),
    (2, true, Rule, r#"
rewrite ^/$ /ui/ permanent;
return 301 https://www.example.com$request_uri;"#),
    (2, true, Server, r#"
return 308 https://new.example.com$request_uri;"#),
    // Conditions.
    (2, true, Rule, r#"
if ($request_method = OPTIONS) {
  add_header Access-Control-Allow-Origin "$http_origin";
  add_header Access-Control-Max-Age 1728000;
  return 204;
}
more_set_headers "Access-Control-Allow-Origin: $http_origin";"#),
    (2, true, Rule, r#"
set $cors "";
if ($http_origin ~* "^https?://(.+\.)?example\.com$") { set $cors "yes"; }
if ($cors = "yes") {
  more_set_headers "Access-Control-Allow-Origin: $http_origin";
}"#),
    (1, true, Rule, r#"
if ($host = "example.com") {
  rewrite ^ https://www.example.com$request_uri permanent;
}"#),
    (1, true, Rule, r#"
if ($http_user_agent ~* "(bot|crawl|spider)") { return 403; }"#),
    (1, true, Server, r#"
if ($scheme = http) { return 301 https://$host$request_uri; }"#),
    (1, true, Server, r#"
set $agent 0;
if ($http_user_agent ~* "Mobile|Android") { set $agent 1; }
if ($agent = 1) { rewrite ^/(.*)$ /m/$1 last; }"#),
    // Locations.
    (2, true, Server, r#"
location = /.well-known/carddav { return 301 $scheme://$host/remote.php/dav; }
location = /.well-known/caldav { return 301 $scheme://$host/remote.php/dav; }"#),
    (1, true, Server, r#"
location ~* ^/(metrics|actuator) { return 404; }
server_tokens off;"#),
    // What servers of external authentication say.
    (9, true, Rule, r#"
auth_request_set $authentik_cookie $upstream_http_set_cookie;
add_header Set-Cookie $authentik_cookie;
auth_request_set $authentik_username $upstream_http_x_authentik_username;
proxy_set_header X-authentik-username $authentik_username;"#),
    (4, true, Rule, r#"
auth_request_set $email $upstream_http_x_auth_request_email;
proxy_set_header X-WEBAUTH-USER $email;"#),
    (2, true, Rule, r#"
auth_request_set $token $upstream_http_authorization;
proxy_set_header Authorization $token;
proxy_hide_header Authorization;"#),
    (1, true, Rule, r#"
auth_request_set $user $upstream_http_x_user;
proxy_set_header Authorization "";
if ($request_uri ~ ^/public) { set $open 1; }"#),
    // TLS towards backends.
    (2, true, Rule, r#"
proxy_ssl_name "backend.example.com";
proxy_ssl_server_name on;"#),
    (2, true, Server, r#"
proxy_ssl_verify off;
client_max_body_size 100m;"#),
    // Who comes in.
    (1, true, Server, r#"
location /admin { deny all; }
location ~ /\.git { deny all; return 403; }"#),
    (1, false, Server, r#"
location ~ /\.(?!well-known) { deny all; }"#),
    (2, true, Server, r#"
location ~ ^/(config|data)/ { allow 10.0.0.0/8; deny all; }"#),
    (1, true, Rule, r#"
limit_except GET HEAD { deny all; }
satisfy any;
deny 192.0.2.1;"#),
    // Errors.
    (7, true, Rule, r#"
error_page 401 =302 https://auth.example.com/?rd=$scheme://$http_host$request_uri;
auth_request_set $user $upstream_http_remote_user;
proxy_set_header Remote-User $user;"#),
    (2, true, Rule, r#"
proxy_intercept_errors on;
error_page 404 = /index.html;"#),
    (1, true, Rule, r#"
proxy_intercept_errors on;
error_page 502 503 504 https://status.example.com/;"#),
    (1, true, Server, r#"
error_page 404 @missing;
proxy_intercept_errors on;
location @missing { internal; return 302 /; }"#),
    // Logs.
    (2, true, Server, r#"
location = /robots.txt {
  allow all;
  log_not_found off;
  access_log off;
  return 200 "User-agent: *\nDisallow: /"; }"#),
    // Texts in bodies.
    (30, true, Rule, r#"
proxy_set_header Accept-Encoding "";
sub_filter '</head>'
    '<link rel="stylesheet" type="text/css" href="https://themes.example/nord.css"></head>';
sub_filter_once on;"#),
    (7, true, Rule, r#"
proxy_set_header Accept-Encoding "";
sub_filter_types text/css application/javascript;
sub_filter 'href="/' 'href="/app/';
sub_filter 'src="/' 'src="/app/';
sub_filter_once off;
sub_filter_last_modified on;"#),
    (1, true, Rule, r#"
real_ip_header CF-Connecting-IP;
set_real_ip_from 173.245.48.0/20;
set_real_ip_from 2400:cb00::/32;"#),
    // Other backends.
    (3, true, Server, r#"
location /api/ {
  proxy_pass http://api.default.svc.cluster.local:8080/;
  proxy_http_version 1.1;
  proxy_set_header Host $host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
  proxy_cache_bypass $http_upgrade;
}"#),
    (2, true, Server, r#"
location ~* \.(?:css|js|png|svg|woff2?)$ {
  expires 30d;
  access_log off;
  proxy_pass http://web.default.svc.cluster.local;
}"#),
    (1, true, Server, r#"
gzip on;
gzip_comp_level 5;
gzip_min_length 256;
gzip_proxied any;
gzip_vary on;
gzip_types application/json text/css;
proxy_buffers 8 16k;
proxy_buffer_size 16k;"#),
    (1, true, Server, r#"
location / { try_files $uri $uri/ /index.php?$args; }
location ~ ^/index\.php { proxy_pass http://php.default.svc; }"#),
    // What is not read.
    (1, false, Server, r#"
location = /validate {
  internal;
  proxy_pass http://vouch.default.svc:9090;
  proxy_pass_request_body off;
}
auth_request /validate;"#),
    (1, false, Rule, r#"
auth_request /outpost.goauthentik.io/auth/nginx;"#),
    (1, false, Rule, r#"
mirror /mirror;
limit_req_status 429;"#),
    (1, false, Server, r#"
proxy_cache static;
proxy_cache_valid 200 1h;
proxy_cache_bypass $http_pragma;"#),
    (3, false, Rule, r#"
auth_request_set $name $upstream_cookie_name_1;
access_by_lua_block {
  if ngx.var.name ~= "" then ngx.header["Set-Cookie"] = ngx.var.name end
}"#),
    (1, false, Rule, r#"
location ~* \.(js|css)$ { expires 1y; }"#),
    (1, false, Rule, r#"
nginx.ingress.kubernetes.io/proxy-body-size: 0"#),
];

/// Of the public snippets as much as the rows say.
const SNIPPETS: usize = 134;
/// In hundredths: what has to be read as a whole.
const SHARE_MIN: usize = 88;

#[test]
fn most_of_what_people_write_is_read_as_a_whole() {
    let mut read = 0;
    for (count, is_whole, place, text) in ROWS {
        let (_, faults) = snippet::read(text, *place, &[], &Names::default());
        let lost: Vec<_> = faults.iter().filter(|fault| fault.weight > Weight::Idle).collect();
        assert_eq!(lost.is_empty(), *is_whole, "{text}: {lost:?}");
        read += if *is_whole { *count } else { 0 };
    }
    assert_eq!(ROWS.iter().map(|(count, ..)| count).sum::<usize>(), SNIPPETS);
    assert!(read * 100 >= SHARE_MIN * SNIPPETS, "{read} of {SNIPPETS}");
    // As the documentation says.
    assert_eq!(read, 124);
}
