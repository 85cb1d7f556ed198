//! Documentation pages that are made of the tables which the code goes by.

/// One table of a page.
pub(crate) struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Headings of its columns.
    pub columns: &'static [&'static str],
    /// A text for each column.
    pub rows: Vec<Vec<String>>,
}

/// The page: `head`, then the tables.
pub(crate) fn markdown(head: &str, sections: impl Iterator<Item = Section>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    sections.fold(head.to_owned(), |page, section| {
        let Section { title, columns, rows } = section;
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let rule = "|---".repeat(columns.len());
        let rows: String = rows.iter().map(|row| line(row)).collect();
        format!("{page}\n## {title}\n\n{}{rule}|\n{rows}", line(&columns))
    })
}

/// Compares a page with the one in the repository. `RINGWAY_WRITE_DOCS=1` writes it.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_current(file: &str, page: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("RINGWAY_WRITE_DOCS").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
    }
    let stored = std::fs::read_to_string(&path).expect("the page is in the repository");
    assert_eq!(stored, page, "run this test with RINGWAY_WRITE_DOCS=1");
}
