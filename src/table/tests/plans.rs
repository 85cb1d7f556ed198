//! What rules say and leave open, in; plans out.

use std::num::{NonZeroU8, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use super::{backend, get, host, model, path, rule};
use crate::filter::{
    Binding, Edit, FieldEdits, Filter, Gate, HashBy, NamedPort, Pace, PathEdit, Redirect,
    RedirectQuery, Rewrite, Text,
};
use crate::limits::{RETRY_BACKOFF_MAX, TRIES_MAX};
use crate::model::{
    Balance, Defaults, Exhausted, Host, ListenerId, Model, OnMiss, Policies, RetryCause,
    RetryCauses, RetryPolicy, Rule, Timeouts,
};
use crate::table::plan::{Plan, Treatment};
use crate::table::{Compiler, Match, Table};

const SECOND: Duration = Duration::from_secs(1);

fn defaults() -> Defaults {
    Defaults {
        compression: Arc::default(),
        connect_timeout: SECOND,
        send_timeout: 2 * SECOND,
        read_timeout: 3 * SECOND,
        tries: 4,
        tries_time: 5 * SECOND,
        retry_causes: RetryCauses::DEFAULT,
        body_bytes_max: Some(6),
        balance: Balance::PeakEwma,
        ..Defaults::default()
    }
}

fn treatment(policies: &Policies) -> Treatment {
    Plan::new(&[], policies, &defaults()).treatment
}

#[test]
fn what_a_rule_leaves_open_is_the_default() {
    let expected = Treatment {
        connect_timeout: SECOND,
        send_timeout: 2 * SECOND,
        read_timeout: 3 * SECOND,
        exchange_timeout: None,
        try_timeout: None,
        body_bytes_max: Some(6),
        tries_max: 4,
        tries_time: 5 * SECOND,
        retry_causes: RetryCauses::DEFAULT,
        retried_statuses: Box::default(),
        backoff: None,
        exhausted: Exhausted::BadGateway,
        pace: None,
        balance: Balance::PeakEwma,
        binding: None,
    };
    assert_eq!(treatment(&Policies::default()), expected);
}

#[test]
fn what_a_rule_says_counts() {
    let text = Text::new("$request_uri", |_| false).expect("a text");
    let binding = Arc::new(Binding::Hash(HashBy { text, group: NonZeroU8::MIN }));
    let pace = Pace { bytes_per_second: NonZeroU64::MIN, after_bytes: 8 };
    let policies = Policies {
        timeouts: Timeouts {
            request: Some(9 * SECOND),
            backend_request: Some(8 * SECOND),
            connect: Some(10 * SECOND),
            send: Some(11 * SECOND),
            read: Some(12 * SECOND),
        },
        retry: RetryPolicy {
            tries: Some(2),
            time: Some(Duration::ZERO),
            causes: Some(RetryCauses::default().with(RetryCause::InvalidHead)),
            statuses: vec![500, 503],
            backoff: Some(SECOND),
            exhausted: Exhausted::Unavailable,
        },
        balance: Some(Balance::LeastRequest),
        binding: Some(Arc::clone(&binding)),
        body_bytes_max: Some(7),
        pace: Some(pace),
        ..Policies::default()
    };
    let expected = Treatment {
        connect_timeout: 10 * SECOND,
        send_timeout: 11 * SECOND,
        read_timeout: 12 * SECOND,
        exchange_timeout: Some(9 * SECOND),
        try_timeout: Some(8 * SECOND),
        body_bytes_max: Some(7),
        tries_max: 2,
        tries_time: Duration::ZERO,
        retry_causes: RetryCauses::default().with(RetryCause::InvalidHead),
        retried_statuses: [500, 503].into(),
        backoff: Some(SECOND),
        exhausted: Exhausted::Unavailable,
        pace: Some(pace),
        balance: Balance::LeastRequest,
        binding: Some(binding),
    };
    assert_eq!(treatment(&policies), expected);
}

#[test]
fn values_with_a_meaning_of_their_own() {
    let with = |timeouts| treatment(&Policies { timeouts, ..Policies::default() });
    let one_try = |time| Timeouts { backend_request: Some(time), ..Timeouts::default() };
    assert_eq!(with(one_try(Duration::ZERO)).try_timeout, None);
    let whole = Timeouts { request: Some(Duration::ZERO), ..Timeouts::default() };
    assert_eq!(with(whole).exchange_timeout, None);
    let any = Policies { body_bytes_max: Some(0), ..Policies::default() };
    assert_eq!(treatment(&any).body_bytes_max, None);
    let retry = RetryPolicy { tries: Some(u32::MAX), ..RetryPolicy::default() };
    let many = Policies { retry, ..Policies::default() };
    assert_eq!(treatment(&many).tries_max, TRIES_MAX);
    let retry = RetryPolicy { backoff: Some(Duration::MAX), ..RetryPolicy::default() };
    let slow = Policies { retry, ..Policies::default() };
    assert_eq!(treatment(&slow).backoff, Some(RETRY_BACKOFF_MAX));
}

fn set(name: &str, value: &str) -> FieldEdits {
    FieldEdits::new([(name, value)], [], []).expect("usable")
}

fn rewrite(hostname: Option<&str>, full: Option<&str>) -> Edit {
    let path = full.map(|full| PathEdit::Full(full.into()));
    Edit::Rewrite(Rewrite { hostname: hostname.map(Into::into), path })
}

#[test]
fn a_rewrite_of_the_host_counts_more_than_that_of_the_backend() {
    let policies = Policies { upstream_host: Some(Text::literal("p")), ..Policies::default() };
    let host = |filters: &[Filter]| Plan::new(filters, &policies, &defaults()).request.host;
    let text = |text| Some(Text::literal(text));
    assert_eq!(host(&[]), text("p"));
    assert_eq!(host(&[Filter::Edit(rewrite(None, Some("/")))]), text("p"));
    assert_eq!(host(&[Filter::Edit(rewrite(Some("r"), None))]), text("r"));
}

#[test]
fn filters_become_one_edit_of_each_side() {
    let redirect = |status| {
        let (scheme, hostname) = (None, None);
        let (port, query) = (NamedPort::Listener, RedirectQuery::Kept);
        Redirect { scheme, hostname, port, path: None, query, status }
    };
    let filters = [
        Filter::Edit(Edit::RequestFields(set("x", "1"))),
        Filter::Edit(rewrite(Some("a"), Some("/a"))),
        Filter::Redirect(redirect(301)),
        Filter::Edit(Edit::ResponseFields(set("y", "1"))),
        Filter::Edit(Edit::RequestFields(set("x", "2"))),
        Filter::Edit(rewrite(Some("b"), None)),
        Filter::Redirect(redirect(302)),
    ];
    let plan = Plan::new(&filters, &Policies::default(), &defaults());
    let gates = [Gate::Redirect(redirect(301)), Gate::BodySize(6)];
    assert_eq!(plan.gates, gates.into_iter().collect());
    assert_eq!(plan.request.fields, set("x", "2"));
    assert_eq!(plan.response.fields, set("y", "1"));
    assert_eq!(plan.request.host, Some(Text::literal("b")));
    assert_eq!(plan.request.path, Some(PathEdit::Full("/a".into())));
}

fn compile(compiler: &mut Compiler, model: &Model) -> Arc<Table> {
    compiler.compile(model).table
}

fn find<'t>(table: &'t Table, text: &str) -> Match<'t> {
    table.lookup(ListenerId::HTTP, &get("h", text).key()).expect("a rule")
}

