//! The files of the repository, and findings about them.

use std::fs;
use std::path::{Path, PathBuf};

/// Findings of one check.
#[derive(Default)]
pub(crate) struct Findings(pub(crate) Vec<String>);

impl Findings {
    pub(crate) fn add(&mut self, file: &Path, line: usize, text: &str) {
        self.0.push(format!("{}:{line}: {text}", file.display()));
    }

    #[track_caller]
    pub(crate) fn assert_none(self) {
        let mut report = String::new();
        for finding in &self.0 {
            report += &format!("{finding}\n");
        }
        assert!(self.0.is_empty(), "{} finding(s):\n{report}", self.0.len());
    }
}

/// A text file, path relative to the repository.
pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Text {
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository that is not build output, sorted.
pub(crate) fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("readable folder") {
            let path = entry.expect("readable entry").path();
            let name = path.file_name().expect("named").to_string_lossy().into_owned();
            let is_skipped = matches!(
                name.as_str(),
                ".git" | "target" | "out" | "artifacts" | "ringway-demo" | "__pycache__"
            );
            if is_skipped {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort();
    assert!(found.len() > 20, "the tree could not be read: {found:?}");
    found
}

pub(crate) fn texts(is_wanted: impl Fn(&Path) -> bool) -> Vec<Text> {
    files()
        .into_iter()
        .filter(|path| is_wanted(path))
        .filter_map(|path| {
            let bytes = fs::read(root().join(&path)).expect("readable file");
            String::from_utf8(bytes).ok().map(|text| Text { path, text })
        })
        .collect()
}

pub(crate) fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

pub(crate) fn sources() -> Vec<Text> {
    texts(|path| path.starts_with("src") && is_rust(path))
}
