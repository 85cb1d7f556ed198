//! The command line of ingress-nginx → ours: a row a flag, in the forms that Go's pflag takes.

use std::collections::BTreeSet;

use crate::model::parse_bool;
use crate::page::{Section, markdown};

use Effect::{As, Known, Mapped, Nothing, Refused, Version};
use Form::{Switch, Value};

/// What the image of ingress-nginx runs, which is the first word of many `args:` blocks.
const PROGRAM: &str = "nginx-ingress-controller";

/// One flag.
struct Flag {
    /// Without dashes.
    name: &'static str,
    form: Form,
    effect: Effect,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `--name`, or `--name=BOOL`.
    Switch,
    /// `--name=VALUE`, or `--name VALUE`.
    Value,
}

/// What becomes of it.
#[derive(Clone, Copy)]
enum Effect {
    /// We have it, too, by this name.
    Known,
    /// It is our flag of this name.
    As(&'static str),
    /// It is what this makes of its value.
    Mapped(Map, &'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// It cannot be had, unless its value is empty, `false` or the one here. What to do instead.
    Refused(&'static str, &'static str),
    /// It is all that is asked for.
    Version,
}

/// Our flags, whole.
type Map = fn(&str) -> Vec<String>;

const fn flag(name: &'static str, form: Form, effect: Effect) -> Flag {
    Flag { name, form, effect }
}

const BUCKETS: Effect =
    Nothing("histograms have the buckets of --time-buckets, --length-buckets and --size-buckets");
const INTERNAL: Effect =
    Nothing("there is no such port: the parts of the process share its memory");
const STATUS: Effect = Nothing("/nginx_status and /is-dynamic-lb-initialized are at --admin-bind");
const GEOIP: Effect = Nothing("the databases are not read");
const LOG: Effect = Nothing("the log goes to standard error, see --log-level");
const NO_NGINX: Effect = Nothing("no configuration of nginx is made");
const PROFILER: Effect = Nothing("there is no profiler");

/// By name.
#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag("add_dir_header", Switch, LOG),
    flag("alsologtostderr", Switch, LOG),
    flag("annotations-prefix", Value, Refused(
        "rename them: only nginx.ingress.kubernetes.io/ is read", "nginx.ingress.kubernetes.io"
    )),
    flag("apiserver-host", Value, Refused("name a file with --kubeconfig", "")),
    flag("bucket-factor", Value, BUCKETS),
    flag("certificate-authority", Value, Refused("name a file with --kubeconfig", "")),
    flag("configmap", Value, Known),
    flag("controller-class", Value, Known),
    flag("deep-inspect", Switch, Nothing("no text of an Ingress reaches a configuration")),
    flag("default-backend-service", Value, Known),
    flag("default-server-port", Value, INTERNAL),
    flag("default-ssl-certificate", Value, Known),
    flag("disable-catch-all", Switch, Known),
    flag("disable-full-test", Switch, NO_NGINX),
    flag("disable-leader-election", Switch, Nothing(
        "every replica routes by itself; the Lease says who writes status alone"
    )),
    flag("disable-svc-external-name", Switch, Known),
    flag("disable-sync-events", Switch, Nothing("there are no such Events")),
    flag("dynamic-configuration-retries", Value, NO_NGINX),
    flag("election-id", Value, Known),
    flag("election-ttl", Value, Nothing("a Lease is taken over after 15 seconds")),
    flag("enable-annotation-validation", Switch, Nothing("values are always checked")),
    flag("enable-metrics", Switch, As("nginx-metrics")),
    flag("enable-ssl-chain-completion", Switch, Refused("put the whole chain into the Secret", "")),
    flag("enable-ssl-passthrough", Switch, Nothing(
        "the annotation ssl-passthrough is always heeded"
    )),
    flag("enable-topology-aware-routing", Switch, Nothing(
        "hints of topology are always heeded, see --zone"
    )),
    flag("exclude-socket-metrics", Value, Known),
    flag("health-check-path", Value, Known),
    flag("health-check-timeout", Value, Nothing("health is known without asking anybody")),
    flag("healthz-host", Value, Mapped(|_| Vec::new(), "with --healthz-port: --admin-bind")),
    flag("healthz-port", Value, Mapped(|_| Vec::new(),
        "--admin-bind, which has metrics and health, at every address"
    )),
    flag("http-port", Value, Mapped(|port| vec![format!("--http-bind=*:{port}")],
        "--http-bind, at every address"
    )),
    flag("https-port", Value, Mapped(|port| vec![format!("--https-bind=*:{port}")],
        "--https-bind, at every address"
    )),
    flag("ingress-class", Value, Known),
    flag("ingress-class-by-name", Switch, Known),
    flag("internal-logger-address", Value, LOG),
    flag("kubeconfig", Value, Known),
    flag("length-buckets", Value, Known),
    flag("log-file", Value, LOG),
    flag("log-file-max-size", Value, LOG),
    flag("log_backtrace_at", Value, LOG),
    flag("log_dir", Value, LOG),
    flag("log_file", Value, LOG),
    flag("log_file_max_size", Value, LOG),
    flag("logtostderr", Switch, LOG),
    flag("max-buckets", Value, BUCKETS),
    flag("maxmind-edition-ids", Value, GEOIP),
    flag("maxmind-license-key", Value, GEOIP),
    flag("maxmind-mirror", Value, GEOIP),
    flag("maxmind-retries-count", Value, GEOIP),
    flag("maxmind-retries-timeout", Value, GEOIP),
    flag("metrics-per-host", Switch, Known),
    flag("metrics-per-undefined-host", Switch, Known),
    flag("monitor-max-batch-size", Value, Nothing(
        "requests are counted where they are served"
    )),
    flag("one_output", Switch, LOG),
    flag("post-shutdown-grace-period", Value, Nothing(
        "the process ends when its last request does, or after --drain-timeout"
    )),
    flag("profiler-address", Value, PROFILER),
    flag("profiler-port", Value, PROFILER),
    flag("profiling", Switch, PROFILER),
    flag("publish-service", Value, Known),
    flag("publish-status-address", Value, Known),
    flag("report-node-internal-ip-address", Switch, Known),
    flag("report-status-classes", Switch, Known),
    flag("shutdown-grace-period", Value, As("drain-delay")),
    flag("size-buckets", Value, Known),
    flag("skip_headers", Switch, LOG),
    flag("skip_log_headers", Switch, LOG),
    flag("ssl-passthrough-proxy-port", Value, INTERNAL),
    flag("status-port", Value, STATUS),
    flag("status-update-interval", Value, Nothing("status is written as soon as it differs")),
    flag("stderrthreshold", Value, LOG),
    flag("stream-port", Value, INTERNAL),
    flag("sync-period", Value, Nothing("what is watched is complete")),
    flag("sync-rate-limit", Value, Nothing(
        "a change is in force within milliseconds, and bursts are one"
    )),
    flag("tcp-services-configmap", Value, Known),
    flag("time-buckets", Value, Known),
    flag("udp-services-configmap", Value, Known),
    flag("update-status", Switch, Known),
    flag("update-status-on-shutdown", Switch, Known),
    flag("v", Value, Mapped(verbosity, "--log-level: debug from 3, trace from 5")),
    flag("validating-webhook", Value, Mapped(webhook, "--admission-bind; empty: there is none")),
    flag("validating-webhook-certificate", Value, As("admission-certificate")),
    flag("validating-webhook-key", Value, As("admission-key")),
    flag("version", Switch, Version),
    flag("vmodule", Value, LOG),
    flag("watch-ingress-without-class", Switch, Known),
    flag("watch-namespace", Value, Known),
    flag("watch-namespace-selector", Value, Known),
];

/// Flags of ours that an empty value switches off.
const MAY_BE_EMPTY: [&str; 1] = ["health-check-path"];

/// Flags of ours that are given a truth value; all other switches are given nothing.
const WITH_BOOL: [&str; 5] = [
    "metrics-per-host",
    "metrics-per-undefined-host",
    "report-status-classes",
    "update-status",
    "update-status-on-shutdown",
];

/// What holds without flags where the command line is that of ingress-nginx.
const DEFAULTS: [&str; 6] = [
    "--ingress-class=nginx",
    "--controller-class=k8s.io/ingress-nginx",
    "--election-id=ingress-controller-leader",
    "--admin-bind=*:10254",
    "--access-log=nginx",
    // Its readiness probe asks for it, too.
    "--healthz=ready",
];

fn verbosity(level: &str) -> Vec<String> {
    let level = match level.parse() {
        Ok(0..=2_u32) => "info",
        Ok(3..=4) => "debug",
        Ok(_) => "trace",
        // That it is none is told by the flag.
        Err(_) => level,
    };
    vec![format!("--log-level={level}")]
}

/// `:8443`, or with an address before it.
fn webhook(address: &str) -> Vec<String> {
    match address.strip_prefix(':') {
        _ if address.is_empty() => Vec::new(),
        Some(port) => vec![format!("--admission-bind=*:{port}")],
        None => vec![format!("--admission-bind={address}")],
    }
}

/// A command line of ours.
#[derive(Debug, PartialEq, Eq)]
pub struct Translated {
    /// With the name of the program.
    pub args: Vec<String>,
    /// What the operator may want to know: a sentence each.
    pub notes: Vec<String>,
}

/// Why a command line of ingress-nginx cannot be taken. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// There is nothing like it here.
    #[error("--{0}={1} cannot be had: {2}")]
    Refused(&'static str, String, &'static str),
    /// No truth value, where there has to be one.
    #[error("--{0}={1}: write true or false")]
    NoBool(&'static str, String),
    /// A flag without its value at the end of the line.
    #[error("--{0} needs a value")]
    NoValue(&'static str),
}

/// Makes a command line of `serve` or `doctor` of one in the words of ingress-nginx: one that names
/// its program first, or flags of it among ours. Others stay as they are.
///
/// `is_set`: whether there is an environment variable of this name, which a default of
/// ingress-nginx must not outdo.
///
/// # Errors
/// See [`FlagError`].
pub fn translate(
    args: Vec<String>,
    is_set: impl Fn(&str) -> bool,
) -> Result<Translated, FlagError> {
    let command = args.get(1).map(String::as_str).unwrap_or_default();
    let is_whole = command.rsplit('/').next() == Some(PROGRAM);
    if !is_whole && !matches!(command, "serve" | "doctor") {
        return Ok(Translated { args, notes: Vec::new() });
    }
    let mut rest = args.into_iter();
    let program = rest.next();
    let command = rest.next().filter(|_| !is_whole).unwrap_or_else(|| "serve".to_owned());
    let mut line = Line::default();
    while let Some(arg) = rest.next() {
        line.take(arg, &mut rest)?;
    }
    let Line { args: mut own, notes, host, port, asks_version } = line;
    if asks_version {
        let args = program.into_iter().chain(["--version".to_owned()]).collect();
        return Ok(Translated { args, notes: Vec::new() });
    }
    if host.is_some() || port.is_some() {
        let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| "*".into());
        let port = port.unwrap_or_else(|| "10254".into());
        own.push(format!("--admin-bind={host}:{port}"));
    }
    if is_whole {
        let said: BTreeSet<&str> = own.iter().map(|arg| name_of(arg)).collect();
        let is_open = |name: &str| !said.contains(name) && !is_set(&variable(name));
        let defaults = DEFAULTS.iter().filter(|default| is_open(name_of(default)));
        let defaults: Vec<String> = defaults.map(|default| (*default).to_owned()).collect();
        own.extend(defaults);
    }
    let args = program.into_iter().chain([command]).chain(own).collect();
    Ok(Translated { args, notes })
}

/// A flag without its value.
fn name_of(arg: &str) -> &str {
    arg.split('=').next().unwrap_or_default()
}

/// The environment variable that says what a flag of ours says.
fn variable(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace('-', "_");
    format!("RINGWAY_{}", name.to_ascii_uppercase())
}

#[derive(Default)]
struct Line {
    args: Vec<String>,
    notes: Vec<String>,
    host: Option<String>,
    port: Option<String>,
    asks_version: bool,
}

impl Line {
    fn take(
        &mut self,
        arg: String,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), FlagError> {
        // Of flags with one hyphen there is `-v` alone.
        let verbosity = || arg.strip_prefix('-').filter(|flag| name_of(flag) == "v");
        let flag = arg.strip_prefix("--").or_else(verbosity);
        let (name, value) = match flag.map(|flag| flag.split_once('=')) {
            Some(Some((name, value))) => (name, Some(value.to_owned())),
            Some(None) => (arg.trim_start_matches('-'), None),
            None => ("", None),
        };
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
            self.args.push(arg);
            return Ok(());
        };
        let value = match (flag.form, value) {
            (_, Some(value)) => value,
            (Switch, None) => "true".to_owned(),
            (Value, None) => rest.next().ok_or(FlagError::NoValue(flag.name))?,
        };
        self.put(flag, value)
    }