fn host_of(rules: Vec<Rule>) -> Vec<Arc<Host>> {
    vec![host("h", OnMiss::Default, rules)]
}

/// Weights of 1: entry `n` gets what `n` chooses.
#[test]
fn edits_of_a_backend_come_behind_those_of_its_rule() {
    let mut both = rule("a", 0, vec![path("/")]);
    both.filters = vec![
        Filter::Edit(Edit::RequestFields(set("x", "rule"))),
        Filter::Edit(Edit::ResponseFields(set("y", "rule"))),
    ];
    let mut edited = backend("b", 1);
    edited.edits = vec![Edit::RequestFields(set("x", "backend")), rewrite(Some("b"), None)];
    both.backends = vec![backend("a", 1), edited];
    let table = compile(&mut Compiler::default(), &model(host_of(vec![both]), None));
    let found = find(&table, "/");
    let plan = |n| found.route(found.rule.backend(n).expect("an entry")).plan;
    assert!(std::ptr::eq(plan(0), &*found.rule.plan), "without edits nothing is held");
    assert_eq!(plan(0).request.fields, set("x", "rule"));
    assert_eq!(plan(1).request.fields, set("x", "backend"));
    assert_eq!(plan(1).request.host, Some(Text::literal("b")));
    assert_eq!(plan(1).response, plan(0).response);
    assert_eq!(plan(1).treatment, plan(0).treatment);
}

#[test]
fn rules_that_say_the_same_share_a_plan() {
    let mut other = rule("b", 2, vec![path("/c")]);
    other.policies.body_bytes_max = Some(1);
    let rules = vec![rule("a", 0, vec![path("/a")]), rule("b", 1, vec![path("/b")]), other];
    let table = compile(&mut Compiler::default(), &model(host_of(rules), None));
    let plan = |text: &str| &find(&table, text).rule.plan;
    assert!(Arc::ptr_eq(plan("/a"), plan("/b")));
    assert!(!Arc::ptr_eq(plan("/a"), plan("/c")));
}

#[test]
fn other_defaults_make_other_plans_and_keep_every_id() {
    let default_rule = rule("d", 1, Vec::new());
    let mut model = model(host_of(vec![rule("a", 0, vec![path("/a")])]), Some(default_rule));
    let mut compiler = Compiler::default();
    let before = compile(&mut compiler, &model);
    model.defaults = defaults();
    let compiled = compiler.compile(&model);
    assert!(compiled.added.is_empty() && compiled.removed.is_empty());
    assert!(compiled.series_added.is_empty() && compiled.series_removed.is_empty());
    for text in ["/a", "/other"] {
        let (old, new) = (find(&before, text).rule, find(&compiled.table, text).rule);
        assert_eq!(old.plan.treatment.tries_max, 3);
        assert_eq!(new.plan.treatment, treatment(&Policies::default()));
        assert_eq!(old.backends[0].backend, new.backends[0].backend);
        assert_eq!(old.series, new.series);
    }
    let same = compiler.compile(&model).table;
    assert!(Arc::ptr_eq(&find(&same, "/a").rule.plan, &find(&compiled.table, "/a").rule.plan));
}
