//! Which names decide where a path leads, symbolic links followed. No I/O of its own.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::limits::LINKS_MAX;

/// A name in a folder: whoever replaces it leads the path elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Absolute, without a link in it.
    pub folder: PathBuf,
    /// A folder, a file, a link, or nothing yet.
    pub name: OsString,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// From the outermost to the innermost.
    pub steps: Vec<Step>,
    /// Absolute, without a link in it; it need not exist. `None`: more than [`LINKS_MAX`] links.
    pub target: Option<PathBuf>,
}

enum Piece {
    Root,
    Parent,
    Name(OsString),
}

/// Follows `path` from `base` on, which is absolute and has no link in it; `link` says where a path
/// leads if it is a link.
///
/// Source: path_resolution(7).
pub fn follow(base: &Path, path: &Path, mut link: impl FnMut(&Path) -> Option<PathBuf>) -> Route {
    let (mut at, mut steps) = (base.to_owned(), Vec::new());
    let mut rest: VecDeque<Piece> = pieces(path).collect();
    let mut links = 0_usize;
    while let Some(piece) = rest.pop_front() {
        let name = match piece {
            Piece::Root => {
                at = PathBuf::from("/");
                continue;
            }
            Piece::Parent => {
                at.pop();
                continue;
            }
            Piece::Name(name) => name,
        };
        let next = at.join(&name);
        steps.push(Step { folder: at.clone(), name });
        let Some(target) = link(&next) else {
            at = next;
            continue;
        };
        links = links.saturating_add(1);
        if links > LINKS_MAX {
            return Route { steps, target: None };
        }
        rest = pieces(&target).chain(rest).collect();
    }
    Route { steps, target: Some(at) }
}

fn pieces(path: &Path) -> impl Iterator<Item = Piece> {
    path.components().filter_map(|component| match component {
        Component::RootDir => Some(Piece::Root),
        Component::ParentDir => Some(Piece::Parent),
        Component::Normal(name) => Some(Piece::Name(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `links`: `path -> target`. Expected: the steps as paths, then the target.
    #[track_caller]
    fn check(path: &str, links: &[(&str, &str)], steps: &[&str], target: Option<&str>) {
        let link = |at: &Path| {
            let found = links.iter().find(|(from, _)| Path::new(from) == at);
            found.map(|(_, to)| PathBuf::from(to))
        };
        let route = follow(Path::new("/"), Path::new(path), link);
        let found: Vec<_> = route.steps.iter().map(|step| step.folder.join(&step.name)).collect();
        assert_eq!(found, steps.iter().map(PathBuf::from).collect::<Vec<_>>(), "{path}");
        assert_eq!(route.target, target.map(PathBuf::from), "{path}");
    }

    #[test]
    fn every_name_on_the_way_is_a_step() {
        check("/a/b", &[], &["/a", "/a/b"], Some("/a/b"));
        check("/", &[], &[], Some("/"));
        check("/a/./../b", &[], &["/a", "/b"], Some("/b"));
        // git-sync: the link is swapped, what it leads to is new each time.
        check(
            "/git/current/deploy",
            &[("/git/current", "rev1")],
            &["/git", "/git/current", "/git/rev1", "/git/rev1/deploy"],
            Some("/git/rev1/deploy"),
        );
        // A mounted ConfigMap: each file is a link through a link.
        check(
            "/m/a.yaml",
            &[("/m/a.yaml", "..data/a.yaml"), ("/m/..data", "..1")],
            &["/m", "/m/a.yaml", "/m/..data", "/m/..1", "/m/..1/a.yaml"],
            Some("/m/..1/a.yaml"),
        );
        check(
            "/m/a.yaml",
            &[("/m", "/x/y"), ("/x/y/a.yaml", "../b.yaml")],
            &["/m", "/x", "/x/y", "/x/y/a.yaml", "/x/b.yaml"],
            Some("/x/b.yaml"),
        );
    }

    #[test]
    fn links_in_a_circle_lead_nowhere() {
        let links = [("/a", "b"), ("/b", "a")];
        let mut steps = ["/a", "/b"].repeat(LINKS_MAX / 2);
        steps.push("/a");
        check("/a", &links, &steps, None);
    }
}
