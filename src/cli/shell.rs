//! `ringway completions` and `ringway man`: what shells and man(1) are told of our words, made from
//! the table that `--help` is made from; never words of its own.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::check::whoever_reads;

/// Commands that have a page.
const PAGES: [&str; 8] =
    ["serve", "demo", "check", "doctor", "explain", "migrate", "completions", "man"];

/// Flags of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Who completes
    pub shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The command that the page is about [default: all of it, in short]
    #[arg(value_parser = PAGES)]
    pub command: Option<String>,
}

/// Prints a script for a shell that knows all of `command`.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn completions(
    args: &CompletionsArgs,
    mut command: clap::Command,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ringway", &mut script);
    print(&script, out)
}

/// Prints a page about `command`, or one of its own commands, in the language of man(1).
///
/// # Errors
/// `out` cannot be written.
pub(super) fn man(
    args: &ManArgs,
    command: clap::Command,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let wanted = args.command.as_ref().and_then(|name| command.find_subcommand(name).cloned());
    Man::new(wanted.unwrap_or(command)).render(&mut page).context("the page cannot be made")?;
    print(&page, out)
}

fn print(text: &[u8], out: &mut impl Write) -> anyhow::Result<ExitCode> {
    whoever_reads(out.write_all(text)).context("it cannot be printed")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, ValueEnum as _};

    use super::*;
    use crate::cli::Cli;

    /// The text of a page, or of a script, without what the language escapes.
    fn text(print: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<ExitCode>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap().replace("\\-", "-")
    }

    #[test]
    fn every_command_has_a_page_with_every_flag() {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names, PAGES);
        let short = text(|out| man(&ManArgs { command: None }, Cli::command(), out));
        for of in command.get_subcommands() {
            let name = of.get_name();
            assert!(short.contains(&format!("ringway-{name}(1)")), "{short}");
            let args = ManArgs { command: Some(name.to_owned()) };
            let page = text(|out| man(&args, Cli::command(), out));
            assert!(page.contains(&format!(".TH ringway-{name} 1")), "{page}");
            for flag in of.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(page.contains(&format!("--{flag}")), "{name} --{flag}");
            }
        }
    }

    #[test]
    fn every_shell_is_told_every_command_and_flag() {
        let mut command = Cli::command();
        command.build();
        for shell in Shell::value_variants() {
            let args = CompletionsArgs { shell: *shell };
            let script = text(|out| completions(&args, Cli::command(), out));
            for of in command.get_subcommands() {
                assert!(script.contains(of.get_name()), "{shell} {}", of.get_name());
                for flag in of.get_arguments().filter_map(clap::Arg::get_long) {
                    assert!(script.contains(flag), "{shell} {} --{flag}", of.get_name());
                }
            }
        }
    }
}
