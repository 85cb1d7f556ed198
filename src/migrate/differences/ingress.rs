//! When an Ingress meets a row of the page.

use super::reach::Reach::{self, Ordinary, Rare};
use crate::migrate::facts::Facts;

/// When an Ingress meets a difference.
pub(super) struct OfIngress {
    pub(super) subject: &'static str,
    pub(super) reach: Reach,
    pub(super) holds: fn(&Facts<'_>) -> bool,
}

const fn met(subject: &'static str, reach: Reach, holds: fn(&Facts<'_>) -> bool) -> OfIngress {
    OfIngress { subject, reach, holds }
}

/// Fields that the proxy itself writes.
const OWN_FIELDS: [&str; 6] =
    ["x-real-ip", "x-forwarded", "x-request-id", "x-scheme", "x-original", "host"];

/// In the order of the page. What lowering tells of a value is not here: it is told by its problem.
pub(super) const ROWS: &[OfIngress] = &[
    met("`sub_filter`: texts shorter than the longest, at the very end of a body", Rare, |f| {
        f.has_directive("sub_filter")
    }),
    met("`sub_filter` of a body with `Content-Encoding`, and of a 206", Rare, |f| {
        f.has_directive("sub_filter")
    }),
    met("`auth-url`: body of a 401 or 403", Ordinary, |f| f.has("auth-url")),
    met("`auth-url` with a variable in the host", Ordinary, |f| {
        f.url_host("auth-url").contains('$')
    }),
    met("`auth-url` without a path", Ordinary, |f| {
        f.has("auth-url") && f.url_path("auth-url").is_empty()
    }),
    met(
        "`auth-url`: names of Services (`NAME.NAMESPACE.svc`, `….svc.cluster.local`)",
        Rare,
        |f| f.url_host("auth-url").contains(".svc"),
    ),
    met("`auth-url`: time to answer", Rare, |f| f.has("auth-url")),
    met("`auth-url`: spaces, quotes and controls of a variable", Rare, |f| {
        f.contains("auth-url", "$")
    }),
    met("`auth-keepalive` above 0: 2xx other than 200", Rare, |f| {
        f.has("auth-keepalive") && f.value("auth-keepalive") != "0"
    }),
    met("`auth-response-headers` with names that the proxy writes (`X-Real-IP`)", Ordinary, |f| {
        f.value("auth-response-headers").split(',').any(|name| writes(name.trim()))
    }),
    met("`auth-response-headers`: trailers of these names", Rare, |f| {
        f.has("auth-response-headers")
    }),
    met(
        "`auth-cache-key`, an answer with `Set-Cookie`, `Vary` or `Cache-Control`",
        Ordinary,
        |f| f.has("auth-cache-key"),
    ),
    met("`proxy_set_header` of a field that is sent anyway", Ordinary, |f| {
        f.directives().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("proxy_set_header") && words.next().is_some_and(writes)
        })
    }),
    met("`proxy_hide_header` in a snippet", Rare, |f| {
        f.has_directive("proxy_hide_header") && !f.world.key("hide-headers").is_empty()
    }),
    met("`more_set_headers` with `Content-Type`", Ordinary, |f| {
        f.directives().any(|line| {
            line.starts_with("more_set_headers")
                && line.to_ascii_lowercase().contains("content-type:")
        })
    }),
    met("`return` and rewrites, what a variable puts into `Location` or a field", Rare, |f| {
        f.directives().any(|line| {
            (line.starts_with("return") || line.starts_with("rewrite")) && line.contains('$')
        })
    }),
    met("`proxy_pass` of a `location`", Ordinary, |f| {
        f.has_directive("proxy_pass") && f.has_directive("location")
    }),
    met("`error_page` in snippets, a body of the request that is not here as a whole", Rare, |f| {
        f.has_directive("error_page")
    }),
    met("`limit_except` in snippets", Rare, |f| f.has_directive("limit_except")),
    met("`proxy_redirect`, `proxy_cookie_domain`, `proxy_cookie_path` for a rule", Ordinary, |f| {
        ["proxy_redirect", "proxy_cookie_domain", "proxy_cookie_path"]
            .iter()
            .any(|name| f.has_directive(name))
    }),
    met("`proxy_method`, a request with HEAD", Rare, |f| f.has_directive("proxy_method")),
    met("`gzip_vary off`, `gzip_proxied`", Ordinary, |f| {
        f.has_directive("gzip_vary") || f.has_directive("gzip_proxied")
    }),
    met("`try_files`, `-f`, `-d`, `-e`", Ordinary, |f| f.has_directive("try_files")),
    met("`limit_req` without `nodelay`", Ordinary, |f| {
        f.directives().any(|line| {
            line.starts_with("limit_req ") && line.contains("burst=") && !line.contains("nodelay")
        })
    }),
    met("`limit_req` of several zones, one of which refuses", Rare, |f| {
        f.directives().filter(|line| line.starts_with("limit_req ")).count() > 1
    }),
    met("`access_log` with a file", Ordinary, |f| {
        f.directives().any(|line| line.starts_with("access_log ") && line.contains('/'))
    }),
    met("`auth-proxy-set-headers`, `auth-snippet`: a field that is sent anyway", Rare, |f| {
        f.has("auth-proxy-set-headers") || f.has("auth-snippet")
    }),
    met("`auth-realm: \"off\"`, or with `$`", Ordinary, |f| {
        f.value("auth-realm") == "off" || f.contains("auth-realm", "$")
    }),
    met("`auth-secret` without `auth-type`, or the other way round", Ordinary, |f| {
        f.has("auth-secret") != f.has("auth-type")
    }),
    met("Passwords: hashes", Rare, |f| f.is("auth-type", "basic")),
    met("Passwords of more than 512 octets, or with a zero", Rare, |f| f.is("auth-type", "basic")),
    met("Two `Authorization` lines", Rare, |f| f.is("auth-type", "basic")),
    met("A password that there is no time to check", Rare, |f| f.is("auth-type", "basic")),
    met("`connection-proxy-header` and an upgrade", Rare, |f| f.has("connection-proxy-header")),
    met("`cors-allow-origin`", Rare, |f| f.is_on("enable-cors") && has_origins(f)),
    met("`enable-cors`, some origins", Ordinary, |f| f.is_on("enable-cors") && has_origins(f)),
    met("`enable-cors`, preflight", Rare, |f| f.is_on("enable-cors")),
    met("`enable-cors`, 413 of a body that is too long", Rare, |f| f.is_on("enable-cors")),
    met("`custom-http-errors` without a default backend, or if that fails", Ordinary, |f| {
        f.has("custom-http-errors")
            && !f.has("default-backend")
            && !f.world.has_flag("default-backend-service")
    }),
    met("`custom-http-errors`, gRPC calls", Ordinary, |f| {
        f.has("custom-http-errors") && f.contains("backend-protocol", "grpc")
    }),
    met("`custom-http-errors`, body of the request", Rare, |f| f.has("custom-http-errors")),
    met("`custom-http-errors`, default backend that is the Service behind the gates", Rare, |f| {
        f.has("custom-http-errors") && f.has("default-backend")
    }),
    met("`mirror-target`", Ordinary, |f| f.has("mirror-target")),
    met("`mirror-target`, fields of the copy", Ordinary, |f| f.has("mirror-target")),
    met("`mirror-target` with a variable in the host", Ordinary, |f| {
        f.url_host("mirror-target").contains('$')
    }),
    met("`mirror-target` without path", Ordinary, |f| {
        f.has("mirror-target") && f.url_path("mirror-target").is_empty()
    }),
    met("`hsts`, hosts without a TLS entry", Rare, |f| {
        !f.has_tls() && f.world.key("hsts") != "false"
    }),
    met(
        "`ssl-passthrough` beside an IP list, a password or another guard of the Ingress",
        Ordinary,
        |f| {
            f.is_on("ssl-passthrough")
                && (f.has_any("auth-") || f.has_any("limit-") || f.contains_list())
        },
    ),
    met("`--enable-ssl-passthrough` left out", Ordinary, |f| {
        f.is_on("ssl-passthrough") && !f.world.has_flag("enable-ssl-passthrough")
    }),
    met("`app-root` with variables", Ordinary, |f| f.contains("app-root", "$")),
    met("`rewrite-target`, a result that is empty or begins with no slash", Ordinary, |f| {
        f.has("rewrite-target") && !f.value("rewrite-target").starts_with('/')
    }),
    met("`rewrite-target` with the text of a Prefix path", Ordinary, |f| {
        f.paths()
            .any(|(kind, path)| kind != "Exact" && path == f.value("rewrite-target") && path != "/")
    }),
    met("`rewrite-target`, a result of more than 8 KiB", Rare, |f| {
        f.contains("rewrite-target", "$")
    }),
    met("`x-forwarded-prefix`, a capture with control characters", Rare, |f| {
        f.contains("x-forwarded-prefix", "$")
    }),
    met("`resource` backend", Ordinary, |f| f.backends().any(|backend| backend.resource.is_some())),
    met("`permanent-redirect-code`, `temporal-redirect-code` 300, 304, 305, 306", Ordinary, |f| {
        ["permanent-redirect-code", "temporal-redirect-code"]
            .iter()
            .any(|name| matches!(f.value(name), "300" | "304" | "305" | "306"))
    }),
    met("`canary`: whose requests", Ordinary, |f| f.is_on("canary")),
    met("`canary`: several of one path", Rare, |f| f.is_on("canary")),
    met("Time to connect", Rare, |f| f.has("proxy-connect-timeout")),
    met("`proxy-http-version: \"1.0\"`, a chunked body", Ordinary, |f| {
        f.value("proxy-http-version") == "1.0"
    }),
    met("`limit-rate` without `proxy-buffering: \"on\"`", Ordinary, |f| {
        !matches!(f.value("limit-rate"), "" | "0")
            && f.value("proxy-buffering") != "on"
            && f.world.key("proxy-buffering") != "on"
    }),
    met("`limit-connections`, a request as another one of its client ends", Rare, |f| {
        f.has("limit-connections")
    }),
    met("`proxy-buffering`, `proxy-request-buffering` and their sizes", Ordinary, |f| {
        f.is("proxy-buffering", "on") || f.is("proxy-request-buffering", "on")
    }),
    met("`proxy-buffer-size`", Rare, |f| f.has("proxy-buffer-size")),
    met("`proxy-connect-timeout`, `proxy-send-timeout`, `proxy-read-timeout`: 0", Ordinary, |f| {
        ["proxy-connect-timeout", "proxy-send-timeout", "proxy-read-timeout"]
            .iter()
            .any(|name| f.value(name) == "0")
    }),
    met("`proxy-next-upstream: \"off\"` on a connection that ended while it was idle", Rare, |f| {
        f.is("proxy-next-upstream", "off")
    }),
    met("`ssl-ciphers` of a host without a certificate of its own", Ordinary, |f| {
        f.has("ssl-ciphers") && !f.has_tls()
    }),
    met("`ssl-prefer-server-ciphers`", Rare, |f| f.has("ssl-prefer-server-ciphers")),
    met("`appProtocol` of a Service port", Ordinary, |f| {
        f.has_app_protocol && !f.has("backend-protocol")
    }),
    met("`proxy-ssl-*` without `proxy-ssl-secret`", Ordinary, |f| {
        f.has_any("proxy-ssl-") && !f.has("proxy-ssl-secret")
    }),
    met("Name that backends are verified by, without `proxy-ssl-name`", Ordinary, |f| {
        f.is("proxy-ssl-verify", "on") && !f.has("proxy-ssl-name")
    }),
    met("`affinity` and its family on several Ingresses for one Service port", Rare, |f| {
        f.has("affinity")
    }),
    met("`affinity-mode: persistent`, key of the cookie", Ordinary, |f| {
        f.has("affinity") && f.is("affinity-mode", "persistent")
    }),
    met("Session whose endpoint did not answer", Rare, |f| f.has("affinity")),
    met("`session-cookie-change-on-failure`, the endpoint is known to fail", Rare, |f| {
        f.has("session-cookie-change-on-failure")
    }),
    met("`session-cookie-expires`", Rare, |f| f.has("session-cookie-expires")),
    met("`session-cookie-samesite: lax`", Ordinary, |f| {
        f.has("session-cookie-samesite")
            && f.is("session-cookie-samesite", "lax")
            && f.value("session-cookie-samesite") != "Lax"
    }),
    met("Several cookies of a session's name", Rare, |f| f.has("affinity")),
    met(
        "`load-balance`, `upstream-hash-by`, `service-upstream` of several Ingresses for \
         one Service port",
        Rare,
        |f| f.has("load-balance") || f.has("upstream-hash-by") || f.has("service-upstream"),
    ),
    met("`upstream-hash-by`, the endpoint fails", Rare, |f| f.has("upstream-hash-by")),
    met("`upstream-hash-by-subset`", Ordinary, |f| f.is_on("upstream-hash-by-subset")),
    met("`proxy-ssl-protocols`, nothing said", Rare, |f| {
        (f.is("backend-protocol", "HTTPS") || f.is("backend-protocol", "GRPCS"))
            && !f.has("proxy-ssl-protocols")
    }),
    met("`auth-tls-error-page` that is a path", Ordinary, |f| {
        f.value("auth-tls-error-page").starts_with('/')
    }),
    met(
        "`auth-tls-match-cn` with `auth-tls-verify-client: off` or `optional_no_ca`",
        Ordinary,
        |f| {
            f.has("auth-tls-match-cn")
                && (f.is("auth-tls-verify-client", "off")
                    || f.is("auth-tls-verify-client", "optional_no_ca"))
        },
    ),
    met("Client certificates over plain HTTP", Ordinary, |f| {
        f.has("auth-tls-secret") && !f.is("auth-tls-verify-client", "off")
    }),
    met("Session of a client that is refused", Rare, |f| f.has("auth-tls-secret")),
    met(
        "`opentelemetry-operation-name`, `opentelemetry-trust-incoming-span` without \
         `enable-opentelemetry`",
        Rare,
        |f| {
            (f.has("opentelemetry-operation-name") || f.has("opentelemetry-trust-incoming-span"))
                && !f.has("enable-opentelemetry")
        },
    ),
    met("`opentelemetry-operation-name` with variables", Ordinary, |f| {
        f.contains("opentelemetry-operation-name", "$")
    }),
];

fn writes(field: &str) -> bool {
    let field = field.trim_matches('"').to_ascii_lowercase();
    OWN_FIELDS.iter().any(|own| field == *own || own.starts_with("x-") && field.starts_with(own))
}

fn has_origins(facts: &Facts<'_>) -> bool {
    !matches!(facts.value("cors-allow-origin"), "" | "*")
}

impl Facts<'_> {
    fn contains_list(&self) -> bool {
        ["whitelist-source-range", "allowlist-source-range", "denylist-source-range"]
            .iter()
            .any(|name| self.has(name))
    }
}