    /// Says a flag, which is not said before: of several the last one counts.
    fn say(&mut self, arg: String) {
        self.forget(name_of(&arg));
        self.args.push(arg);
    }

    fn forget(&mut self, name: &str) {
        self.args.retain(|arg| name_of(arg) != name);
    }

    fn put(&mut self, flag: &'static Flag, value: String) -> Result<(), FlagError> {
        let name = flag.name;
        let is_on = match (flag.form, parse_bool(&value)) {
            (Value, _) => !value.is_empty(),
            (Switch, Some(is_on)) => is_on,
            (Switch, None) => return Err(FlagError::NoBool(name, value)),
        };
        match flag.effect {
            _ if name == "healthz-host" => self.host = Some(value),
            _ if name == "healthz-port" => self.port = Some(value),
            Known if WITH_BOOL.contains(&name) => self.say(format!("--{name}={is_on}")),
            Known if flag.form == Switch => {
                self.forget(&format!("--{name}"));
                self.args.extend(is_on.then(|| format!("--{name}")));
            }
            // There is no Service, class or namespace without a name.
            Known if is_on || MAY_BE_EMPTY.contains(&name) => {
                self.say(format!("--{name}={value}"));
            }
            Known => self.forget(&format!("--{name}")),
            As(ours) if flag.form == Switch => self.say(format!("--{ours}={is_on}")),
            As(ours) => self.say(format!("--{ours}={value}")),
            Version => self.asks_version = is_on,
            Mapped(map, _) => map(&value).into_iter().for_each(|arg| self.say(arg)),
            Nothing(why) => self.notes.push(format!("--{name} has no effect here: {why}.")),
            Refused(instead, harmless) => {
                if is_on && value != harmless {
                    return Err(FlagError::Refused(name, value, instead));
                }
            }
        }
        Ok(())
    }
}

