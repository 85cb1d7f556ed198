//! What is read of a directory, and what a broken file keeps.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::control::source::Change;
use crate::limits::{MANIFEST_DEPTH_MAX, MANIFEST_FILES_MAX, MANIFEST_FOLDERS_MAX};

/// A directory with its reader.
struct World {
    dir: TempDir,
    directory: Directory,
}

fn service(name: &str, port: u16) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{ports: [{{port: {port}}}]}}\n"
    )
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let directory = Directory::new(dir.path());
        Self { dir, directory }
    }

    /// Writes a file that looks as if it had been written a while ago.
    fn write(&self, name: &str, text: &str) {
        self.write_now(name, text);
        let file = File::options().write(true).open(self.dir.path().join(name)).expect("opened");
        let past = SystemTime::now() - Duration::from_secs(60);
        file.set_modified(past).expect("dated back");
    }

    fn write_now(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn all(&mut self) -> Scan {
        self.directory.scan_tree(Tree::walk(self.dir.path()), &BTreeSet::new(), None)
    }

    fn named(&mut self, name: &str) -> Scan {
        self.directory.scan_files(&BTreeSet::from([name.into()]))
    }

    fn folder(&self, name: &str) {
        fs::create_dir_all(self.dir.path().join(name)).expect("made");
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.dir.path().join(name)).expect("linked");
    }

    fn swap(&self, target: &str, name: &str) {
        self.link(target, ".swap");
        fs::rename(self.dir.path().join(".swap"), self.dir.path().join(name)).expect("swapped");
    }
}

/// The words of the problems.
fn words(scan: &Scan) -> Vec<&'static str> {
    scan.changes.problems.iter().flatten().map(|problem| problem.reason.word()).collect()
}

/// `+name`, `-name` and `!name`, which is broken, in order.
fn changed(scan: &Scan) -> Vec<String> {
    let changes = scan.changes.changes.iter().map(|change| match change {
        Change::Apply(object) => format!("+{}", object.reference.name),
        Change::Delete(reference) => format!("-{}", reference.name),
        Change::Broken(reference) => format!("!{}", reference.name),
    });
    changes.collect()
}

/// Problems without the directory's own name.
fn problems(world: &World, scan: &Scan) -> Vec<String> {
    let root = format!("{}/", world.dir.path().display());
    let problems = scan.changes.problems.iter().flatten();
    problems.map(|problem| problem.to_string().replace(&root, "")).collect()
}

#[test]
fn manifests_are_what_kubectl_would_read() {
    let mut world = World::new();
    for (name, service_name) in [
        ("a.yaml", "a"),
        ("b.yml", "b"),
        ("c.txt", "c"),
        (".d.yaml", "d"),
        ("e.yaml~", "e"),
        ("#f.yaml", "f"),
        ("g", "g"),
    ] {
        world.write(name, &service(service_name, 80));
    }
    world.write(
        "h.json",
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"h\"}}",
    );
    for (folder, service_name) in [("sub/deeper", "i"), (".git", "j"), ("sub/..data", "k")] {
        world.folder(folder);
        world.write(&format!("{folder}/x.yaml"), &service(service_name, 80));
    }
    assert_eq!(changed(&world.all()), ["+a", "+b", "+h", "+i"]);
}

#[test]
fn only_changed_files_are_read_again() {
    let mut world = World::new();
    world.write("a.yaml", &service("a", 80));
    world.write("b.yaml", &service("b", 80));
    assert_eq!(changed(&world.all()), ["+a", "+b"]);
    assert!(world.all().changes.is_empty());
    world.write("b.yaml", &service("b", 81));
    assert_eq!(changed(&world.all()), ["+b"]);
}

#[test]
fn a_vanished_file_takes_its_objects_with_it() {
    let mut world = World::new();
    world.write("a.yaml", &service("a", 80));
    world.write("b.yaml", &service("b", 80));
    world.all();
    fs::remove_file(world.dir.path().join("a.yaml")).expect("removed");
    assert_eq!(changed(&world.named("a.yaml")), ["-a"]);
    fs::remove_file(world.dir.path().join("b.yaml")).expect("removed");
    assert_eq!(changed(&world.all()), ["-b"]);
}

