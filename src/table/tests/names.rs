//! Server names: one test per rule, then the oracle, edit by edit.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Arc, Listener, Model, ObjectRef};
use super::{backend, generate, pattern};
use crate::model::{Kind, ListenerId, ServerName, ServerTlsId, TlsAction};
use crate::table::{BackendId, Compiled, Compiler, Table, TableTls, naive};
use crate::tls::certificate::Certificate;
use crate::tls::client_auth::{ClientAuth, ClientAuthId};
use crate::tls::server::ServerTls;
use crate::tls::tickets::Tickets;

/// Three settings that differ by identity alone.
fn tls(number: usize) -> Arc<ServerTls> {
    static MADE: OnceLock<Vec<Arc<ServerTls>>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let certificate = Certificate::self_signed().expect("a certificate");
        let new = |_| ServerTls::new(&certificate, &ClientAuth::none(), &Tickets::new());
        (0..3).map(|n| new(n).expect("settings")).collect()
    });
    Arc::clone(&made[number])
}

fn id(number: usize) -> ServerTlsId {
    ServerTlsId(u64::try_from(number).expect("small"))
}

/// Knows the settings.
fn compiler() -> Compiler {
    let server_tls = (0..3).map(|number| (id(number), tls(number))).collect();
    let mut compiler = Compiler::default();
    compiler.set_server_tls(Arc::new(server_tls));
    compiler
}

fn name(text: &str, action: TlsAction) -> Arc<ServerName> {
    let origin = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: text.into() };
    Arc::new(ServerName { pattern: pattern(text), action, section: None, origin })
}

fn passthrough(service: &str) -> TlsAction {
    let backends = vec![backend(service, 1)];
    TlsAction::Passthrough { backends, send_proxy: service == "t" }
}

fn relay(tls: usize, service: &str) -> TlsAction {
    TlsAction::Relay { tls: id(tls), backends: vec![backend(service, 1)] }
}

fn model(server_names: Vec<Arc<ServerName>>, default_tls: Option<ServerTlsId>) -> Model {
    Model {
        listeners: vec![Listener { server_names, default_tls, ..Listener::default() }],
        ..Model::default()
    }
}

/// `tls N`, `backend slot proxy` or `none`.
fn text(found: Option<TableTls<'_>>) -> String {
    match found {
        None => "none".into(),
        Some(TableTls::Terminate(found)) => {
            format!("tls {:?}", (0..3).find(|n| Arc::ptr_eq(&tls(*n), found)))
        }
        Some(TableTls::Relay { tls: found, backends }) => {
            let tls = (0..3).find(|n| Arc::ptr_eq(&tls(*n), found));
            format!("relay {tls:?} {}", backends.pick(|_| 0).expect("one has a share").slot)
        }
        Some(TableTls::Passthrough { backends, send_proxy }) => {
            let backend = backends.pick(|_| 0).expect("one has a share");
            format!("backend {} {send_proxy}", backend.slot)
        }
    }
}

#[test]
fn exact_then_one_label_then_longest_wildcard_then_default() {
    let terminate = |n| TlsAction::Terminate(id(n));
    let mut names = vec![
        name("a.b", terminate(1)),
        name("*.b", terminate(2)),
        name("**.c", terminate(1)),
        name("**.d.c", terminate(2)),
        name("p.b", passthrough("t")),
        name("r.b", relay(1, "r")),
        name("s.b", relay(7, "s")),
    ];
    let rows = [
        (Some("r.b"), "relay Some(1) 1"),
        (Some("s.b"), "none"),
        (Some("a.b"), "tls Some(1)"),
        (Some("x.b"), "tls Some(2)"),
        (Some("p.b"), "backend 0 true"),
        (Some("x.a.b"), "tls Some(0)"),
        (Some("b"), "tls Some(0)"),
        (Some(".b"), "tls Some(0)"),
        (Some("x.c"), "tls Some(1)"),
        (Some("y.x.c"), "tls Some(1)"),
        (Some("y.x.d.c"), "tls Some(2)"),
        (Some("d.c"), "tls Some(1)"),
        (Some("c"), "tls Some(0)"),
        (Some(""), "tls Some(0)"),
        (None, "tls Some(0)"),
    ];
    let table = compiler().compile(&model(names.clone(), Some(id(0)))).table;
    // What has all names comes before the default.
    names.push(name("*", terminate(0)));
    let all = compiler().compile(&model(names.clone(), Some(id(2)))).table;
    names.pop();
    for table in [&table, &all] {
        let ask =
            |sni: Option<&str>| text(table.server_name(ListenerId::HTTP, sni.map(str::as_bytes)));
        for (sni, expected) in rows {
            assert_eq!(ask(sni), expected, "{sni:?}");
        }
    }
    assert_eq!(table.client_auth(ListenerId::HTTP, b"p.b"), ClientAuthId(0));
    let table = compiler().compile(&model(names, None)).table;
    assert_eq!(text(table.server_name(ListenerId::HTTP, Some(b"x"))), "none");
    assert_eq!(
        text(table.server_name(ListenerId { slot: 7, generation: 0 }, Some(b"a.b"))),
        "none"
    );
}

