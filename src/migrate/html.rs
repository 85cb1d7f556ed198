//! The report as one HTML file: no script, no request to anybody.

use std::fmt::{self, Display};

use super::markdown::{heading, lines};
use super::report::{Differing, Judged, Replayed, Report, Verdict};

/// Shows a report as HTML.
pub struct Html<'a>(pub &'a Report);

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--bad:#c62828;--change:#b26a00;--differs:#1565c0;\
--works:#2e7d32}\
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--change:#ffcc80;--differs:#90caf9;\
--works:#a5d6a7}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
code,pre{font:14px/1.45 ui-monospace,monospace}pre{overflow:auto;padding:.75rem;\
border:1px solid var(--line);border-radius:6px}table{border-collapse:collapse}\
td,th{padding:.25rem .75rem;border-bottom:1px solid var(--line);text-align:left}\
details{border-bottom:1px solid var(--line);padding:.4rem 0}summary{cursor:pointer}\
li{overflow-wrap:anywhere}small{opacity:.75}\
.cannot-work{color:var(--bad)}.needs-change{color:var(--change)}.differs{color:var(--differs)}\
.works{color:var(--works)}";

impl Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        write!(
            f,
            "<!doctype html><html lang=en><head><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width,initial-scale=1\">\
             <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; \
             style-src 'unsafe-inline'\"><title>From ingress-nginx to Ringway</title>\
             <style>{STYLE}</style></head><body><main><h1>From ingress-nginx to Ringway</h1><ul>"
        )?;
        for line in report.head() {
            write!(f, "<li>{}", Words(&line))?;
        }
        write!(f, "</ul><table><tr><th>Verdict<th>Ingresses<th>%")?;
        for total in &report.totals {
            let (class, number) = (class(total.verdict), total.ingresses);
            let (words, percent) = (heading(total.verdict), total.percent);
            write!(f, "<tr><td class={class}>{words}<td>{number}<td>{percent:.1}")?;
        }
        write!(f, "</table>")?;
        if let Some(requests) = &report.requests {
            self.requests(f, requests)?;
        }
        for verdict in Verdict::ALL {
            let objects: Vec<_> =
                report.objects.iter().filter(|object| object.verdict == verdict).collect();
            if objects.is_empty() {
                continue;
            }
            let (class, words) = (class(verdict), heading(verdict));
            write!(f, "<h2 class={class}>{words} ({})</h2>", objects.len())?;
            objects.into_iter().try_for_each(|object| self.object(f, object))?;
        }
        writeln!(f, "</main></body></html>")
    }
}

impl Html<'_> {
    fn requests(&self, f: &mut fmt::Formatter<'_>, requests: &Replayed) -> fmt::Result {
        write!(f, "<h2>Requests of the access log</h2><ul>")?;
        for line in requests.lines() {
            write!(f, "<li>{}", Words(&line))?;
        }
        write!(f, "</ul><table><tr><th>Requests<th>Host and path<th>ingress-nginx<th>Ringway")?;
        for Differing { host, path, requests, there, here } in &requests.differences {
            let place = format!("{host}{path}");
            write!(f, "<tr><td>{requests}<td><code>{}</code>", Plain(&place))?;
            write!(f, "<td>{}<td>{}", Words(there), Words(here))?;
        }
        write!(f, "</table>")
    }

    fn object(&self, f: &mut fmt::Formatter<'_>, object: &Judged) -> fmt::Result {
        let open = if object.verdict >= Verdict::NeedsChange { " open" } else { "" };
        let place = object.place.as_deref().unwrap_or_default();
        write!(f, "<details{open}><summary>{}", Words(&object.title()))?;
        write!(f, " <small>{}</small></summary><ul>", Words(place))?;
        for line in lines(&object.findings) {
            write!(f, "<li>{}", Words(&line))?;
        }
        write!(f, "</ul>")?;
        if let Some(change) = &object.change {
            write!(f, "<pre>{}</pre>", Plain(change))?;
        }
        write!(f, "</details>")
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::CannotWork => "cannot-work",
        Verdict::NeedsChange => "needs-change",
        Verdict::Differs => "differs",
        Verdict::Works => "works",
    }
}

/// Text that shows as it is.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => write!(f, "{c}"),
        })
    }
}

/// The same, with code and strong words of Markdown.
struct Words<'a>(&'a str);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, part) in self.0.split('`').enumerate() {
            match nth % 2 {
                0 => {
                    for (nth, part) in part.split("**").enumerate() {
                        match nth % 2 {
                            0 => write!(f, "{}", Plain(part))?,
                            _ => write!(f, "<strong>{}</strong>", Plain(part))?,
                        }
                    }
                }
                _ => write!(f, "<code>{}</code>", Plain(part))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        for (text, expected) in [
            ("a <b> & 'c'", "a &lt;b&gt; &amp; &#39;c&#39;"),
            ("**Needs**: `<x>` y", "<strong>Needs</strong>: <code>&lt;x&gt;</code> y"),
        ] {
            assert_eq!(Words(text).to_string(), expected);
        }
        assert_eq!(Plain("\"<").to_string(), "&quot;&lt;");
    }
}
