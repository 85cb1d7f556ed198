//! The objects of many manifest files as one set: who owns an object that stands twice, what a
//! broken file keeps, what changed. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::manifest::{Manifest, SKIPPED};
use super::object::{Change, Changes, SourceObject};
use super::report::{Finding, MORE_PROBLEMS, Report};
use crate::model::{ObjectRef, Problem, Reason, Severity, SourcePosition, reason};

/// Objects of many files. Files are ordered by name.
#[derive(Debug, Default)]
pub struct ManifestSet {
    files: BTreeMap<Arc<str>, FileObjects>,
    /// Files that hold an object; the first one's counts.
    owners: BTreeMap<ObjectRef, BTreeSet<Arc<str>>>,
    /// Objects with more than one owner.
    contested: BTreeSet<ObjectRef>,
    directory_problems: Vec<Arc<Problem>>,
    /// Objects whose counting form may differ from what was last taken.
    touched: BTreeSet<ObjectRef>,
    has_new_problems: bool,
}

#[derive(Debug, Default)]
struct FileObjects {
    objects: BTreeMap<ObjectRef, SourceObject>,
    problems: Vec<Arc<Problem>>,
    /// Of which the file holds no form that can be used.
    broken: BTreeSet<ObjectRef>,
}

impl ManifestSet {
    /// Puts the new content of a file in the place of its old one. Objects that the file had and
    /// that a broken document may have held stay.
    pub fn put(&mut self, file: &Arc<str>, manifest: Manifest) {
        let Manifest { objects, problems, broken, has_unreadable, promised: _, workloads: _ } =
            manifest;
        let mut fresh: BTreeMap<ObjectRef, SourceObject> = BTreeMap::new();
        let mut duplicates = Vec::new();
        for object in objects {
            match fresh.get(&object.reference) {
                Some(first) => duplicates.extend(duplicate(&object, first)),
                None => {
                    fresh.insert(object.reference.clone(), object);
                }
            }
        }
        let old = self.files.remove(file).unwrap_or_default();
        let mut kept = BTreeSet::new();
        self.touched.extend(old.broken);
        for (reference, object) in old.objects {
            self.touched.insert(reference.clone());
            if has_unreadable || broken.contains(&reference) {
                fresh.entry(reference).or_insert_with_key(|reference| {
                    kept.insert(reference.clone());
                    object
                });
            } else if !fresh.contains_key(&reference) {
                self.disown(&reference, file);
            }
        }
        for reference in fresh.keys() {
            self.touched.insert(reference.clone());
            self.own(reference, file);
        }
        let is_read = |object: &ObjectRef| fresh.contains_key(object) && !kept.contains(object);
        let problems = problems.into_iter().map(|problem| match &problem.object {
            Some(object) if is_read(object) => problem,
            _ => consequence(problem, &kept),
        });
        let problems = problems.chain(duplicates).collect();
        let is_lost = |reference: &ObjectRef| !fresh.contains_key(reference);
        let broken: BTreeSet<ObjectRef> = broken.into_iter().filter(is_lost).collect();
        self.touched.extend(broken.iter().cloned());
        self.files.insert(Arc::clone(file), FileObjects { objects: fresh, problems, broken });
        self.has_new_problems = true;
    }

    /// The file exists and cannot be read: its objects stay.
    pub fn fail(&mut self, file: &Arc<str>, problem: Problem) {
        let file = self.files.entry(Arc::clone(file)).or_default();
        let problem = match file.objects.is_empty() {
            true => problem,
            false => with_consequence(problem, "Until then its objects stay as they were."),
        };
        if !file.problems.iter().map(|problem| &**problem).eq([&problem]) {
            file.problems = vec![Arc::new(problem)];
            self.has_new_problems = true;
        }
    }

    /// The file is gone, and its objects with it.
    pub fn remove(&mut self, file: &Arc<str>) {
        let Some(old) = self.files.remove(file) else { return };
        self.touched.extend(old.broken);
        for reference in old.objects.into_keys() {
            self.disown(&reference, file);
            self.touched.insert(reference);
        }
        self.has_new_problems = true;
    }

    /// Sets all that is wrong with the directory as a whole.
    pub fn set_directory_problems(&mut self, problems: Vec<Problem>) {
        if !self.directory_problems.iter().map(|problem| &**problem).eq(&problems) {
            self.directory_problems = problems.into_iter().map(Arc::new).collect();
            self.has_new_problems = true;
        }
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let touched = std::mem::take(&mut self.touched);
        let changes = touched.into_iter().map(|reference| match self.winner(&reference) {
            Some(object) => Change::Apply(Box::new(object.clone())),
            None if self.files.values().any(|file| file.broken.contains(&reference)) => {
                Change::Broken(reference)
            }
            None => Change::Delete(reference),
        });
        let changes = changes.collect();
        let problems = std::mem::take(&mut self.has_new_problems).then(|| self.problems());
        Changes { changes, problems }
    }

