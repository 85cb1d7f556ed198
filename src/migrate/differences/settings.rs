//! When the controller's own settings meet a row of the page.

use super::reach::Reach::{self, Ordinary, Rare};
use crate::migrate::facts::World;

/// When the controller's own settings do.
pub(super) struct OfSettings {
    pub(super) subject: &'static str,
    pub(super) reach: Reach,
    pub(super) holds: fn(&World) -> bool,
}

const fn set(subject: &'static str, reach: Reach, holds: fn(&World) -> bool) -> OfSettings {
    OfSettings { subject, reach, holds }
}

/// Of its ConfigMap.
pub(super) const OF_CONFIG_MAP: &[OfSettings] = &[
    set("Compression: `Accept-Encoding`", Rare, compresses),
    set("Compression: `Cache-Control: no-transform`", Rare, compresses),
    set("Compression: media types with parameters", Rare, compresses),
    set("Compression by brotli", Ordinary, |w| w.is_on("enable-brotli")),
    set("Compression of `Accept-Ranges`", Rare, compresses),
    set("Compression: 304", Rare, compresses),
    set(
        "`use-forwarded-headers`: `X-Forwarded-Proto`, `-Host`, `-Port`, and the list of \
         `compute-full-forwarded-for`",
        Ordinary,
        |w| w.is_on("use-forwarded-headers") && !w.key("proxy-real-ip-cidr").is_empty(),
    ),
    set("`proxy-real-ip-cidr`, without it", Rare, |w| {
        w.is_on("use-forwarded-headers") && w.key("proxy-real-ip-cidr").is_empty()
    }),
    set("`X-Forwarded-Host` that is no host", Rare, |w| w.is_on("use-forwarded-headers")),
    set("`enable-underscores-in-headers`, `ignore-invalid-headers: \"false\"`", Ordinary, |w| {
        w.is_on("enable-underscores-in-headers") || w.key("ignore-invalid-headers") == "false"
    }),
    set("`http2-max-concurrent-streams` above 100", Ordinary, |w| {
        w.key("http2-max-concurrent-streams").parse::<u32>().is_ok_and(|n| n > 100)
    }),
    set("`keep-alive-requests`, without it", Rare, |w| w.key("keep-alive-requests").is_empty()),
    set("`log-format-upstream`, line ends and control characters in it", Rare, |w| {
        w.key("log-format-upstream").contains('\n')
    }),
    set("`log-format-escape-none`, control characters of clients", Rare, |w| {
        w.is_on("log-format-escape-none")
    }),
    set("`log-format-escape-json`, octets that are no UTF-8", Rare, |w| {
        w.is_on("log-format-escape-json")
    }),
    set(
        "`$connection`, `$connection_requests`, `$hostname` and the like in \
         `log-format-upstream`",
        Ordinary,
        |w| {
            ["$connection", "$hostname", "$pid", "$msec"]
                .iter()
                .any(|name| w.key("log-format-upstream").contains(name))
        },
    ),
    set("`access-log-path: /var/log/nginx/access.log`", Rare, |w| {
        w.key("access-log-path") == "/var/log/nginx/access.log"
    }),
    set("`enable-auth-access-log`", Ordinary, |w| w.is_on("enable-auth-access-log")),
    set("`map`, `geo` of `http-snippet`", Rare, |w| {
        w.key("http-snippet").contains("map ") || w.key("http-snippet").contains("geo ")
    }),
    set("`custom-http-errors` of the ConfigMap, hosts that no Ingress has", Rare, |w| {
        !w.key("custom-http-errors").is_empty()
    }),
    set("ConfigMap: `block-cidrs`", Ordinary, |w| !w.key("block-cidrs").is_empty()),
    set("ConfigMap: `server-tokens`", Ordinary, |w| w.is_on("server-tokens")),
    set("ConfigMap: `allow-backend-server-header`, a backend that sends no Server", Rare, |w| {
        w.is_on("allow-backend-server-header")
    }),
    set("ConfigMap: `upstream-keepalive-connections`", Rare, |w| {
        !w.key("upstream-keepalive-connections").is_empty()
    }),
    set("ConfigMap: `add-headers` with variables", Rare, |w| !w.key("add-headers").is_empty()),
    set("Traces: requests to other servers", Rare, |w| w.is_on("enable-opentelemetry")),
    set("Traces: B3 of a client", Rare, |w| w.is_on("enable-opentelemetry")),
];

/// Of its flags.
pub(super) const OF_FLAGS: &[OfSettings] = &[
    set("Metrics, `host` of requests for a wildcard host or one of no rule", Rare, has_metrics),
    set("Metrics, `method` that is none of the usual ones", Rare, has_metrics),
    set("Metrics of requests that asked several endpoints", Rare, has_metrics),
    set("Metrics, `errors` and `config_hash`", Rare, has_metrics),
    set("Metrics, `orphan_ingress`", Rare, has_metrics),
    set("Metrics, native histograms (`--bucket-factor`)", Ordinary, |w| {
        w.has_flag("bucket-factor")
    }),
    set("`/metrics` without `--enable-metrics`", Rare, |w| !w.has_flag("enable-metrics")),
];

fn compresses(world: &World) -> bool {
    world.is_on("use-gzip") || world.is_on("enable-brotli")
}

fn has_metrics(world: &World) -> bool {
    world.has_flag("enable-metrics")
}
