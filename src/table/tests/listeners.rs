//! Which listener answers at an entry point, and that no connection gets to another one's.

use super::{Arc, Listener, Model, OnMiss, Request, host, rule};
use crate::model::{EntryPoint, ListenerId, PathMatch, RequestMatch, Scheme};
use crate::table::Compiler;

fn entry_point(text: &str) -> EntryPoint {
    let (scheme, address) = text.split_once("://").expect("a scheme");
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    EntryPoint { address: address.parse().expect("an address"), scheme }
}

fn listener(generation: u32, entry_points: &[&str]) -> Listener {
    let entry_points = entry_points.iter().map(|text| entry_point(text)).collect();
    Listener { generation, entry_points, ..Listener::default() }
}

/// Generation and entry points of a listener.
type Named = (u32, &'static [&'static str]);
/// An entry point with slot and generation of who answers there.
type Answers = (&'static str, u16, u32);

#[test]
fn entry_points_lead_to_the_listener_that_names_them_first() {
    const WEB: &str = "http://0.0.0.0:80";
    const TLS: &str = "https://[::]:443";
    const MORE: &str = "http://127.0.0.1:8080";
    let mut compiler = Compiler::default();
    let rows: &[(&[Named], &[Answers])] = &[
        (&[], &[]),
        (&[(0, &[TLS, WEB])], &[(WEB, 0, 0), (TLS, 0, 0)]),
        (&[(0, &[WEB]), (0, &[MORE])], &[(WEB, 0, 0), (MORE, 1, 0)]),
        (&[(0, &[WEB]), (0, &[MORE, WEB])], &[(WEB, 0, 0), (MORE, 1, 0)]),
        (&[(0, &[WEB]), (1, &[])], &[(WEB, 0, 0)]),
        (&[(0, &[]), (1, &[WEB, WEB])], &[(WEB, 1, 1)]),
    ];
    for (listeners, expected) in rows {
        let listeners = listeners.iter().map(|(generation, at)| listener(*generation, at));
        let table =
            compiler.compile(&Model { listeners: listeners.collect(), ..Model::default() }).table;
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(text, slot, generation)| {
                (entry_point(text), ListenerId { slot: *slot, generation: *generation })
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(table.entry_points(), expected);
        for text in [WEB, TLS, MORE] {
            let point = entry_point(text);
            let answers = expected.iter().find(|(known, _)| *known == point).map(|(_, id)| *id);
            assert_eq!(table.listener_at(&point), answers, "{text}");
        }
    }
}

#[test]
fn a_listener_that_is_gone_is_not_the_one_in_its_place() {
    let mut compiler = Compiler::default();
    let request = Request { host: "a".into(), path: "/".into(), ..Request::default() };
    let every_path = RequestMatch::path(PathMatch::Prefix("/".into()));
    let everything = host("*", OnMiss::Default, vec![rule("all", 0, vec![every_path])]);
    for (generations, there) in [
        (&[0][..], &[true, false, false][..]),
        (&[0, 0], &[true, true, false]),
        (&[0, 1], &[true, false, true]),
        (&[0], &[true, false, false]),
    ] {
        let listeners = generations.iter().map(|&generation| Listener {
            generation,
            hosts: vec![Arc::clone(&everything)],
            ..Listener::default()
        });
        let table =
            compiler.compile(&Model { listeners: listeners.collect(), ..Model::default() }).table;
        for ((slot, generation), expected) in [(0, 0), (1, 0), (1, 1)].into_iter().zip(there) {
            let id = ListenerId { slot, generation };
            assert_eq!(table.has_listener(id), *expected, "{id:?} of {generations:?}");
            assert_eq!(table.lookup(id, &request.key()).is_some(), *expected, "{id:?}");
        }
    }
}