    /// Whether [`Self::put`] would take objects out of force.
    #[must_use]
    pub fn would_lose(&self, file: &Arc<str>, manifest: &Manifest) -> bool {
        let Some(old) = self.files.get(file) else { return false };
        let present: BTreeSet<_> = manifest.objects.iter().map(|o| &o.reference).collect();
        !manifest.has_unreadable
            && old.objects.keys().any(|reference| {
                !present.contains(reference) && !manifest.broken.contains(reference)
            })
    }

    fn winner(&self, reference: &ObjectRef) -> Option<&SourceObject> {
        let first = self.owners.get(reference)?.first()?;
        self.files.get(first)?.objects.get(reference)
    }

    fn own(&mut self, reference: &ObjectRef, file: &Arc<str>) {
        let owners = self.owners.entry(reference.clone()).or_default();
        owners.insert(Arc::clone(file));
        if owners.len() > 1 {
            self.contested.insert(reference.clone());
        }
    }

    fn disown(&mut self, reference: &ObjectRef, file: &Arc<str>) {
        let Some(owners) = self.owners.get_mut(reference) else { return };
        owners.remove(file);
        if owners.len() < 2 {
            self.contested.remove(reference);
        }
        if owners.is_empty() {
            self.owners.remove(reference);
        }
    }

    fn problems(&self) -> Vec<Arc<Problem>> {
        let contested = self.contested.iter().flat_map(|reference| self.losers(reference));
        self.directory_problems
            .iter()
            .cloned()
            .chain(self.files.values().flat_map(|file| file.problems.iter().cloned()))
            .chain(contested)
            .collect()
    }

    fn losers(&self, reference: &ObjectRef) -> Vec<Arc<Problem>> {
        let Some(first) = self.winner(reference) else { return Vec::new() };
        let owners = self.owners.get(reference).into_iter().flatten().skip(1);
        owners
            .filter_map(|file| self.files.get(file)?.objects.get(reference))
            .flat_map(|loser| duplicate(loser, first))
            .collect()
    }
}

fn duplicate(loser: &SourceObject, first: &SourceObject) -> Vec<Arc<Problem>> {
    let place = first
        .provenance
        .as_ref()
        .map(|p| p.position(""))
        .map_or_else(|| "elsewhere".to_owned(), |position| format!("at {position}"));
    let mut report = Report::new(&loser.reference, loser.provenance.as_ref());
    report.error(Finding {
        reason: reason!("DuplicateObject"),
        field: String::new(),
        message: format!("the same object stands {place} as well, and that one counts."),
        advice: "Remove or rename one of the two.".into(),
    });
    report.finish()
}

/// What follows from an error: an older version stays, or there is none. That nothing of a file is
/// read is no error, unless something of it was.
fn consequence(problem: Arc<Problem>, kept: &BTreeSet<ObjectRef>) -> Arc<Problem> {
    let is_kept = match &problem.object {
        Some(object) => kept.contains(object),
        None => !kept.is_empty(),
    };
    let is_skipped = problem.reason == SKIPPED && is_kept;
    let is_loss = problem.severity == Severity::Error && problem.reason != MORE_PROBLEMS;
    if !is_skipped && !is_loss {
        return problem;
    }
    let what = match (is_kept, &problem.object) {
        (true, Some(_)) => "Until then its last version stays in force.",
        (true, None) => "Until then the last version of its objects stays in force.",
        (false, _) => "Until then it is left out.",
    };
    let problem = with_consequence(Problem::clone(&problem), what);
    Arc::new(Problem { severity: Severity::Error, ..problem })
}

fn with_consequence(problem: Problem, consequence: &str) -> Problem {
    let advice = format!("{} {consequence}", problem.advice);
    Problem { advice: advice.trim_start().to_owned(), ..problem }
}

/// A problem with a file as a whole.
pub(crate) fn file_problem(
    file: Arc<str>,
    reason: Reason,
    message: String,
    advice: &str,
) -> Problem {
    Problem {
        object: None,
        position: Some(SourcePosition { file, line: 1 }),
        field: String::new(),
        severity: Severity::Error,
        reason,
        message,
        advice: advice.to_owned(),
    }
}
