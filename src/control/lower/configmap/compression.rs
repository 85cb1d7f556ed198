//! Compression of responses.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{flag, set};
use crate::control::lower::ingress::annotations::row::State::Supported;
use crate::control::lower::regex_path::{self, Case};
use crate::filter::{CodingPolicy, Compression, MediaTypes};
use crate::limits::{COMPRESSED_TYPES_MAX, USER_AGENT_PATTERN_BYTES_MAX, ZSTD_LEVEL_MAX};
use crate::model::CompressionPolicy;

pub(super) const KEYS: &[Key] = &[
    key("brotli-level", "4", Supported)
        .put(|text, globals| level(text, 0..=11, &mut brotli(globals).level))
        .doc("How much brotli tries, from 0 to 11; above 6 it takes much time and memory."),
    key("brotli-min-length", "20", Supported)
        .put(|text, globals| length(text, &mut brotli(globals).bytes_min))
        .doc("Shortest response that it compresses, where its length is known."),
    key("brotli-types", "those of gzip-types", Supported)
        .put(|text, globals| types(text, &mut brotli(globals).types))
        .doc("Media types that it compresses, text/html besides; `*`: all."),
    key("enable-brotli", "false", Supported)
        .put(|text, globals| set(&mut brotli(globals).is_on, flag(text)))
        .doc("Responses are compressed by brotli."),
    key("enable-zstd", "false", Supported)
        .put(|text, globals| set(&mut zstd(globals).is_on, flag(text)))
        .doc("Responses are compressed by zstd. Not a key of ingress-nginx."),
    key("gzip-disable", "", Supported)
        .put(gzip_disable)
        .doc("User-Agents that get nothing by gzip: a regular expression, or msie6."),
    key("gzip-level", "1", Supported)
        .put(|text, globals| level(text, 1..=9, &mut gzip(globals).level))
        .doc("How much gzip tries, from 1 to 9."),
    key("gzip-min-length", "256", Supported)
        .put(|text, globals| length(text, &mut gzip(globals).bytes_min))
        .doc("Shortest response that it compresses, where its length is known."),
    key("gzip-types", Compression::TYPES, Supported)
        .put(|text, globals| types(text, &mut gzip(globals).types))
        .doc("Media types that it compresses, text/html besides; `*`: all."),
    key("use-gzip", "false", Supported)
        .put(|text, globals| set(&mut gzip(globals).is_on, flag(text)))
        .doc("Responses are compressed by gzip."),
    key("zstd-level", "3", Supported)
        .put(|text, globals| level(text, 1..=ZSTD_LEVEL_MAX, &mut zstd(globals).level))
        .doc("How much zstd tries, from 1 to 9. Not a key of ingress-nginx."),
    key("zstd-min-length", "256", Supported)
        .put(|text, globals| length(text, &mut zstd(globals).bytes_min))
        .doc("Shortest response that it compresses. Not a key of ingress-nginx."),
    key("zstd-types", "those of gzip-types", Supported)
        .put(|text, globals| types(text, &mut zstd(globals).types))
        .doc("Media types that it compresses. Not a key of ingress-nginx."),
];

fn policy(globals: &mut Globals) -> &mut CompressionPolicy {
    Arc::make_mut(&mut globals.defaults.compression)
}

fn brotli(globals: &mut Globals) -> &mut CodingPolicy {
    &mut policy(globals).codings.brotli
}

fn zstd(globals: &mut Globals) -> &mut CodingPolicy {
    &mut policy(globals).codings.zstd
}

fn gzip(globals: &mut Globals) -> &mut CodingPolicy {
    &mut policy(globals).codings.gzip
}

fn level(text: &str, range: RangeInclusive<u8>, place: &mut u8) -> Result<(), String> {
    let level = text.parse().ok().filter(|level| range.contains(level));
    let (least, most) = (range.start(), range.end());
    *place = level.ok_or_else(|| format!("it is no number from {least} to {most}"))?;
    Ok(())
}

fn length(text: &str, place: &mut u64) -> Result<(), String> {
    *place = text.parse::<u32>().or(Err("it is no number of octets"))?.into();
    Ok(())
}

fn types(text: &str, place: &mut MediaTypes) -> Result<(), String> {
    *place = media_types(text)?;
    Ok(())
}

