//! The report as Markdown.

use std::fmt::{self, Display};

use super::report::{Differing, Finding, Judged, Replayed, Report, Shown, Verdict};

/// Shows a report as Markdown.
pub struct Markdown<'a>(pub &'a Report);

impl Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        writeln!(f, "# From ingress-nginx to Ringway\n")?;
        for line in report.head() {
            writeln!(f, "- {line}")?;
        }
        writeln!(f, "\n| Verdict | Ingresses | % |\n|---|---|---|")?;
        for total in &report.totals {
            let (words, number) = (total.verdict.words(), total.ingresses);
            writeln!(f, "| {words} | {number} | {:.1} |", total.percent)?;
        }
        if let Some(requests) = &report.requests {
            self.requests(f, requests)?;
        }
        for verdict in Verdict::ALL {
            let objects = || report.objects.iter().filter(move |it| it.verdict == verdict);
            if objects().next().is_none() {
                continue;
            }
            writeln!(f, "\n## {}", heading(verdict))?;
            for object in objects() {
                self.object(f, object)?;
            }
        }
        Ok(())
    }
}

impl Markdown<'_> {
    fn requests(&self, f: &mut fmt::Formatter<'_>, requests: &Replayed) -> fmt::Result {
        writeln!(f, "\n## Requests of the access log\n")?;
        for line in requests.lines() {
            writeln!(f, "- {line}")?;
        }
        if requests.differences.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n| Requests | Host and path | ingress-nginx | Ringway |\n|---|---|---|---|")?;
        for Differing { host, path, requests, there, here } in &requests.differences {
            let place = code(&format!("{host}{path}")).replace('|', "\\|");
            let [there, here] = [there, here].map(|text| text.replace('|', "\\|"));
            writeln!(f, "| {requests} | {place} | {there} | {here} |")?;
        }
        Ok(())
    }

    fn object(&self, f: &mut fmt::Formatter<'_>, object: &Judged) -> fmt::Result {
        let place = object.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        if object.findings.is_empty() {
            return writeln!(f, "\n### {}{place}", object.title());
        }
        writeln!(f, "\n### {}{place}\n", object.title())?;
        for line in lines(&object.findings) {
            writeln!(f, "- {line}")?;
        }
        if let Some(change) = &object.change {
            writeln!(f, "\n```yaml\n{}\n```", change.trim_end())?;
        }
        Ok(())
    }
}

/// As the heading of what comes to it.
pub(super) fn heading(verdict: Verdict) -> String {
    let words = verdict.words();
    let (first, rest) = words.split_at_checked(1).unwrap_or_default();
    first.to_ascii_uppercase() + rest
}

/// Findings, a line each; those that are shown briefly share one.
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    let briefly = |is_difference: bool| {
        let all = findings.iter().filter(move |finding| {
            finding.shown == Shown::Briefly && finding.there.is_some() == is_difference
        });
        all.map(subject).collect::<Vec<_>>().join("; ")
    };
    let whole = findings.iter().filter(|finding| finding.shown == Shown::Whole);
    let mut lines: Vec<_> = whole.map(line).collect();
    let (rare, unseen) = (briefly(true), briefly(false));
    if !rare.is_empty() {
        lines.push(format!("Differences that are rarely met, of docs/compatibility.md: {rare}."));
    }
    if !unseen.is_empty() {
        lines.push(format!("Not judged, as what it names was not read: {unseen}."));
    }
    lines
}

/// A text that shows as it is. Backticks of its own would end it.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// What a finding is about. That of a difference has code in it, and is a sentence's beginning.
fn subject(finding: &Finding) -> String {
    match finding.there {
        Some(_) => finding.subject.clone(),
        None => code(&finding.subject),
    }
}

/// One finding in one line.
fn line(finding: &Finding) -> String {
    let Finding { verdict, text, there, here, .. } = finding;
    let mut line = match verdict {
        Verdict::Works => String::new(),
        _ => format!("**{}**: ", heading(*verdict)),
    };
    if !finding.subject.is_empty() {
        line += &format!("{}: ", subject(finding));
    }
    if let (Some(there), Some(here)) = (there, here) {
        line += &format!("ingress-nginx: {there}. Ringway: {here}. ");
    }
    line += text;
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Replayed {
    /// What came of how many: a sentence each.
    pub(super) fn lines(&self) -> Vec<String> {
        let differing: u64 = self.differences.iter().map(|it| it.requests).sum();
        let differing = differing.saturating_add(self.not_listed);
        let all = [
            (self.compared, "requests were compared"),
            (differing, "of them go elsewhere"),
            (self.not_listed, "of these are of differences beyond those that are listed"),
            (self.unreadable, "lines are not in the format that log-format-upstream says"),
            (self.without_host, "requests are to a host that the log does not tell"),
            (self.elsewhere, "requests went where these objects do not lead: others were in force"),
            (self.unknown, "requests take an expression that cannot be tried in linear time"),
        ];
        let said = all.iter().enumerate().filter(|(nth, (number, _))| *nth < 2 || *number > 0);
        let said = said.map(|(_, (number, words))| format!("{number} {words}."));
        said.chain(["Canaries are left out: chance decides on them.".to_owned()]).collect()
    }
}

impl Report {
    /// What was read, and by what it was judged: a sentence each.
    pub(super) fn head(&self) -> Vec<String> {
        let files = match self.files {
            0 => String::new(),
            1 => "Read from 1 file: ".to_owned(),
            files => format!("Read from {files} files: "),
        };
        let number: usize = self.totals.iter().map(|total| total.ingresses).sum();
        let objects = self.objects.len().saturating_sub(number);
        let ingresses = if number == 1 { "Ingress" } else { "Ingresses" };
        let others = if objects == 1 { "object" } else { "objects" };
        let mut lines = vec![format!("{files}{number} {ingresses} and {objects} other {others}.")];
        if let Some(controller) = &self.controller {
            lines.push(format!("Controller: {controller}."));
        }
        lines.push(format!(
            "Class {}, IngressClasses of {}.",
            code(&self.ingress_class),
            code(&self.controller_class)
        ));
        if self.other_classes > 0 {
            lines.push(format!("Not judged: {} Ingresses of other classes.", self.other_classes));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_span() {
        for (text, expected) in [("/a|b", "`/a|b`"), ("/a`**b", "`/a'**b`"), ("", "``")] {
            assert_eq!(code(text), expected, "{text}");
        }
    }
}
