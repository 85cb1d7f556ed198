//! Directives of nginx do what they do in nginx.

use super::Area;
use super::snippets::{PERMISSION, ingress};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Client, Driver, Message, Nginx, fields_named};

for_each_driver!(directives_do_what_they_do_in_nginx);

/// Directives of a rule, those of its host, and requests: `METHOD target`, then lines.
type Case = (&'static str, &'static str, &'static [&'static str]);

const PLACES: &[&str] = &["GET /places/x"];
const FIELDS: &[&str] = &["GET /", "GET /said/x", "GET /missing/x", "HEAD /said/x"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("more_set_headers 'X-A: 1' \"X-B: $host $uri\";", "", FIELDS),
    ("more_set_headers -s 404 'X-A: 1';\nmore_set_headers -s '200 404' 'X-B: 2';", "", FIELDS),
    ("more_set_headers -t 'text/html text/css' 'X-A: 1';", "", FIELDS),
    ("more_set_headers 'X-A: 1';\nmore_set_headers 'X-A: 2';\nmore_set_headers 'X-A:';", "",
        FIELDS),
    ("more_set_headers 'X-Said: ours' 'x-a : 1';", "", FIELDS),
    ("more_set_headers \"X-A: $upstream_http_x_said/$sent_http_x_said/$status\";", "", FIELDS),
    ("more_set_headers 'Content-Type: text/own';", "", &["GET /missing/x"]),
    ("more_clear_headers X-Said;", "", FIELDS),
    ("more_clear_headers 'X-S*' X-Powered-By;", "", FIELDS),
    ("more_clear_headers -s 404 X-Said;", "", FIELDS),
    ("add_header X-A 1;", "", FIELDS),
    ("add_header X-A 1 always;", "", FIELDS),
    ("add_header X-Said more;\nadd_header X-A \"$host\" always;\nadd_header X-B '';", "", FIELDS),
    ("more_clear_headers X-A;\nadd_header X-A 1;", "", FIELDS),
    ("proxy_hide_header X-Said;", "", FIELDS),
    ("proxy_hide_header X-Said;\nmore_set_headers 'X-Said: ours';", "", FIELDS),
    ("add_header X-A rule;", "add_header X-A host;\nadd_header X-B host;", FIELDS),
    ("", "add_header X-A host;\nmore_set_headers 'X-B: host';", FIELDS),
    ("more_set_headers 'X-A: rule';", "more_set_headers 'X-A: host' 'X-B: host';", FIELDS),
    ("proxy_set_header X-A 1;\nproxy_set_header X-B \"$http_x_in-$arg_q\";", "",
        &["GET /?q=v\r\nX-A: client\r\nX-In: in", "GET /\r\nX-B: client"]),
    ("proxy_set_header X-A '';\nproxy_set_header X-B $proxy_add_x_forwarded_for;", "",
        &["GET /\r\nX-A: client", "GET /\r\nX-Forwarded-For: 10.1.1.1"]),
    ("more_set_input_headers 'X-A: 1';\nmore_set_input_headers -r 'X-B: 2';", "",
        &["GET /", "GET /\r\nX-B: client", "GET /\r\nX-A: client"]),
    ("more_clear_input_headers X-A;\nproxy_set_header X-B \"<$http_x_a>\";", "",
        &["GET /\r\nX-A: client", "GET /"]),
    ("more_set_input_headers 'X-A: 1';\nproxy_set_header X-B \"<$http_x_a>\";", "",
        &["GET /\r\nX-A: client", "GET /"]),
    ("more_set_input_headers -t 'text/plain' 'X-A: 1';", "",
        &["GET /\r\nContent-Type: text/plain", "GET /\r\nContent-Type: text/css"]),
    ("set $a 1;\nset $b \"${a}2\";\nset $a 3;\nproxy_set_header X-A \"$a-$b\";", "", &["GET /"]),
    ("if ($arg_a) { set $a yes; }\nproxy_set_header X-A \"<$a>\";", "",
        &["GET /?a=1", "GET /?a=0", "GET /?a=", "GET /", "GET /?a=00"]),
    ("if ($request_method = POST) { return 405; }\nif ($request_method != GET) { return 403; }", "",
        &["GET /", "POST /\r\nContent-Length: 0", "PUT /\r\nContent-Length: 0"]),
    ("if ($http_x_in ~ \"^a(b+)(c)?\") { set $a \"$1-$2\"; }\nproxy_set_header X-A \"<$a>\";", "",
        &["GET /\r\nX-In: abbc", "GET /\r\nX-In: ab", "GET /\r\nX-In: Abbc", "GET /"]),
    ("if ($http_x_in ~* \"^a(?<rest>.*)$\") { return 200 \"$rest\"; }", "",
        &["GET /\r\nX-In: Abc", "GET /\r\nX-In: bc"]),
    ("if ($http_x_in !~ \"^a\") { return 200 no; }\n\
        if ($http_x_in !~* \"^ab\") { return 200 low; }",
        "", &["GET /\r\nX-In: b", "GET /\r\nX-In: ac", "GET /\r\nX-In: aB"]),
    ("if ($host = \"c30.example\") { return 200 \"$scheme $request_uri $is_args$args\"; }", "",
        &["GET /a%20b?x=1&y"]),
    ("if ($arg_a) { more_set_headers 'X-A: if'; }\nmore_set_headers 'X-A: rule' 'X-B: rule';", "",
        &["GET /?a=1", "GET /"]),
    ("if ($arg_a) { add_header X-A if; }\nadd_header X-B rule;", "", &["GET /?a=1", "GET /"]),
    ("if ($arg_a) { more_set_headers 'X-A: 1'; }\nif ($arg_b) { more_set_headers 'X-B: 2'; }", "",
        &["GET /?a=1", "GET /?b=1", "GET /?a=1&b=1", "GET /"]),
    ("if ($arg_a) { set $x 1; break; }\nset $x 2;\nproxy_set_header X-A $x;", "",
        &["GET /?a=1", "GET /"]),
    ("return 204;", "", &["GET /"]),
    ("return 200 \"a $uri b\";", "", &["GET /x%20y", "HEAD /x"]),
    ("return 301 https://n.example$request_uri;", "", &["GET /x?y=1", "HEAD /x"]),
    ("return 302 /other;", "", &["GET /x"]),
    ("return 200 \"a: $uri\\n\\tb\\n\";", "", &["GET /x"]),
    ("return https://n.example/$host;", "", &["GET /x"]),
    ("return 307 $scheme://n.example$uri;", "", &["GET /x"]),
    ("add_header X-A 1;\nmore_set_headers 'X-B: 2';\nreturn 404;", "", &["GET /x"]),
    ("add_header X-A 1 always;\nreturn 503;", "", &["GET /x"]),
    ("add_header X-A 1;\nreturn 302 /y;", "", &["GET /x"]),
    ("rewrite ^/a/(.*)$ /b/$1 break;", "", &["GET /a/x?y=1", "GET /a/x%20y", "GET /b"]),
    ("rewrite ^/a/(.*)$ /b/$1;\nrewrite ^/b/(.*)$ /c/$1;", "",
        &["GET /a/x", "GET /b/x", "GET /c/x"]),
    ("rewrite ^/a/(.*)$ /b/$1 last;\nrewrite ^/b/(.*)$ /c/$1 break;", "",
        &["GET /a/x", "GET /b/x"]),
    ("rewrite ^/a/(.*)$ /b?p=$1 break;", "", &["GET /a/x?y=1", "GET /a/x%26y", "GET /a/x"]),
    ("rewrite ^/a/(.*)$ /b/$1? break;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ /b?p=$1? break;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ /b/$1 redirect;", "", &["GET /a/x?y=1", "GET /a/x"]),
    ("rewrite ^/a/(.*)$ /b/$1 permanent;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ https://n.example/$1;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ $scheme://n.example/$1? permanent;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/A/ /b break;\nrewrite (?i)^/C/ /d break;", "", &["GET /a/x", "GET /c/x"]),
    ("rewrite ^/(a)/(b)/ /$2/$1/$host break;", "", &["GET /a/b/c"]),
    ("rewrite \"^/x{2}$\" /two break;", "", &["GET /xx", "GET /x"]),
    ("if ($arg_v = 2) { rewrite ^/(.*)$ /v2/$1 break; }", "", &["GET /x?v=2", "GET /x"]),
    ("set $args \"a=b\";", "", &["GET /x?y=1", "GET /x"]),
    ("sub_filter abc \"<$host>\";", "", &["GET /missing/x", "GET /said/x"]),
    ("sub_filter B x;\nsub_filter_once off;\nsub_filter_types text/css;", "", &["GET /said/x"]),
    ("limit_except GET { deny all; }", "",
        &["GET /", "HEAD /said/x", "POST /\r\nContent-Length: 0"]),
    ("error_page 404 /said/page;\nproxy_intercept_errors on;", "", FIELDS),
    ("error_page 404 = /said/page;\nproxy_intercept_errors on;", "", FIELDS),
    ("error_page 404 =201 /said/page?x=y;\nproxy_intercept_errors on;", "", FIELDS),
    ("error_page 404 /said/page;", "", FIELDS),
    ("error_page 403 /said/page;\nif ($arg_a) { return 403; }", "", &["GET /?a=1", "GET /"]),
    ("error_page 403 = /page;\nif ($arg_a) { return 403; }",
        "location = /page { return 200 page; }", &["GET /?a=1"]),
    ("error_page 403 /page;\nif ($arg_a) { return 403; }",
        "location = /page { return 200 page; }", &["GET /?a=1"]),
    ("expires 1h;", "", &["GET /said/x", "GET /missing/x"]),
    ("deny all;", "", &["GET /"]),
    ("allow 127.0.0.1;\ndeny all;", "", &["GET /"]),
    ("deny 127.0.0.1;\nallow all;", "", &["GET /"]),
    ("", "deny all;", &["GET /"]),
    ("allow all;", "deny all;", &["GET /"]),
    ("client_max_body_size 4;", "", &["POST /\r\nContent-Length: 5\r\n\r\nabcde"]),
    ("", "return 200 host;", &["GET /x"]),
    ("", "if ($arg_a) { return 200 host; }", &["GET /?a=1", "GET /"]),
    ("proxy_set_header X-A $a;", "set $a host;", &["GET /"]),
    ("", "rewrite ^/old/(.*)$ /said/$1 last;", &["GET /old/x", "GET /x"]),
    ("return 200 \"$uri\";", "rewrite ^/a /b;\nrewrite ^/b /c;", &["GET /a", "GET /b"]),
    ("return 200 rule;", "location = /a { return 200 exact; }\nlocation /a { return 200 begins; }",
        &["GET /a", "GET /ab", "GET /a/b", "GET /"]),
    ("return 200 rule;", "location ~ \\.b$ { return 200 expression; }\n\
        location ^~ /s/ { return 200 settled; }\nlocation ~* \\.B$ { return 200 later; }",
        &["GET /x.b", "GET /x.B", "GET /s/x.b", "GET /said/x.b", "GET /s"]),
    ("return 200 rule;", "location /said/deep { return 200 longer; }\n\
        location /sa { return 200 s; }",
        &["GET /said/deep/x", "GET /said/x", "GET /sa", "GET /said"]),
    ("", "location /deny { deny all; }\nlocation /text { default_type text/css; return 200 x; }",
        &["GET /deny/x", "GET /text", "GET /denying"]),
    ("", "location /in { add_header X-A in; more_set_headers 'X-B: in'; return 200 x; }",
        &["GET /in", "GET /"]),
    ("", "add_header X-A host;\nlocation /in { return 200 x; }", &["GET /in", "GET /"]),
    ("", "location /a { rewrite ^/a/(.*)$ /said/$1 last; return 404; }", &["GET /a/x", "GET /a"]),
    ("", "location ~ ^/c/([a-z]+)/(.*)$ { return 200 \"$1:$2\"; }", &["GET /c/ab/d", "GET /c/1/d"]),
    ("proxy_redirect http://inner/two/ /one/;", "", PLACES),
    ("proxy_redirect ~^http://([a-z]+)/(.*)$ https://$1.example/$2;", "", PLACES),
    ("proxy_redirect http://other/ /x/;\n\
        proxy_redirect ~*^HTTP://INNER(:[0-9]+)?/ $scheme://$host/;", "", PLACES),
    ("proxy_redirect off;", "", PLACES),
    ("proxy_cookie_path /two/ /one/;\nproxy_cookie_domain inner.example $host;", "", PLACES),
    ("proxy_cookie_path ~^/(two)/(.*)$ /$2/$1;\n\
        proxy_cookie_domain ~\\.?(inner)\\. $1.test;", "", PLACES),
    ("proxy_cookie_flags a secure httponly samesite=strict;", "", PLACES),
    ("proxy_cookie_flags ~ nosecure nohttponly nosamesite;", "", PLACES),
    ("proxy_cookie_flags b samesite=lax;\nproxy_cookie_flags ~^[ab]$ secure;", "", PLACES),
    ("limit_except GET { allow 127.0.0.1; deny all; }", "",
        &["GET /", "POST /\r\nContent-Length: 0"]),
    ("limit_except GET { deny 127.0.0.1; allow all; }", "",
        &["GET /", "POST /\r\nContent-Length: 0"]),
    ("limit_except GET POST { allow 192.0.2.0/24; deny all; }", "",
        &["GET /", "POST /\r\nContent-Length: 0", "PUT /\r\nContent-Length: 0"]),
    ("expires max;", "", &["GET /said/x", "GET /missing/x"]),
    ("expires epoch;", "", &["GET /said/x"]),
    ("expires -1;", "", &["GET /said/x"]),
    ("expires off;", "", &["GET /said/x"]),
    ("error_page 404 @other;\nproxy_intercept_errors on;",
        "location @other { return 201 \"other $uri\"; }", FIELDS),
    ("error_page 404 = @other;\nproxy_intercept_errors on;",
        "location @other { return 201 \"other $uri\"; }",
        &["GET /missing/x", "POST /missing/x\r\nContent-Length: 0"]),
    ("error_page 404 =418 @other;\nproxy_intercept_errors on;",
        "location @other { add_header X-A other always; return 201 other; }", &["GET /missing/x"]),
    ("error_page 404 /said/page;\nproxy_intercept_errors on;", "",
        &["POST /missing/x\r\nContent-Length: 3\r\n\r\nabc",
            "PUT /missing/x\r\nContent-Length: 0"]),
    ("error_page 404 =200 /page;\nproxy_intercept_errors on;",
        "location = /page { internal; return 200 page; }",
        &["GET /missing/x", "GET /page", "POST /missing/x\r\nContent-Length: 0"]),
    ("error_page 403 404 /page;\nproxy_intercept_errors on;",
        "location = /page { internal; default_type text/css; return 200 page; }",
        &["GET /missing/x", "GET /page"]),
    ("rewrite ^/in/(.*)$ /hidden/$1 last;",
        "location /hidden/ { internal; return 200 \"in $uri\"; }", &["GET /in/x", "GET /hidden/x"]),
    ("", "location /files/ { try_files $uri $uri/ =404; }", &["GET /files/x"]),
    (
        "",
        "location /files/ { try_files $uri =404; if ($http_x != s) { return 403; } }",
        &["GET /files/x"],
    ),
    ("", "location /files/ { try_files $uri /said/index?a=b; }", &["GET /files/x?c=d"]),
    ("", "location /files/ { try_files $uri @other; }\nlocation @other { return 202 \"$uri\"; }",
        &["GET /files/x"]),
    ("if (!-e $request_filename) { return 410; }", "", &["GET /nothing"]),
    ("if (-f $request_filename) { return 410; }", "", &["GET /nothing"]),
    ("set_real_ip_from 127.0.0.0/8;\nreal_ip_header X-Forwarded-For;\n\
        proxy_set_header X-A $remote_addr;", "",
        &["GET /\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2", "GET /",
            "GET /\r\nX-Forwarded-For: x"]),
    ("set_real_ip_from 127.0.0.0/8;\nset_real_ip_from 192.0.2.2;\nreal_ip_header X-Forwarded-For;\n\
        real_ip_recursive on;\nproxy_set_header X-A $remote_addr;", "",
        &["GET /\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2", "GET /"]),
    ("proxy_set_header X-A $remote_addr;", "set_real_ip_from 127.0.0.1;",
        &["GET /\r\nX-Real-IP: 192.0.2.7", "GET /\r\nX-Forwarded-For: 192.0.2.7"]),
    ("set_real_ip_from 10.0.0.0/8;\nreal_ip_header X-Forwarded-For;\n\
        proxy_set_header X-A $remote_addr;", "", &["GET /\r\nX-Forwarded-For: 192.0.2.1"]),
    ("allow 192.0.2.0/24;\ndeny all;", "set_real_ip_from 127.0.0.1;\nreal_ip_header CF-IP;",
        &["GET /\r\nCF-IP: 192.0.2.7", "GET /"]),
    ("gzip on;\ngzip_types text/css;\ngzip_min_length 1;\ngzip_vary on;\ngzip_proxied any;", "",
        &["GET /said/x\r\nAccept-Encoding: gzip", "GET /said/x"]),
    ("gzip off;", "gzip on;\ngzip_types text/css;\ngzip_min_length 1;\ngzip_vary on;",
        &["GET /said/x\r\nAccept-Encoding: gzip"]),
    ("gzip_min_length 1;\ngzip_disable \"old\";", "gzip on;\ngzip_types text/css;\ngzip_vary on;",
        &["GET /said/x\r\nAccept-Encoding: gzip",
            "GET /said/x\r\nAccept-Encoding: gzip\r\nUser-Agent: An Old One"]),
    ("proxy_method POST;", "", &["GET /x", "PUT /x\r\nContent-Length: 0"]),
    ("more_clear_input_headers 'X-*';\nproxy_set_header X-B \"<$http_x_a>\";", "",
        &["GET /\r\nX-A: client\r\nX-B: client"]),
    ("proxy_set_header X-A $mapped;\nproxy_set_header X-B \"$near-$tail\";", "",
        &["GET /?k=one", "GET /?k=ONE", "GET /?k=two", "GET /?k=ether", "GET /?k=three", "GET /"]),
    ("if ($near = near) { return 200 \"$mapped\"; }", "", &["GET /?k=one"]),
    ("", "proxy_http_version 1.1;\nproxy_set_header X-A host;\n\
        location /pass/ { proxy_pass http://WEB/there/; }",
        &["GET /pass/x"]),
    ("", "proxy_http_version 1.1;\nproxy_set_header X-A host;\n\
        location /pass/ { proxy_set_header X-B own; proxy_pass http://WEB; }", &["GET /pass/x"]),
    ("", "location ~ ^/t/(?<tenant>[a-z]+)$ { return 200 \"$tenant\"; }",
        &["GET /t/ab", "GET /t/1"]),
    ("", "proxy_http_version 1.1;\nlocation ~ ^/cap/(?<what>.+)/(.+)$ { \
        proxy_set_header X-A \"$what-$2\"; proxy_pass http://WEB; }", &["GET /cap/a/b"]),
    ("", "location ~ ^/cap/(.+)$ { add_header X-A \"<$1>\"; return 200 x; }", &["GET /cap/a"]),
    ("add_header X-A \"$upstream_cookie_a|$upstream_cookie_c\" always;", "", PLACES),
    ("expires max;\nadd_header Cache-Control public;", "", &["GET /said/x"]),
    ("add_header X-B rule;\nif ($arg_a) { add_header X-A if; }\n\
        if ($arg_b) { more_set_headers 'X-A: b'; }\nif ($arg_c) { set $x 1; }", "",
        &["GET /?a=1", "GET /?b=1", "GET /?a=1&b=1", "GET /?a=1&c=1"]),
    ("if ($request_method = OPTIONS) { add_header X-A 1; return 204; }\n\
        if ($request_method = DELETE) { add_header X-A 1; return 405; }", "",
        &["OPTIONS /", "DELETE /", "GET /"]),
    ("default_type text/css;\nreturn 200 x;", "", &["GET /"]),
    ("satisfy any;\nallow 127.0.0.1;\ndeny all;", "", &["GET /"]),
    ("access_log off;\nlog_not_found off;\netag off;\nserver_tokens off;", "", &["GET /"]),
    ("limit_req zone=one burst=1 nodelay;\nlimit_req_status 429;", "",
        &["GET /", "GET /", "GET /"]),
    ("limit_req zone=key;", "",
        &["GET /", "GET /", "GET /\r\nX-Key: k", "GET /\r\nX-Key: l", "GET /\r\nX-Key: k"]),
    ("", "limit_req zone=host;\nlimit_req_status 430;", &["GET /", "GET /"]),
    ("", "location /in/ { limit_req zone=in; return 200 x; }\n\
        location /passed/ { proxy_http_version 1.1; limit_req zone=in; proxy_pass http://WEB; }",
        &["GET /in/", "GET /passed/", "GET /passed/", "GET /"]),
    ("limit_conn open 5;\nlimit_conn_status 429;", "", &["GET /"]),
    ("", "proxy_http_version 1.1;\nlocation /pool/ { proxy_pass http://pool; }", &["GET /pool/x"]),
    ("", "proxy_http_version 1.1;\nlocation /pool/ { proxy_pass http://pool/in/; }",
        &["GET /pool/x?y"]),
];

