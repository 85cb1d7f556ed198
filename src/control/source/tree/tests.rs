//! Which folders are watched, and what an event in one means.

use std::os::unix::fs::symlink;

use super::*;

fn set(names: &[&str]) -> BTreeSet<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn dependents(tree: bool, files: &[&str]) -> Dependents {
    Dependents { tree, files: set(files) }
}

#[test]
fn events_are_judged_by_name_and_kind() {
    use Happened::{Attributes, Came, Gone, Written};
    use Newcomer::{File, Folder, Link, Opened};
    let (folder, file) = (true, false);
    // Shown as `sub`; the link `current` leads to a folder through it, `b.yaml` to `real.txt`.
    let names = [("current", dependents(true, &[])), ("real.txt", dependents(false, &["b.yaml"]))];
    let names = names.map(|(name, what)| (OsString::from(name), what)).into();
    let shown = Interest { shown_as: set(&["sub"]), names };
    let hidden = Interest { shown_as: set(&[]), ..shown.clone() };
    for (name, happened, of_shown, of_hidden) in [
        ("a.yaml", Written, dependents(false, &["sub/a.yaml"]), dependents(false, &[])),
        ("a.yaml", Came(File), dependents(false, &["sub/a.yaml"]), dependents(false, &[])),
        ("a.yaml", Came(Opened), dependents(false, &[]), dependents(false, &[])),
        ("a.yaml", Came(Link), dependents(true, &[]), dependents(false, &[])),
        (
            "a.yaml",
            Gone { is_folder: file },
            dependents(false, &["sub/a.yaml"]),
            dependents(false, &[]),
        ),
        (
            "a.yaml",
            Attributes { is_folder: file },
            dependents(false, &["sub/a.yaml"]),
            dependents(false, &[]),
        ),
        (".a.yaml.swp", Written, dependents(false, &[]), dependents(false, &[])),
        ("notes.txt", Written, dependents(false, &[]), dependents(false, &[])),
        ("more", Came(Folder), dependents(true, &[]), dependents(false, &[])),
        ("more", Gone { is_folder: folder }, dependents(true, &[]), dependents(false, &[])),
        ("more", Attributes { is_folder: folder }, dependents(true, &[]), dependents(false, &[])),
        (".more", Came(Folder), dependents(false, &[]), dependents(false, &[])),
        ("current", Came(Link), dependents(true, &[]), dependents(true, &[])),
        ("current", Gone { is_folder: file }, dependents(true, &[]), dependents(true, &[])),
        ("current", Written, dependents(false, &[]), dependents(false, &[])),
        ("current", Attributes { is_folder: folder }, dependents(true, &[]), dependents(true, &[])),
        ("real.txt", Written, dependents(false, &["b.yaml"]), dependents(false, &["b.yaml"])),
        ("real.txt", Came(Opened), dependents(false, &[]), dependents(false, &[])),
        ("real.txt", Came(File), dependents(true, &["b.yaml"]), dependents(true, &["b.yaml"])),
    ] {
        assert_eq!(shown.judge(OsStr::new(name), happened), of_shown, "{name} {happened:?}");
        assert_eq!(hidden.judge(OsStr::new(name), happened), of_hidden, "{name} {happened:?}");
    }
    assert!(shown.has_files() && hidden.has_files());
    assert!(!Interest { names: BTreeMap::new(), ..hidden }.has_files());
}

/// What is watched below a folder: `FOLDER shown as …; names …`.
fn watched(base: &Path, tree: &Tree) -> Vec<String> {
    let below = tree.interests.iter().filter_map(|(folder, interest)| {
        let folder = folder.strip_prefix(base).ok()?;
        let names: Vec<_> = interest.names.keys().map(|name| name.to_string_lossy()).collect();
        Some(format!("{}: {:?} {}", folder.display(), interest.shown_as, names.join(" ")))
    });
    below.collect()
}

#[test]
fn every_folder_that_a_link_leads_through_is_watched() {
    let base = tempfile::tempdir().expect("a folder");
    let base = base.path().canonicalize().expect("a path");
    for folder in ["git/rev1/deploy/apps", "secrets/..1", "out"] {
        fs::create_dir_all(base.join(folder)).expect("made");
    }
    for (target, name) in [
        ("rev1", "git/current"),
        ("../../../secrets", "git/rev1/deploy/secrets"),
        ("..1", "secrets/..data"),
        ("..data/s.yaml", "secrets/s.yaml"),
        ("../../../out/plain", "git/rev1/deploy/o.yaml"),
        ("../missing", "out/later"),
        ("../../../../out/later", "git/rev1/deploy/apps/later.yaml"),
    ] {
        symlink(target, base.join(name)).expect("linked");
    }
    for file in ["git/rev1/deploy/a.yaml", "secrets/..1/s.yaml", "out/plain"] {
        fs::write(base.join(file), "").expect("written");
    }
    let tree = Tree::walk(&base.join("git/current/deploy"));
    assert_eq!(tree.files, set(&["a.yaml", "apps/later.yaml", "o.yaml", "secrets/s.yaml"]));
    assert!(tree.error.is_none() && tree.problems.is_empty() && tree.obscured.is_empty());
    let expected = [
        r#": {} git missing out secrets"#,
        r#"git: {} current rev1"#,
        r#"git/rev1: {} deploy"#,
        r#"git/rev1/deploy: {""} o.yaml secrets"#,
        r#"git/rev1/deploy/apps: {"apps"} later.yaml"#,
        r#"out: {} later plain"#,
        r#"secrets: {"secrets"} ..1 ..data s.yaml"#,
        r#"secrets/..1: {} s.yaml"#,
    ];
    assert_eq!(watched(&base, &tree), expected);
    fs::remove_file(base.join("git/current")).expect("removed");
    let tree = Tree::walk(&base.join("git/current/deploy"));
    assert!(tree.error.is_some() && tree.obscured == set(&[""]));
    assert!(watched(&base, &tree).contains(&"git: {} current".to_owned()), "it may come back");
}