#[test]
fn a_broken_document_keeps_the_objects_it_may_have_held() {
    let mut world = World::new();
    world.write("a.yaml", &format!("{}{}", service("a", 80), service("b", 80)));
    world.all();
    world.write("a.yaml", &format!("{}---\nkind: [\n", service("a", 81)));
    let scan = world.named("a.yaml");
    // `b` is applied again as it was.
    assert_eq!(changed(&scan), ["+a", "+b"]);
    let found = problems(&world, &scan);
    assert!(
        found.len() == 1 && found[0].starts_with("a.yaml:7: error: not valid YAML"),
        "{found:?}"
    );
    world.write("a.yaml", &service("a", 81));
    let scan = world.named("a.yaml");
    assert_eq!((changed(&scan), problems(&world, &scan)), (vec!["+a".into(), "-b".into()], vec![]));
}

#[test]
fn a_broken_object_keeps_itself_alone() {
    let mut world = World::new();
    world.write("a.yaml", &format!("{}{}", service("a", 80), service("b", 80)));
    world.all();
    world.write("a.yaml", &service("a", 80).replace("80", "x"));
    assert_eq!(changed(&world.named("a.yaml")), ["+a", "-b"]);
}

#[test]
fn a_file_truncated_a_moment_ago_is_looked_at_again_before_it_loses_anything() {
    let mut world = World::new();
    world.write("a.yaml", &service("a", 80));
    world.all();
    world.write_now("a.yaml", "");
    let scan = world.named("a.yaml");
    assert!(scan.changes.is_empty());
    assert_eq!(scan.again, BTreeSet::from(["a.yaml".into()]));
    world.write("a.yaml", "");
    let scan = world.directory.scan_files(&scan.again);
    assert_eq!(changed(&scan), ["-a"]);
}

#[test]
fn of_the_same_object_in_two_files_the_first_counts() {
    let mut world = World::new();
    world.write("a.yaml", &service("x", 80));
    world.write("b.yaml", &format!("{}{}", service("y", 80), service("x", 81)));
    let scan = world.all();
    assert_eq!(changed(&scan), ["+x", "+y"]);
    assert_eq!(
        problems(&world, &scan),
        ["b.yaml:7: error: Service default/x: the same object stands at a.yaml:2 as well, \
          and that one counts. Remove or rename one of the two."],
    );
    fs::remove_file(world.dir.path().join("a.yaml")).expect("removed");
    let scan = world.named("a.yaml");
    assert_eq!((changed(&scan), problems(&world, &scan)), (vec!["+x".into()], vec![]));
}