/// What stands for `WEB` here; there its address does.
const SERVICE: &str = "web.default.svc.cluster.local";

/// What both have for all hosts.
const FOR_ALL: &str = "map $arg_k $mapped { default none; one 1; ~*^T(?<rest>w.*)$ \"$rest!\"; \
    ~^e(.*)$ $1; }\nmap $mapped $tail { \"\" empty; none no; default \"<$http_x_in>\"; }\n\
    geo $near { default far; 127.0.0.0/8 loop; 127.0.0.1 near; 10.0.0.0/8 ten; }\n\
    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;\n\
    limit_req_zone $http_x_key zone=key:1m rate=1r/m;\n\
    limit_req_zone $binary_remote_addr zone=host:1m rate=1r/m;\n\
    limit_req_zone $binary_remote_addr zone=in:1m rate=1r/m;\n\
    limit_conn_zone $binary_remote_addr zone=open:1m;\n\
    upstream pool { server WEB weight=2 max_fails=0; keepalive 4; }\n";

const REDIRECTED: &str = "HTTP/1.1 302 Found\r\nLocation: http://inner/two/x?y\r\n\
    Refresh: 5; url=http://inner/two/\r\nSet-Cookie: a=1; Domain=.inner.example; Path=/two/x\r\n\
    Set-Cookie: b=2; Secure; HttpOnly; SameSite=None\r\nContent-Length: 0\r\n\r\n";

