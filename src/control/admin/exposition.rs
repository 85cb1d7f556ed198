//! The text format of Prometheus, version 0.0.4: what ingress-nginx serves, where counters keep the
//! names that they have.

use std::fmt::Write as _;

/// `Content-Type` of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How the value of a family goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

/// A text that is written. Writing to a `String` cannot fail.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    out: String,
}

impl Exposition {
    /// Begins with what is said in `OpenMetrics`: counters and infos have their suffixes in their
    /// names here.
    pub(super) fn of_openmetrics(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        let mut help = None;
        for line in text.lines() {
            if line.starts_with("# HELP ") {
                help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                if let Some((_, help)) = help.take() {
                    writeln!(out, "# HELP {name}{suffix} {help}").unwrap_or_default();
                }
                writeln!(out, "# TYPE {name}{suffix} {kind}").unwrap_or_default();
            } else if !line.starts_with('#') {
                out.push_str(line);
                out.push('\n');
            }
        }
        Self { out }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn family(&mut self, name: &str, help: &str, kind: FamilyKind) {
        let kind = match kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        };
        write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n").unwrap_or_default();
    }

    /// One value; `labels` are written already.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let braces = if labels.is_empty() { ["", ""] } else { ["{", "}"] };
        writeln!(self.out, "{name}{}{labels}{} {value}", braces[0], braces[1]).unwrap_or_default();
    }

    /// A histogram: upper bounds as they are written, and counts that are not cumulative, one more.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        labels: &str,
        bounds: &[String],
        counts: &[u64],
        sum: f64,
    ) {
        let mut count = 0_u64;
        let bounds = bounds.iter().map(String::as_str).chain(std::iter::once("+Inf"));
        for (bound, n) in bounds.zip(counts) {
            count = count.wrapping_add(*n);
            writeln!(self.out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")
                .unwrap_or_default();
        }
        write!(self.out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n")
            .unwrap_or_default();
    }
}

/// Labels as they stand between braces.
pub(super) fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(',');
        }
        write!(out, "{name}=\"").unwrap_or_default();
        for char in value.chars() {
            match char {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                char => out.push(char),
            }
        }
        out.push('"');
    }
    out
}

/// An upper bound as Go writes it, by which queries name it: `1e+06`, not `1000000`.
pub(super) fn bound(value: f64) -> String {
    if (1e-4..1e6).contains(&value) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_go_does() {
        for (value, expected) in [
            (0.005, "0.005"),
            (1.0, "1"),
            (2.5, "2.5"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (1e7, "1e+07"),
            (1_234_567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.000_025, "2.5e-05"),
        ] {
            assert_eq!(bound(value), expected);
        }
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(labels([("a", "x"), ("b", "\"\\\n")]), r#"a="x",b="\"\\\n""#);
        assert_eq!(labels([]), "");
    }

    #[test]
    fn openmetrics_is_said_in_the_older_words() {
        let text = "# HELP a Help.\n# TYPE a counter\na_total{x=\"# TYPE\"} 1\n# HELP b B b.\n\
                    # TYPE b info\nb_info{v=\"1\"} 1\n# TYPE c gauge\n# UNIT c x\nc 2\n\
                    # HELP d D.\n# TYPE d unknown\nd 3\n# EOF\n";
        let expected = "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"# TYPE\"} 1\n\
                        # HELP b_info B b.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
                        # TYPE c gauge\nc 2\n# HELP d D.\n# TYPE d untyped\nd 3\n";
        assert_eq!(Exposition::of_openmetrics(text).finish(), expected);
    }

    #[test]
    fn histograms_are_cumulative() {
        let mut out = Exposition::default();
        out.family("h", "Help.", FamilyKind::Histogram);
        out.histogram("h", "a=\"b\"", &["1".to_owned(), "2".to_owned()], &[1, 0, 2], 7.5);
        let expected = "# HELP h Help.\n# TYPE h histogram\nh_bucket{a=\"b\",le=\"1\"} 1\n\
                        h_bucket{a=\"b\",le=\"2\"} 1\nh_bucket{a=\"b\",le=\"+Inf\"} 3\n\
                        h_sum{a=\"b\"} 7.5\nh_count{a=\"b\"} 3\n";
        assert_eq!(out.finish(), expected);
    }
}
