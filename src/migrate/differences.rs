//! Which of the deliberate differences from ingress-nginx an object meets: a row of
//! docs/compatibility.md says what differs, a row here when. The texts are the page's own.

mod ingress;
mod reach;
mod settings;

use std::sync::LazyLock;

use super::facts::{Facts, World};
use ingress::ROWS as OF_INGRESS;
pub(super) use reach::Reach;
use settings::{OF_CONFIG_MAP, OF_FLAGS, OfSettings};

/// The page whose table the rows below name.
const PAGE: &str = include_str!("../../docs/compatibility.md");

/// One row of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// What it is about.
    pub subject: String,
    /// What ingress-nginx does.
    pub there: String,
    /// What Ringway does.
    pub here: String,
}

/// What an Ingress meets.
pub(super) fn of_ingress(facts: &Facts<'_>) -> Vec<(&'static Difference, Reach)> {
    let held = OF_INGRESS.iter().filter(|row| (row.holds)(facts));
    held.filter_map(|row| Some((find(row.subject)?, row.reach))).collect()
}

/// What the controller's ConfigMap meets.
pub(super) fn of_config_map(world: &World) -> Vec<(&'static Difference, Reach)> {
    of_settings(OF_CONFIG_MAP, world)
}

/// What its flags meet.
pub(super) fn of_flags(world: &World) -> Vec<(&'static Difference, Reach)> {
    of_settings(OF_FLAGS, world)
}

fn of_settings(rows: &[OfSettings], world: &World) -> Vec<(&'static Difference, Reach)> {
    let held = rows.iter().filter(|row| (row.holds)(world));
    held.filter_map(|row| Some((find(row.subject)?, row.reach))).collect()
}

/// The row of the page with this subject.
pub(super) fn find(subject: &str) -> Option<&'static Difference> {
    static ROWS: LazyLock<Vec<Difference>> = LazyLock::new(|| rows(PAGE));
    ROWS.iter().find(|row| row.subject == subject)
}

/// The rows of the table below "Differences".
fn rows(page: &str) -> Vec<Difference> {
    let lines = page.lines().skip_while(|line| *line != "## Differences").skip(1);
    let lines = lines.take_while(|line| !line.starts_with("## "));
    let cells = lines.filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let mut cell = || cells.next().map(without_links);
        let row = Difference { subject: cell()?, there: cell()?, here: cell()? };
        Some(row).filter(|row| row.subject != "Subject")
    });
    cells.collect()
}

/// `[words](place)` → words.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('[') {
        let link =
            tail.split_once("](").and_then(|(words, end)| Some((words, end.split_once(')')?.1)));
        out.push_str(before);
        match link.filter(|(words, _)| !words.contains(['`', '['])) {
            Some((words, after)) => {
                out.push_str(words);
                rest = after;
            }
            None => {
                out.push('[');
                rest = tail;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_one_of_the_page() {
        let page = rows(PAGE);
        assert!(page.len() > 100, "{}", page.len());
        let subjects = OF_INGRESS.iter().map(|row| row.subject);
        let settings = OF_CONFIG_MAP.iter().chain(OF_FLAGS).map(|row| row.subject);
        for subject in subjects.chain(settings) {
            let found = page.iter().filter(|row| row.subject == subject).count();
            assert_eq!(found, 1, "docs/compatibility.md has no row {subject}");
        }
    }

    #[test]
    fn links_are_their_words() {
        for (text, expected) in [
            ("see [Paths](operations.md#paths).", "see Paths."),
            ("[503](a), [b] and [c](d)", "503, [b] and c"),
            ("[", "["),
        ] {
            assert_eq!(without_links(text), expected);
        }
    }
}