const SAID: &str = "HTTP/1.1 200 OK\r\nX-Said: one\r\nX-Said: two\r\nX-Powered-By: x\r\n\
    Content-Type: text/css; charset=x\r\nExpires: 0\r\nCache-Control: private\r\n\
    Content-Length: 3\r\n\r\nabc";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\nX-Said: one\r\nContent-Type: text/html\r\n\
    Content-Length: 3\r\n\r\nabc";

/// What is compared of an answer, and of what the backend saw.
fn seen(response: &Message) -> String {
    let mut text = response.status().to_string();
    let names = ["x-a", "x-b", "x-said", "x-powered-by", "location", "cache-control"];
    let more = ["refresh", "set-cookie", "content-encoding", "vary"];
    for name in names.into_iter().chain(more) {
        text += &format!("; {name}: {}", fields_named(&response.fields, name).join(" | "));
    }
    // Nobody can say when it will be.
    let expires = response.field("expires").unwrap_or_default();
    let is_fixed = expires.len() < 2 || expires.contains(" 1970 ") || expires.contains(" 2037 ");
    text += &format!("; expires: {}", if is_fixed { expires } else { "a date" });
    let body = match response.field("content-encoding") {
        Some(_) => String::new(),
        None => response.text(),
    };
    if let Ok(echo) = serde_json::from_slice::<serde_json::Value>(&response.body)
        && echo["start_line"].is_string()
    {
        text += &format!("; saw {}", echo["start_line"]);
        for name in ["x-a", "x-b"] {
            text += &format!("; saw {name}: {}", response.echoed_fields(name).join(" | "));
        }
    } else if response.status() < 300 {
        text += &format!("; {:?}; {body}", response.field("content-type"));
    }
    text
}

