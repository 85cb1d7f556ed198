//! `ringway explain`: what would become of a request, and why.
//!
//! Of manifests it asks a core of its own, which has their table and no listener; else a core of
//! the process behind an admin listener. Either way a core answers.

use std::io::{Read as _, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use super::check;
use super::serve::{self, ServeArgs};
use crate::config::{AccessLogFormat, Bind, Config, Driver, Machine};
use crate::control::admin::TokenFile;
use crate::control::explain::{Explainer, name_certificate};
use crate::control::host_certificate::HostCertificate;
use crate::control::lower::{LowerOptions, Lowerer};
use crate::control::source::manifest::SKIPPED;
use crate::control::store::{Dirty, Store};
use crate::explain::{Explanation, Question, QuestionError, Words, of_curl};
use crate::limits::{ADMIN_REQUEST_BYTES_MAX, EXPLANATION_BYTES_MAX, EXPLANATION_PATIENCE};
use crate::model::{EntryPoint, Scheme};
use crate::proxy;
use crate::publish::{Publisher, channel};
use crate::table::Compiler;
use crate::telemetry::access_log::{Sink, access_log};
use crate::telemetry::{self, Bounds, Outlets};

/// Flags of `explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The request: a URL, or curl and its words behind --
    #[arg(required = true, value_name = "URL|curl …")]
    pub request: Vec<String>,

    /// Method of the request [default: GET]
    #[arg(long, value_name = "METHOD", help_heading = "Request")]
    pub method: Option<String>,

    /// A field of the request, as "Name: value"; may be repeated
    #[arg(long, value_name = "HEADER", help_heading = "Request")]
    pub header: Vec<String>,

    /// Address of the client [default: 127.0.0.1]
    #[arg(long, value_name = "IP", help_heading = "Request")]
    pub client: Option<IpAddr>,

    /// Server name of the TLS handshake [default: the host]
    #[arg(long, value_name = "NAME", help_heading = "Request")]
    pub sni: Option<String>,

    /// Say it as JSON
    #[arg(long)]
    pub json: bool,

    /// Ask the process whose admin listener is there
    /// [default, without --manifests: the first of --admin-bind]
    #[arg(long, value_name = "IP:PORT", conflicts_with = "manifests")]
    pub admin: Option<Bind>,

    /// As `serve` has them.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Explains, and prints to `out`.
///
/// # Errors
/// [`QuestionError`], [`check::CheckError`], `ConfigError` or `TokenError` (exit code 2); nobody
/// answers, or `out` cannot be written.
pub(super) fn run(args: &ExplainArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let words = words(args)?;
    let question = Question::new(&words)?;
    let explanation = match &args.serve.manifests {
        Some(directory) => of_manifests(&args.serve, directory, question)?,
        None => {
            let admin = args.admin.or_else(|| args.serve.common.admin_bind.first().copied());
            let addresses = admin.map(reachable).unwrap_or_default();
            ask(&addresses, &words, serve::token(&args.serve.common)?.as_ref())?
        }
    };
    let text = if args.json { explanation.to_json() } else { explanation.to_string() };
    let printed = writeln!(out, "{}", text.trim_end());
    check::whoever_reads(printed).context("the answer cannot be printed")?;
    Ok(ExitCode::SUCCESS)
}

fn words(args: &ExplainArgs) -> Result<Words, QuestionError> {
    let ExplainArgs { request, method, header, client, sni, .. } = args;
    let mut words = Words {
        url: String::new(),
        method: None,
        headers: header.clone(),
        client: *client,
        sni: sni.clone(),
    };
    match &request[..] {
        [curl, rest @ ..] if curl == "curl" => {
            words = of_curl(rest, words, |path| std::fs::read(Path::new(path)))?;
        }
        [url] => words.url.clone_from(url),
        [] => {}
        [_, more, ..] => return Err(QuestionError::More(more.clone())),
    }
    words.method = method.clone().or(words.method);
    Ok(words)
}

/// What manifests say, by the table that `serve` would make of them.
fn of_manifests(
    args: &ServeArgs,
    directory: &Path,
    question: Question,
) -> anyhow::Result<Explanation> {
    let machine = Machine::look().context("the CPUs of this process cannot be told")?;
    let mut config = Config::new(&args.common, &machine)?;
    (config.proxy.cores, config.proxy.pin, config.proxy.driver) = (1, false, Driver::Epoll);
    let check::Read { store, dirty, problems, .. } = check::read(&[directory.to_path_buf()])?;
    let options = offline(args, &config);
    let (mut publisher, subscribers) = channel(1).context("no core can be reached")?;
    let (shards, _scrape) = telemetry::telemetry(1, Bounds::new(None));
    let (logs, _) = access_log(AccessLogFormat::Off, 1, Sink::output())?;
    let (outlets, _spans) = Outlets::of(logs);
    proxy::start(&config.proxy, subscribers, shards, outlets)?;
    let certificates = publish(&mut publisher, &options, &store, &dirty);
    let mut explanation = publisher.explainers().ask(0, question, EXPLANATION_PATIENCE)?;
    name_certificate(&mut explanation, &certificates);
    let explainer = explanation.rule.as_ref();
    let explainer = explainer.and_then(|place| Explainer::of(&store, &options, place));
    if let Some(explainer) = explainer {
        explainer.complete(&mut explanation);
    }
    let unread = problems.iter().filter(|problem| problem.reason != SKIPPED);
    explanation.notes.extend(unread.map(ToString::to_string));
    explanation.core = None;
    Ok(explanation)
}

/// How `serve` would lower with these flags, for manifests that no cluster has.
pub(super) fn offline(args: &ServeArgs, config: &Config) -> LowerOptions {
    let entry_points = [(&config.http_bind, Scheme::Http), (&config.https_bind, Scheme::Https)];
    let entry_points = entry_points.into_iter().flat_map(|(binds, scheme)| {
        let addresses = binds.iter().flat_map(|bind| bind.addresses());
        addresses.map(move |address| EntryPoint { address, scheme })
    });
    LowerOptions {
        entry_points: entry_points.collect(),
        hsts: config.hsts,
        defaults: config.proxy.defaults.clone(),
        downstream: config.downstream.clone(),
        is_offline: true,
        ..serve::lower_options(args)
    }
}

/// Has the core know what the objects of `store` come to.
fn publish(
    publisher: &mut Publisher,
    options: &LowerOptions,
    store: &Store,
    dirty: &Dirty,
) -> Arc<[HostCertificate]> {
    let mut lowerer = Lowerer::new(options.clone());
    let lowered = lowerer.apply(store, dirty, SystemTime::now());
    let mut compiler = Compiler::default();
    compiler.set_server_tls(lowered.server_tls);
    let compiled = compiler.compile(&lowered.model.unwrap_or_default());
    for backend in compiled.added {
        let set = lowerer.endpoints(&backend.key);
        publisher.publish_endpoints(backend.id, &backend.key, &set);
    }
    publisher.publish_table(&compiled.table);
    while !publisher.all_acknowledged(compiled.table.version) || publisher.has_pending() {
        publisher.pump();
        std::thread::yield_now();
    }
    lowered.certificates
}

/// Where a process that listens at `bind` is to be found.
fn reachable(bind: Bind) -> Vec<SocketAddr> {
    let loopback = |address: SocketAddr| match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => {
            Bind::Loopback(address.port()).addresses().first().copied().unwrap_or(address)
        }
        IpAddr::V6(_) => {
            Bind::Loopback(address.port()).addresses().last().copied().unwrap_or(address)
        }
    };
    bind.addresses().into_iter().map(loopback).collect()
}

