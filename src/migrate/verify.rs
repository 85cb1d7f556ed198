//! A shell script that asks both controllers for every host and path and compares what they say.

use super::facts::{DIALECT, Facts, World};
use crate::control::store::Store;
use crate::model::{ObjectRef, parse_bool};

/// What stands in a pattern of a path and ends the text that is as it is written.
const PATTERN: [char; 13] = ['(', '[', '.', '*', '+', '?', '^', '$', '|', '\\', '{', ')', ']'];
/// For the star of a wildcard host.
const LABEL: &str = "ringway-verify";

const SCRIPT: &str = r#"#!/bin/sh
# Asks two controllers for every host and path and compares status, Location, Content-Type and
# WWW-Authenticate of what they answer. Only GET is sent; certificates are not verified.
#
#   sh verify.sh OLD NEW [CURL OPTIONS]
#   sh verify.sh 192.0.2.10 192.0.2.20
#   sh verify.sh 127.0.0.1:8080:8443 127.0.0.1:9080:9443   # with the ports of http and https
#
# Exit codes: 0 no differences, 1 differences, 2 it could not be asked.
set -u
[ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
old=$1 new=$2
shift 2
command -v curl >/dev/null || { echo "curl is needed" >&2; exit 2; }
asked=0 differ=0 failed=0

port() { # ADDRESS SCHEME
    rest=${1#*:}
    case $1 in *:*:*) [ "$2" = http ] && echo "${rest%%:*}" || echo "${rest#*:}" ;;
    *:*) echo "$rest" ;; *) [ "$2" = http ] && echo 80 || echo 443 ;; esac
}

say() { # ADDRESS SCHEME HOST PATH
    at=$1 scheme=$2 host=$3 path=$4
    shift 4
    usual=$([ "$scheme" = http ] && echo 80 || echo 443)
    curl -gsk --path-as-is --max-time 20 -o /dev/null -D - "$@" \
        --connect-to "$host:$usual:${at%%:*}:$(port "$at" "$scheme")" "$scheme://$host$path" |
        tr -d '\r' | awk 'NR == 1 { print "status: " $2 }
            tolower($1) ~ /^(location|content-type|www-authenticate):$/ {
                $1 = tolower($1); print
            }' |
        sort
}

check() { # SCHEME HOST PATH OBJECT
    scheme=$1 host=$2 path=$3 object=$4
    shift 4
    one=$(say "$old" "$scheme" "$host" "$path" "$@")
    two=$(say "$new" "$scheme" "$host" "$path" "$@")
    asked=$((asked + 1))
    if [ -z "$one" ] || [ -z "$two" ]; then
        failed=$((failed + 1))
        echo "NO ANSWER $scheme://$host$path ($object):${one:+ old answers}${two:+ new answers}"
    elif [ "$one" != "$two" ]; then
        differ=$((differ + 1))
        echo "DIFFERENT $scheme://$host$path ($object)"
        echo "$one" | sed 's/^/    old  /'
        echo "$two" | sed 's/^/    new  /'
    fi
}

"#;

const END: &str = r#"
echo "$asked asked, $differ different, $failed without an answer"
[ "$failed" -eq 0 ] || exit 2
[ "$differ" -eq 0 ]
"#;

/// The script for the Ingresses `ours`.
pub(super) fn script(store: &Store, ours: &[ObjectRef], world: &World) -> String {
    let mut lines = Vec::new();
    for reference in ours {
        let Some(entry) = store.ingresses.get(reference) else { continue };
        let annotations = entry.object.metadata.annotations.as_ref();
        let canary = annotations.and_then(|all| all.get(&format!("{DIALECT}canary")));
        if canary.is_some_and(|value| parse_bool(value) == Some(true)) {
            continue;
        }
        let facts = Facts::of(&entry.object, world);
        for (host, path) in facts.places() {
            if !is_name(host.strip_prefix("*.").unwrap_or(host)) {
                continue;
            }
            let host = match host.strip_prefix("*.") {
                Some(suffix) => format!("{LABEL}.{suffix}"),
                None if host.is_empty() => format!("{LABEL}.invalid"),
                None => host.to_owned(),
            };
            for scheme in ["http", "https"] {
                let [host, path, object] =
                    [&host, &literal(path), &reference.to_string()].map(|text| quoted(text));
                lines.push(format!("check {scheme} {host} {path} {object} \"$@\"\n"));
            }
        }
    }
    lines.sort();
    lines.dedup();
    SCRIPT.to_owned() + &lines.concat() + END
}

/// A path that a pattern matches by the text it begins with; of a text the text.
fn literal(path: &str) -> String {
    let end = path.find(PATTERN).unwrap_or(path.len());
    let (text, rest) = path.split_at_checked(end).unwrap_or((path, ""));
    // A dot is a text in most paths that are no patterns.
    let is_text = !rest.contains(['(', '[', '*', '+', '?', '^', '$', '|', '\\', '{']);
    let text = if is_text { path } else { text };
    let safe = text.bytes().all(|c| c.is_ascii_graphic());
    if text.starts_with('/') && safe { text.to_owned() } else { "/".to_owned() }
}

/// Whether a host is one that curl may be asked for; empty: all hosts. So are names of objects.
pub(super) fn is_name(host: &str) -> bool {
    let is_letter = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    host.bytes().all(is_letter) && !host.starts_with('-')
}

/// One word of a shell, in quotes where it needs them.
pub(super) fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && is_name(text);
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_asked_as_far_as_they_are_texts() {
        for (path, expected) in [
            ("/", "/"),
            ("/a.b", "/a.b"),
            ("/api(/|$)(.*)", "/api"),
            ("/item/[0-9]+$", "/item/"),
            ("^/a", "/"),
            ("/a b", "/"),
        ] {
            assert_eq!(literal(path), expected, "{path}");
        }
    }

    #[test]
    fn hosts_that_are_no_names_are_not_asked() {
        for (host, expected) in [
            ("", true),
            ("a_b.x-y.example", true),
            ("$(reboot).example", false),
            ("a'b", false),
            ("a b", false),
            ("a:80", false),
            ("-o", false),
        ] {
            assert_eq!(is_name(host), expected, "{host}");
        }
    }

    #[test]
    fn nothing_leaves_its_quotes() {
        assert_eq!((word("ingress-nginx"), word("")), ("ingress-nginx".into(), "''".into()));
        assert_eq!(quoted("a'; rm -rf / #"), r"'a'\''; rm -rf / #'");
    }
}
