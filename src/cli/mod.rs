//! Commands, one file each. The only place that prints for people and decides exit codes.

pub mod check;
pub mod demo;
pub mod doctor;
mod exit;
mod explain;
mod logs;
pub mod migrate;
pub mod serve;
pub mod shell;
mod signals;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::exit::EXIT_USAGE;
use crate::config::ConfigError;
use crate::config::nginx_flags::{self, FlagError, Translated};
use crate::control::admin::TokenError;
use crate::explain::QuestionError;

/// The command line.
#[derive(Debug, clap::Parser)]
#[command(name = "ringway", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Serve what a directory of Kubernetes manifests says
    Serve(Box<serve::ServeArgs>),
    /// Try it without a cluster: three small backends, sample manifests, and the proxy
    Demo(demo::DemoArgs),
    /// Read manifests offline and print every problem in them
    ///
    /// Each problem has a code, which --explain says more about.
    ///
    /// Exit codes: 0 no problem that --fail-on is about, 1 at least one, 2 nothing could be read or
    /// nothing was checked: every file was skipped, or no Ingress is of the class.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Box<check::CheckArgs>),
    /// Say whether `serve` with the same flags can work here, and what to do where it cannot
    ///
    /// Looks at kernel, io_uring, limits, ports and clock; then at the manifests, or at the API
    /// server, our rights, classes, Ingresses and Secrets. Changes nothing and takes no port, so it
    /// may run beside a Ringway that serves: kubectl exec POD -- ringway doctor.
    ///
    /// Exit codes: 0 no error, 1 at least one error, 2 nothing could be looked at.
    Doctor(Box<serve::ServeArgs>),
    /// Say what would become of a request, and why: rule, gates, plan, backend, what goes upstream
    ///
    /// Of manifests without a network, or of the table that a running process serves by, which is
    /// asked at its admin listener. Nothing is sent. Secrets are not shown.
    ///
    /// Exit codes: 0 explained, whatever becomes of the request; 1 nobody answers; 2 bad words.
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain(Box<explain::ExplainArgs>),
    /// Say what becomes of the objects of an ingress-nginx: what works, differs, is to be changed
    ///
    /// Reads manifests without a network, such as what kubectl says of a cluster, or asks a cluster
    /// (--kubeconfig, --context), and judges each object by what `serve` would make of it. Nothing
    /// is changed. Secrets are not shown, and of a cluster not read.
    ///
    /// Exit codes: 0 all of it works, 1 something needs a change or cannot work, 2 nothing could be
    /// read or no Ingress is of its class.
    #[command(after_long_help = MIGRATE_EXAMPLES)]
    Migrate(Box<migrate::MigrateArgs>),
    /// Print what a shell needs to complete words of ringway
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions(shell::CompletionsArgs),
    /// Print a page of the manual, for man(1)
    #[command(after_long_help = MAN_EXAMPLES)]
    Man(shell::ManArgs),
}

const COMPLETIONS_EXAMPLES: &str = "Examples:
  source <(ringway completions bash)
  ringway completions zsh > ~/.zfunc/_ringway
  ringway completions fish > ~/.config/fish/completions/ringway.fish";

const MAN_EXAMPLES: &str = "Examples:
  ringway man serve | man -l -
  ringway man > /usr/local/share/man/man1/ringway.1";

const MIGRATE_EXAMPLES: &str = "Examples:
  kubectl get ingress,ingressclass,svc,configmap,deployment,daemonset,hpa,pdb -A -o yaml > all.yaml
  ringway migrate all.yaml
  ringway migrate --context production
  ringway migrate --output moving --access-log access.log all.yaml
  ringway migrate --format html deploy/examples -- --ingress-class=ringway > report.html";

const CHECK_EXAMPLES: &str = "Examples:
  ringway check deploy/examples
  ringway check --fail-on error --format sarif deploy/examples > ringway.sarif
  ringway check --explain RW1301";

const EXPLAIN_EXAMPLES: &str = "Examples:
  ringway explain --manifests deploy/examples https://shop.example/cart
  ringway explain --admin 127.0.0.1:9901 --client 192.0.2.7 https://shop.example/cart
  ringway explain --manifests DIR -- curl -H 'X-Canary: always' https://shop.example/cart";

/// What was typed, in our words; what has no effect in them is told.
fn command_line() -> Result<Vec<OsString>, FlagError> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let Ok(texts) = typed.iter().cloned().map(OsString::into_string).collect() else {
        return Ok(typed);
    };
    let Translated { args, notes } =
        nginx_flags::translate(texts, |name| std::env::var_os(name).is_some())?;
    for note in notes {
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(std::io::stderr(), "ringway: {note}"));
    }
    Ok(args.into_iter().map(OsString::from).collect())
}

/// Runs the process to its end.
#[must_use]
pub fn run() -> ExitCode {
    let args = match command_line() {
        Ok(args) => args,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "ringway: {error}"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let result = match Cli::parse_from(args).command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args, &mut std::io::stdout().lock()),
        Command::Doctor(args) => doctor::run(&args, &mut std::io::stdout().lock()),
        Command::Explain(args) => explain::run(&args, &mut std::io::stdout().lock()),
        Command::Migrate(args) => migrate::run(&args, &mut std::io::stdout().lock()),
        Command::Completions(args) => {
            shell::completions(&args, Cli::command(), &mut std::io::stdout().lock())
        }
        Command::Man(args) => shell::man(&args, Cli::command(), &mut std::io::stdout().lock()),
    };
    result.unwrap_or_else(|error| {
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(std::io::stderr(), "ringway: {error:#}"));
        let is_usage = error.is::<ConfigError>()
            || error.is::<check::CheckError>()
            || error.is::<check::NoSuchCode>()
            || error.is::<QuestionError>()
            || error.is::<TokenError>()
            || error.is::<migrate::MigrateError>()
            || error.is::<doctor::DoctorError>();
        if is_usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_are_said_to_be_ours_are() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("serve");
        for name in nginx_flags::ours() {
            let is_there = serve.get_arguments().any(|arg| arg.get_long() == Some(name));
            assert!(is_there, "--{name}");
        }
    }
}