fn directives_do_what_they_do_in_nginx(driver: Driver) {
    let for_all = FOR_ALL.replace("WEB", SERVICE);
    let map = PERMISSION.replace("Critical", &format!("Critical, http-snippet: {for_all:?}"));
    let mut area = Area::new(driver).flag("--configmap", "default/controller").object(map);
    let (web, said) = (Backend::echo("web"), Backend::fixed(SAID));
    let places = Backend::fixed(REDIRECTED);
    let missing = Backend::fixed(MISSING);
    let for_all = FOR_ALL.replace("WEB", &web.address().to_string());
    let mut servers = format!("default_type text/html;\n{for_all}");
    for (number, (of_rule, of_host, _)) in CASES.iter().enumerate() {
        let ours = of_host.replace("WEB", SERVICE);
        let of_host = of_host.replace("WEB", &web.address().to_string());
        let said_of = [("configuration-snippet", *of_rule), ("server-snippet", &*ours)];
        let said_of = said_of.into_iter().filter(|(_, text)| !text.is_empty());
        let name = format!("c{number}");
        area = area.ingress(
            &ingress(&name, &said_of.collect::<Vec<_>>())
                .path("/said", Prefix, "said")
                .path("/missing", Prefix, "missing")
                .path("/places", Prefix, "places"),
        );
        let location = |path: &str, backend: &Backend| {
            format!(
                "location {path} {{ proxy_http_version 1.1; proxy_set_header Host $http_host; \
                 {of_rule}\nproxy_pass http://{}; }}\n",
                backend.address()
            )
        };
        let locations = [("/", &web), ("/said/", &said), ("= /said", &said)];
        let locations =
            locations.into_iter().chain([("/missing/", &missing), ("/places/", &places)]);
        let locations: String = locations.map(|(path, to)| location(path, to)).collect();
        servers += &format!(
            "server {{ listen LISTEN; server_name {name}.example;\n{of_host}\n{locations} }}\n"
        );
    }
    let area = area.backend("web", web).backend("said", said).backend("missing", missing);
    let area = area.backend("places", places);
    let Some(nginx) = Nginx::with_headers_more(&servers) else { return };
    let served = area.start();
    let mut differences = String::new();
    for (number, (of_rule, of_host, requests)) in CASES.iter().enumerate() {
        for request in *requests {
            let answer = |mut client: Client| {
                let (line, rest) = request.split_once("\r\n").unwrap_or((request, ""));
                let (fields, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
                let fields =
                    if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
                let host = format!("Host: c{number}.example");
                client.send(format!("{line} HTTP/1.1\r\n{host}\r\n{fields}\r\n{body}"));
                seen(&client.response_to(line.split(' ').next().unwrap_or_default()))
            };
            let ours = answer(served.proxy.client());
            let theirs = answer(Client::connect(nginx.address));
            if ours != theirs {
                let text = format!("{of_rule} / {of_host}");
                differences += &format!("{text}\n  {request:?}\n  {ours}\n  {theirs}\n");
            }
        }
    }
    assert!(differences.is_empty(), "ours, then theirs:\n{differences}");
}