/// What the process behind an admin listener says.
fn ask(
    addresses: &[SocketAddr],
    words: &Words,
    token: Option<&TokenFile>,
) -> anyhow::Result<Explanation> {
    let token = token.map(TokenFile::token).transpose()?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let token = token.unwrap_or_default();
    let connect = |at: &SocketAddr| TcpStream::connect_timeout(at, EXPLANATION_PATIENCE).ok();
    let Some(mut stream) = addresses.iter().find_map(connect) else {
        let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        bail!(
            "no admin listener answers at {}; say --admin IP:PORT, or --manifests DIR for files",
            all.join(" or ")
        );
    };
    stream.set_read_timeout(Some(EXPLANATION_PATIENCE.saturating_mul(2)))?;
    let query = words.to_query();
    // The other lines of the head are shorter than that.
    if query.len() + token.len() > ADMIN_REQUEST_BYTES_MAX - 128 {
        bail!("the question is longer than an admin listener takes; leave long fields out");
    }
    let fields = format!("Host: ringway\r\nConnection: close\r\n{token}");
    write!(stream, "GET /explain?{query} HTTP/1.1\r\n{fields}\r\n")?;
    let mut answer = String::new();
    let most = EXPLANATION_BYTES_MAX as u64;
    stream.take(most).read_to_string(&mut answer).context("the admin listener does not answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Explanation::of_json(body).context("the admin listener answers something else"),
        "" => bail!("the admin listener closed the connection without an answer"),
        "401" => bail!("the admin listener asks for a token; say --admin-token-file FILE"),
        "404" => bail!("the process there does not explain requests: it is an older version"),
        _ => bail!("the admin listener says {status}: {}", body.trim()),
    }
}