/// Media types with blanks between.
pub(in crate::control::lower) fn media_types(text: &str) -> Result<MediaTypes, String> {
    let names = text.split_ascii_whitespace();
    let is_type = |name: &str| {
        let is_part = |part: &str| {
            let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte);
            !part.is_empty() && part.bytes().all(is_known)
        };
        name == "*" || name.split_once('/').is_some_and(|(a, b)| is_part(a) && is_part(b))
    };
    if let Some(name) = names.clone().find(|name| !is_type(name)) {
        return Err(format!("{name:?} is no media type"));
    }
    if names.clone().count() > COMPRESSED_TYPES_MAX {
        return Err(format!("there are more than {COMPRESSED_TYPES_MAX} media types"));
    }
    Ok(MediaTypes::new(names))
}

/// Case does not count, as in nginx.
fn gzip_disable(text: &str, globals: &mut Globals) -> Result<(), String> {
    if text.len() > USER_AGENT_PATTERN_BYTES_MAX {
        return Err(format!("it has more than {USER_AGENT_PATTERN_BYTES_MAX} octets"));
    }
    let text = if text == "msie6" { r"MSIE [4-6]\." } else { text };
    let pattern = regex_path::somewhere(text, Case::Ignored).map_err(|error| error.to_string())?;
    policy(globals).gzip_refused = Some(pattern);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::lower::configmap::groups;
    use crate::model::Pattern;

    /// What keys come to, or what is wrong with the first bad one.
    fn read(data: &[(&str, &str)]) -> Result<CompressionPolicy, String> {
        let mut globals = Globals::default();
        for (name, value) in data {
            let key = groups::find(name).unwrap_or_else(|| panic!("{name}"));
            key.put_into(value, &mut globals)?;
        }
        Ok((*globals.defaults.compression).clone())
    }

    #[test]
    fn keys_say_what_is_compressed_and_how() {
        let mut expected = CompressionPolicy::default();
        assert!(!expected.codings.is_on());
        let coding = |level, bytes_min, types: &[&str]| CodingPolicy {
            is_on: true,
            level,
            bytes_min,
            types: MediaTypes::new(types.iter().copied()),
        };
        expected.codings.gzip = coding(9, 0, &["text/plain", "application/x.y+json"]);
        expected.codings.brotli = coding(11, 7, &["*"]);
        expected.codings.zstd = coding(9, 4_294_967_295, &["text/html"]);
        expected.gzip_refused = Pattern::new("(?i)curl|wget").ok();
        let found = read(&[
            ("use-gzip", "true"),
            ("gzip-level", "9"),
            ("gzip-min-length", "0"),
            ("gzip-types", " text/plain   application/X.y+json"),
            ("gzip-disable", "curl|wget"),
            ("enable-brotli", "T"),
            ("brotli-level", "11"),
            ("brotli-min-length", "7"),
            ("brotli-types", "text/css *"),
            ("enable-zstd", "1"),
            ("zstd-level", "9"),
            ("zstd-min-length", "4294967295"),
            ("zstd-types", "text/html"),
        ]);
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn old_browsers_have_a_name() {
        let policy = read(&[("gzip-disable", "msie6")]).expect("it is known");
        let refused = policy.gzip_refused.expect("a pattern");
        for (agent, expected) in [
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", true),
            ("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0)", false),
            ("curl/8", false),
        ] {
            assert_eq!(refused.is_match(agent.as_bytes()), expected, "{agent}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let long = "a".repeat(USER_AGENT_PATTERN_BYTES_MAX + 1);
        let many = "a/b ".repeat(COMPRESSED_TYPES_MAX + 1);
        for (name, value, expected) in [
            ("use-gzip", "x", "it is no truth value"),
            ("gzip-level", "0", "it is no number from 1 to 9"),
            ("gzip-level", "10", "it is no number from 1 to 9"),
            ("brotli-level", "12", "it is no number from 0 to 11"),
            ("zstd-level", "10", "it is no number from 1 to 9"),
            ("gzip-min-length", "1k", "it is no number of octets"),
            ("gzip-min-length", "-1", "it is no number of octets"),
            ("gzip-types", "text/plain,text/css", "\"text/plain,text/css\" is no media type"),
            ("gzip-types", "text", "\"text\" is no media type"),
            ("brotli-types", "text/ ", "\"text/\" is no media type"),
            ("zstd-types", &many, "there are more than 256 media types"),
            ("gzip-disable", &long, "it has more than 4096 octets"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(expected.to_owned()), "{name}");
        }
        let pattern = read(&[("gzip-disable", "(")]);
        assert_eq!(pattern, Err("not a usable regular expression: unclosed group".to_owned()));
    }
}
