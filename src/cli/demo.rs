//! `ringway demo`: three embedded backends, sample manifests, and the proxy in front of them.
//!
//! Needs no cluster and no set-up. It never overwrites what the user edited, never leaves loopback,
//! and starts the proxy exactly as `ringway serve` does.

mod backend;
mod manifests;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::serve::ServeArgs;
use crate::config::Bind;
use backend::DemoBackend;
use manifests::Written;

/// First of the ports that the backends ask for, so that manifests stay valid from run to run.
const PREFERRED_PORT: u16 = 18_081;

/// Flags of `ringway demo`; everything else is as `ringway serve` has it by default.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Where the sample manifests are written; files that exist there are kept.
    #[arg(long, value_name = "DIR", default_value = "ringway-demo")]
    pub dir: PathBuf,
    /// Where the proxy listens for plain HTTP; port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "localhost:8080")]
    pub http_bind: Bind,
    /// Where the proxy listens for TLS; port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "localhost:8443")]
    pub https_bind: Bind,
    /// Where metrics and health are served; port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "localhost:9901")]
    pub admin_bind: Bind,
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// The directory cannot be written, or a port is in use.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let demo = Demo::prepare(args)?;
    let serve = demo.serve.args()?;
    super::serve::run_with(&serve, |bound| {
        let first = |bound: &[SocketAddr]| bound.first().copied().context("nothing listens");
        let (http, admin) = (first(&bound.http)?, first(&bound.admin)?);
        demo.print_guide(http, admin).context("standard output is closed")
    })
}

/// What `ringway serve` has to be told: nothing but these differ from its defaults.
#[derive(Debug, Clone)]
pub struct DemoServe {
    /// `--manifests`.
    pub manifests: PathBuf,
    /// `--http-bind`.
    pub http_bind: Bind,
    /// `--https-bind`.
    pub https_bind: Bind,
    /// `--admin-bind`.
    pub admin_bind: Bind,
}

impl DemoServe {
    /// The same as flags: everything else has the default or the environment's value.
    fn args(&self) -> anyhow::Result<ServeArgs> {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            serve: ServeArgs,
        }
        let flags: [OsString; 11] = [
            "ringway".into(),
            "--manifests".into(),
            self.manifests.clone().into(),
            "--http-bind".into(),
            self.http_bind.to_string().into(),
            "--https-bind".into(),
            self.https_bind.to_string().into(),
            "--admin-bind".into(),
            self.admin_bind.to_string().into(),
            // Nobody balances load to a demo.
            "--drain-delay".into(),
            "0".into(),
        ];
        let parsed = <Flags as clap::Parser>::try_parse_from(flags);
        Ok(parsed.context("the environment holds an unusable RINGWAY_ variable")?.serve)
    }
}

/// Backends that run, for as long as this lives.
#[derive(Debug)]
pub struct Demo {
    /// For `serve`, which starts the proxy.
    pub serve: DemoServe,
    backends: Vec<DemoBackend>,
    written: Written,
}

impl Demo {
    /// Starts the backends and writes the manifests.
    ///
    /// # Errors
    /// The environment is at fault: the directory cannot be written, or no loopback port is free.
    pub fn prepare(args: &DemoArgs) -> anyhow::Result<Self> {
        let backends = start_backends()?;
        let addresses: Vec<_> = backends.iter().map(|b| (b.name(), b.address())).collect();
        let written = manifests::write(&args.dir, &addresses).with_context(|| {
            format!("cannot write the sample manifests to {}", args.dir.display())
        })?;
        let serve = DemoServe {
            manifests: args.dir.clone(),
            http_bind: args.http_bind,
            https_bind: args.https_bind,
            admin_bind: args.admin_bind,
        };
        Ok(Self { serve, backends, written })
    }

    /// Tells what to try, once the proxy listens.
    ///
    /// Shape: `http` and `admin` are what was bound, never port 0.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn print_guide(&self, http: SocketAddr, admin: SocketAddr) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for backend in &self.backends {
            writeln!(out, "backend {:<8} {}", backend.name(), backend.address())?;
        }
        let folder = self.serve.manifests.display();
        let kept = self.written.kept.len();
        let note =
            if kept == 0 { String::new() } else { format!(" ({kept} kept as you left them)") };
        writeln!(out, "manifests        {folder}/{note}\n")?;
        out.write_all(guide(http, admin, &self.serve.manifests).as_bytes())?;
        out.flush()
    }
}

fn start_backends() -> anyhow::Result<Vec<DemoBackend>> {
    let names = ["hello-1", "hello-2", "echo-1"];
    let ports = PREFERRED_PORT..;
    let started = names.into_iter().zip(ports).map(|(name, port)| start_backend(name, port));
    started.collect::<io::Result<_>>().context("no loopback port is free for the demo backends")
}

/// On its preferred port; on any free one where that is taken.
fn start_backend(name: &'static str, port: u16) -> io::Result<DemoBackend> {
    let at = |port| DemoBackend::start(name, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match at(port) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => at(0),
        result => result,
    }
}

fn guide(http: SocketAddr, admin: SocketAddr, folder: &Path) -> String {
    let ingress = folder.join(manifests::INGRESS_FILE);
    let tries = [
        (format!("http://{http}/"), "two endpoints, in turn"),
        (format!("http://{http}/echo/abc?x=y"), "another Service, by path"),
        (format!("http://{http}/any/path -H 'Host: hello.localhost'"), "a rule of one host"),
        (format!("http://{http}/nowhere"), "no rule: 404"),
        (format!("http://{admin}/metrics"), "what the proxy counts"),
    ];
    let width = tries.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
    let tries: String =
        tries.iter().map(|(what, why)| format!("  curl {what:width$}   # {why}\n")).collect();
    format!(
        "Try:\n{tries}\n\
         Then edit {}: change a path, save, ask again.\n\
         It is live at once, and no connection is cut. A mistake is told here, with its line.\n\
         Ctrl-C ends the demo.\n",
        ingress.display()
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;

    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.write_all(request.as_bytes()).expect("send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    }

    #[test]
    fn taken_port_is_replaced_by_a_free_one() {
        let first = start_backend("first", 0).expect("start");
        let second = start_backend("second", first.address().port()).expect("start");
        assert_ne!(first.address(), second.address());
        let answer = ask(second.address(), "GET / HTTP/1.0\r\n\r\n");
        assert!(answer.contains("second"), "{answer}");
    }

    #[test]
    fn guide_names_bound_addresses_and_the_file_to_edit() {
        let http: SocketAddr = "127.0.0.1:4711".parse().expect("address");
        let text = guide(http, "127.0.0.1:9901".parse().expect("address"), Path::new("demo"));
        for part in ["127.0.0.1:4711/", "9901/metrics", "# no rule: 404", "demo/ingress.yaml"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn demo_prepares_backends_and_manifests() {
        let folder = tempfile::tempdir().expect("folder");
        let args = DemoArgs {
            dir: folder.path().join("demo"),
            http_bind: "127.0.0.1:0".parse().expect("address"),
            https_bind: "127.0.0.1:0".parse().expect("address"),
            admin_bind: "127.0.0.1:0".parse().expect("address"),
        };
        let demo = Demo::prepare(&args).expect("prepare");
        assert_eq!(demo.backends.len(), 3);
        let slices = std::fs::read_to_string(args.dir.join("endpoints.yaml")).expect("slices");
        for backend in &demo.backends {
            assert!(slices.contains(&format!("port: {}", backend.address().port())), "{slices}");
        }
    }
}