#[test]
fn unreadable_files_keep_their_objects() {
    let mut world = World::new();
    world.write("a.yaml", &service("a", 80));
    world.all();
    let path = world.dir.path().join("a.yaml");
    for (content, expected) in [
        (b"\xff\xfea\0".to_vec(), "it is UTF-16, not UTF-8 text. Save it as UTF-8. Until then "),
        (b"a: \xff".to_vec(), "it is not UTF-8 text. Save it as UTF-8. Until then its objects "),
        ("#".repeat((16 << 20) + 1).into_bytes(), "it is larger than 16777216 bytes"),
    ] {
        fs::write(&path, content).expect("written");
        let scan = world.named("a.yaml");
        assert!(changed(&scan).is_empty());
        let found = problems(&world, &scan);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    let scan = world.named("a.yaml");
    assert!(problems(&world, &scan)[0].contains("it is not a regular file"));
    assert!(matches!(read_file(&path), Err(ReadError::NotAFile)));
    assert!(matches!(read_file(&path.join("none")), Err(ReadError::Io(_))));
}

#[test]
fn a_missing_directory_keeps_everything() {
    let mut world = World::new();
    world.write("a.yaml", &service("a", 80));
    world.all();
    let aside = world.dir.path().with_extension("aside");
    fs::rename(world.dir.path(), &aside).expect("moved");
    let scan = world.all();
    assert!(changed(&scan).is_empty());
    assert_eq!(scan.changes.problems.map(|p| p.len()), Some(1));
    fs::rename(&aside, world.dir.path()).expect("moved back");
    let scan = world.all();
    assert!(changed(&scan).is_empty());
    assert_eq!(scan.changes.problems.map(|p| p.len()), Some(0));
}

#[test]
fn links_are_followed_and_what_they_lead_to_is_read_once() {
    let mut world = World::new();
    for (version, port) in [("..1", 80), ("..2", 81)] {
        world.folder(version);
        world.write(&format!("{version}/a.yaml"), &service("a", port));
    }
    world.link("..1", "..data");
    world.link("..data/a.yaml", "a.yaml");
    assert_eq!(changed(&world.all()), ["+a"]);
    world.swap("..2", "..data");
    assert_eq!(changed(&world.all()), ["+a"]);
    // A folder of the tree with a second name, and a way back up.
    world.folder("sub");
    world.write("sub/b.yaml", &service("b", 80));
    world.link("sub", "again");
    world.link("..", "sub/up");
    let scan = world.all();
    assert_eq!(changed(&scan), ["+b"]);
    assert_eq!(
        problems(&world, &scan),
        ["sub/up:1: warning: the link leads to a folder that it stands in; it is not followed. \
          Remove it."]
    );
}

#[test]
fn a_link_that_leads_nowhere_is_told_and_keeps_its_objects() {
    let mut world = World::new();
    let told = "a.yaml:1: error: the file cannot be used: it is a symbolic link that leads \
                nowhere. Restore what it leads to, or remove it.";
    world.link("..data/a.yaml", "a.yaml");
    let scan = world.all();
    assert_eq!((changed(&scan), problems(&world, &scan)), (vec![], vec![told.to_owned()]));
    world.folder("..data");
    world.write("..data/a.yaml", &service("a", 80));
    let scan = world.all();
    assert_eq!((changed(&scan), problems(&world, &scan)), (vec!["+a".into()], vec![]));
    fs::remove_file(world.dir.path().join("..data/a.yaml")).expect("removed");
    for is_named in [true, false] {
        let scan = if is_named { world.named("a.yaml") } else { world.all() };
        assert!(changed(&scan).is_empty());
        if is_named {
            let told = format!("{told} Until then its objects stay as they were.");
            assert_eq!(problems(&world, &scan), [told]);
        }
    }
    world.swap("a.yaml", "a.yaml");
    let scan = world.all();
    assert!(problems(&world, &scan)[0].contains("(os error 40)"), "in a circle");
    fs::remove_file(world.dir.path().join("a.yaml")).expect("removed");
    assert_eq!(changed(&world.all()), ["-a"]);
}

#[test]
fn a_folder_behind_a_link_that_leads_nowhere_keeps_its_objects() {
    let mut world = World::new();
    world.folder(".1");
    world.write(".1/a.yaml", &service("a", 80));
    world.link(".1", "current");
    assert_eq!(changed(&world.all()), ["+a"]);
    world.swap(".2", "current");
    assert!(changed(&world.all()).is_empty());
    world.folder(".2");
    assert_eq!(changed(&world.all()), ["-a"]);
}

#[test]
fn trees_are_read_within_bounds() {
    let mut world = World::new();
    let deep = (0..=MANIFEST_DEPTH_MAX).map(|n| n.to_string()).collect::<Vec<_>>().join("/");
    world.folder(&deep);
    let level = |n: usize| deep.split('/').take(n).collect::<Vec<_>>().join("/");
    world.write(&format!("{deep}/a.yaml"), &service("a", 80));
    world.write(&format!("{}/b.yaml", level(MANIFEST_DEPTH_MAX)), &service("b", 80));
    let scan = world.all();
    assert_eq!(changed(&scan), ["+b"]);
    let found = problems(&world, &scan);
    assert!(found.len() == 1 && found[0].contains("16 levels deep"), "{found:?}");
    assert_eq!(words(&scan), ["TooDeep"]);
    fs::remove_dir_all(world.dir.path().join("0")).expect("removed");
    for n in 0..MANIFEST_FOLDERS_MAX + 1 {
        world.folder(&format!("f{n:04}"));
    }
    world.write("f0000/c.yaml", &service("c", 80));
    world.write("f1000/d.yaml", &service("d", 80));
    let scan = world.all();
    assert_eq!(changed(&scan), ["-b", "+c"]);
    let found = problems(&world, &scan);
    assert!(found.len() == 1 && found[0].contains("only 1000 folders are read"), "{found:?}");
    assert_eq!(words(&scan), ["TooManyFolders"]);
    for n in 0..MANIFEST_FILES_MAX {
        world.write_now(&format!("f0000/{n}.yaml"), "");
    }
    assert_eq!(words(&world.all()), ["TooManyFolders", "TooManyFiles"]);
    let root = world.dir.path().to_owned();
    fs::remove_dir_all(&root).expect("removed");
    assert_eq!(words(&world.all()), ["UnreadableDirectory"]);
    fs::create_dir(root).expect("for what ends the test");
}

#[test]
fn a_file_without_permission_keeps_its_objects() {
    let mut world = World::new();
    world.write("a.yaml", &service("a", 80));
    world.all();
    let path = world.dir.path().join("a.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("closed");
    let scan = world.named("a.yaml");
    // Root reads it all the same; then it has not changed.
    assert!(changed(&scan).iter().all(|change| change == "+a"));
}