const HEAD: &str = "# Flags of ingress-nginx

A container whose `args:` begin with `/nginx-ingress-controller`, as those of ingress-nginx do, runs
`serve` with the flags below in their forms (`--flag=value`, `--flag value`, `--switch`,
`--switch=false`), and with the defaults of ingress-nginx: class `nginx` of `k8s.io/ingress-nginx`,
Lease `ingress-controller-leader`, health and metrics at port 10254, where `/healthz` is for both
probes, the access log of nginx and its metrics. The same flags are taken by `ringway serve` and
`ringway doctor`, whose own defaults hold. Flags of Ringway may stand beside them.

What has no effect is told at start. What cannot be had ends the process, with the sentence below.

This page is made from the table that the command line is read by, and a test holds it current.
";

/// Flags of ours that the table names as such.
#[cfg(test)]
pub(crate) fn ours() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().filter_map(|flag| match flag.effect {
        Known => Some(flag.name),
        As(ours) => Some(ours),
        Mapped(..) | Nothing(_) | Refused(..) | Version => None,
    })
}

/// The documentation page of all of them, `docs/flags.md`, as it should be.
#[must_use]
pub fn page() -> String {
    let rows = FLAGS.iter().map(|flag| {
        let meaning = match flag.effect {
            Known => "the same".to_owned(),
            As(ours) => format!("`--{ours}`"),
            Mapped(_, ours) => ours.to_owned(),
            Nothing(why) => format!("no effect: {why}"),
            Refused(instead, "") => format!("refused: {instead}"),
            Version => "`ringway --version`".to_owned(),
            Refused(instead, but) => format!("refused, but for `{but}`: {instead}"),
        };
        vec![format!("`--{}`", flag.name), meaning]
    });
    let (columns, rows) = (&["Flag", "Here"][..], rows.collect());
    markdown(HEAD, [Section { title: "Flags", columns, rows }].into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::assert_current;

    #[test]
    fn the_page_is_current() {
        assert_current("docs/flags.md", &page());
    }

    #[test]
    fn flags_are_in_order() {
        assert!(FLAGS.is_sorted_by(|a, b| a.name < b.name));
    }

    /// `ringway` and the words of `line`, as ours, with how many notes.
    fn translated(line: &str) -> Result<(String, usize), FlagError> {
        let words = ["ringway"].into_iter().chain(line.split(' ')).map(str::to_owned);
        let Translated { args, notes } = translate(words.collect(), |name| {
            name == "RINGWAY_ACCESS_LOG" && line.contains("env")
        })?;
        Ok((args.get(1..).unwrap_or_default().join(" "), notes.len()))
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn lines_are_translated() {
        for (line, expected, notes) in [
            ("check --configmap=a/b x", "check --configmap=a/b x", 0),
            ("serve --cores 2 --pin", "serve --cores 2 --pin", 0),
            (
                "serve --configmap=a/b --http-port 8080",
                "serve --configmap=a/b --http-bind=*:8080",
                0,
            ),
            (
                "serve --update-status --update-status-on-shutdown=F",
                "serve --update-status=true --update-status-on-shutdown=false",
                0,
            ),
            (
                "serve --watch-ingress-without-class=true --disable-catch-all=false",
                "serve --watch-ingress-without-class",
                0,
            ),
            ("doctor --watch-namespace= --publish-service a/b", "doctor --publish-service=a/b", 0),
            ("serve --health-check-path=", "serve --health-check-path=", 0),
            (
                "serve --monitor-max-batch-size=9 --sync-period=1m --v=2",
                "serve --log-level=info",
                2,
            ),
            (
                "serve --enable-metrics --metrics-per-host=F --report-status-classes",
                "serve --nginx-metrics=true --metrics-per-host=false --report-status-classes=true",
                0,
            ),
            ("serve --time-buckets 0.1,1 --bucket-factor=2", "serve --time-buckets=0.1,1", 1),
            ("/nginx-ingress-controller --version", "--version", 0),
            ("serve --version=false --sync-period=1m", "serve", 1),
            ("serve --v 5 --shutdown-grace-period=3", "serve --log-level=trace --drain-delay=3", 0),
            (
                "serve --annotations-prefix=nginx.ingress.kubernetes.io --apiserver-host=",
                "serve",
                0,
            ),
            ("serve --healthz-port=9", "serve --admin-bind=*:9", 0),
            (
                "serve --healthz-host=127.0.0.1 --healthz-port=9",
                "serve --admin-bind=127.0.0.1:9",
                0,
            ),
            (
                "serve --validating-webhook=:8443 --validating-webhook-key=/k",
                "serve --admission-bind=*:8443 --admission-key=/k",
                0,
            ),
            ("serve --unknown-flag=1", "serve --unknown-flag=1", 0),
            ("serve -v=3 --v=5", "serve --log-level=trace", 0),
            ("serve -v 2 -x=1", "serve --log-level=info -x=1", 0),
            ("serve --ingress-class=a --ingress-class=b", "serve --ingress-class=b", 0),
            ("serve --disable-catch-all --disable-catch-all=false", "serve", 0),
            ("serve --publish-service=a/b --publish-service=", "serve", 0),
            (
                "/env/nginx-ingress-controller --ingress-class=a",
                "serve --ingress-class=a --controller-class=k8s.io/ingress-nginx \
              --election-id=ingress-controller-leader --admin-bind=*:10254 --healthz=ready",
                0,
            ),
            (
                "/nginx-ingress-controller --election-id=x --healthz-port=1 --cores=1",
                "serve --election-id=x --cores=1 --admin-bind=*:1 --ingress-class=nginx \
              --controller-class=k8s.io/ingress-nginx --access-log=nginx --healthz=ready",
                0,
            ),
            (
                "/usr/bin/nginx-ingress-controller",
                "serve --ingress-class=nginx --controller-class=k8s.io/ingress-nginx \
              --election-id=ingress-controller-leader --admin-bind=*:10254 --access-log=nginx \
              --healthz=ready",
                0,
            ),
        ] {
            assert_eq!(translated(line), Ok((expected.to_owned(), notes)), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_told() {
        for (line, expected) in [
            (
                "serve --annotations-prefix=x.example",
                "--annotations-prefix=x.example cannot be had: rename them: only \
                 nginx.ingress.kubernetes.io/ is read",
            ),
            (
                "serve --enable-ssl-chain-completion",
                "--enable-ssl-chain-completion=true cannot be had: put the whole chain into the \
                 Secret",
            ),
            ("serve --update-status=yes", "--update-status=yes: write true or false"),
            ("serve --publish-service", "--publish-service needs a value"),
        ] {
            let told = translated(line).map_err(|error| error.to_string());
            assert_eq!(told, Err(expected.to_owned()), "{line}");
        }
    }
}