/// Neither the wildcard nor the default serves in its place.
#[test]
fn nobody_answers_for_what_the_compiler_was_not_told() {
    let unknown = TlsAction::Terminate(id(7));
    let names = vec![name("a.b", unknown), name("*.b", TlsAction::Terminate(id(1)))];
    let table = compiler().compile(&model(names, Some(id(0)))).table;
    let ask = |sni: &str| text(table.server_name(ListenerId::HTTP, Some(sni.as_bytes())));
    assert_eq!([ask("a.b"), ask("x.b")], ["none", "tls Some(1)"]);
    assert!(table.demands_certificates(ListenerId::HTTP));
    assert_ne!(table.client_auth(ListenerId::HTTP, b"a.b"), ClientAuthId(0));
    assert_eq!(table.client_auth(ListenerId::HTTP, b"x.b"), ClientAuthId(0));
}

/// Connections are kept apart by the listeners that have their names, and no others are.
#[test]
fn each_name_is_of_the_listener_that_has_it() {
    let of = |text: &str, listener: Option<&str>| {
        let name = ServerName::clone(&name(text, TlsAction::Terminate(id(0))));
        Arc::new(ServerName { section: listener.map(pattern), ..name })
    };
    let names = vec![
        of("a.b", Some("a.b")),
        of("**.b", Some("**.b")),
        of("c.b", Some("**.b")),
        of("*", Some("*")),
        of("i.x", None),
    ];
    let table = compiler().compile(&model(names, None)).table;
    assert!(table.has_sections(ListenerId::HTTP));
    for (sni, expected) in [
        (Some("a.b"), Some("a.b")),
        (Some("x.b"), Some("**.b")),
        (Some("c.b"), Some("**.b")),
        (Some("i.x"), None),
        (Some("z"), Some("*")),
        (Some(""), Some("*")),
        (None, Some("*")),
    ] {
        let found = table.section(ListenerId::HTTP, sni.map(str::as_bytes));
        assert_eq!(found, expected.map(pattern).as_ref(), "{sni:?}");
    }
    let one = compiler().compile(&model(vec![of("a.b", Some("a.b"))], None)).table;
    let none = compiler().compile(&model(vec![of("a.b", None), of("i.x", None)], None)).table;
    assert!(!one.has_sections(ListenerId::HTTP) && !none.has_sections(ListenerId::HTTP));
}

#[test]
fn an_unchanged_list_is_shared_between_tables() {
    let names = vec![name("a.b", TlsAction::Terminate(id(1)))];
    let mut compiler = compiler();
    let mut index = |names: &[Arc<ServerName>]| {
        Arc::clone(&compiler.compile(&model(names.to_vec(), Some(id(0)))).table.listeners[0].names)
    };
    let first = index(&names);
    assert!(Arc::ptr_eq(&first, &index(&names)));
    assert!(!Arc::ptr_eq(&first, &index(&[])));
}

fn action() -> impl Strategy<Value = TlsAction> {
    prop_oneof![
        (0..3_usize).prop_map(|n| TlsAction::Terminate(id(n))),
        select(vec!["s", "t"]).prop_map(passthrough),
        Just(TlsAction::Nobody),
    ]
}

/// Names, no pattern twice.
fn names() -> impl Strategy<Value = Vec<Arc<ServerName>>> {
    let text = prop_oneof![
        3 => generate::name(),
        2 => generate::name().prop_map(|n| format!("*.{n}")),
        1 => generate::name().prop_map(|n| format!("**.{n}")),
        1 => Just("*".to_owned()),
    ];
    vec((text, action()), 0..8).prop_map(|names| {
        let mut seen = BTreeSet::new();
        let fresh = names.into_iter().filter(|(text, _)| seen.insert(text.clone()));
        fresh.map(|(text, action)| name(&text, action)).collect()
    })
}

fn default_tls() -> impl Strategy<Value = Option<ServerTlsId>> {
    proptest::option::of((0..3_usize).prop_map(id))
}

/// Whether the table says what the oracle says; `backends` is what a core knows.
fn is_same(
    table: &Table,
    model: &Model,
    sni: Option<&[u8]>,
    backends: &[(BackendId, Arc<crate::model::BackendKey>)],
) -> bool {
    let found = table.server_name(ListenerId::HTTP, sni);
    match (found, naive::server_name(model, ListenerId::HTTP, sni)) {
        (None, None) => true,
        (Some(TableTls::Terminate(found)), Some(TlsAction::Terminate(wanted))) => {
            (0..3).any(|n| id(n) == wanted && Arc::ptr_eq(found, &tls(n)))
        }
        (
            Some(TableTls::Passthrough { backends: found, send_proxy }),
            Some(TlsAction::Passthrough { backends: keys, send_proxy: wanted }),
        ) => {
            let keys = keys.iter().filter_map(|entry| entry.target.key());
            let are_known = keys
                .into_iter()
                .all(|key| backends.iter().any(|(id, known)| **known == *key && found.has(*id)));
            send_proxy == wanted && are_known
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn names_answer_as_the_oracle_through_all_edits(
        lists in vec((names(), default_tls()), 1..5),
        asked in vec(generate::name(), 12),
    ) {
        let mut compiler = compiler();
        let mut backends = Vec::new();
        for (names, default_tls) in lists {
            let model = model(names, default_tls);
            let Compiled { table, added, removed, .. } = compiler.compile(&model);
            backends.retain(|(id, _)| removed.iter().all(|info| info.id != *id));
            backends.extend(added.into_iter().map(|info| (info.id, info.key)));
            for sni in &asked {
                let is_same = is_same(&table, &model, Some(sni.as_bytes()), &backends);
                prop_assert!(is_same, "{} in {:?}", sni, model);
            }
            prop_assert!(is_same(&table, &model, None, &backends));
        }
        let emptied = compiler.compile(&Model::default());
        prop_assert_eq!(emptied.removed.len(), backends.len());
    }
}
