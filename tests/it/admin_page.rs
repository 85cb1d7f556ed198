//! The page of the admin listener in a real browser: every view with much, little and nothing to
//! show and with nobody to ask, on a narrow screen, without an error.

use crate::admin_api::everything;
use crate::harness::PathType::Prefix;
use crate::harness::browser::Browser;
use crate::harness::{Backend, Builder, Driver, Ingress, Proxy, manifest, ports};

/// Every view, and what it shows of one of everything, of nothing and of 5,000 routes.
const VIEWS: [(&str, [&str; 3]); 8] = [
    ("overview", ["Answers 5xx", "Answers 5xx", "100, 5,000"]),
    ("hosts", ["shop.example", "No host is served.", "1 to 100 of 100"]),
    ("routes", ["/cart", "There is no such route.", "1 to 100 of 5,000"]),
    ("endpoints?backend=default/web:80", ["ready", "no such backend", "no usable endpoint"]),
    ("certificates", ["shop.example", "any other", "any other"]),
    ("problems", ["ServiceMissing", "Nothing is wrong.", "NoEndpoints"]),
    ("objects", ["Gateway default/edge", "There is no object", "There is no object"]),
    ("explain", ["Fields, one a line", "Fields, one a line", "Fields, one a line"]),
];

/// What has no name for who does not see it.
const UNNAMED: &str = "[...document.querySelectorAll('input, select, textarea, button, a, svg')]
    .filter((one) => !(one.labels && one.labels.length) && !one.getAttribute('aria-label')
        && !one.textContent.trim()).map((one) => one.outerHTML)";

fn five_thousand_routes() -> String {
    let ingress = |number: usize| {
        let of = Ingress::new(&format!("i{number}")).host(&format!("h{number}.example"));
        let path = |of: Ingress, path| of.path(&format!("/p{path}"), Prefix, "web");
        (0..50).fold(of, path).yaml()
    };
    manifest::service("web") + &(0..100).map(ingress).collect::<String>()
}

fn shows(words: &str) -> String {
    let words = serde_json::to_string(words).expect("a text");
    format!("document.getElementById('main').innerText.includes({words})")
}

/// Opens a view; what is wrong with it is nothing but what contains one of `excused`.
#[track_caller]
fn check_view(browser: &mut Browser, proxy: &Proxy, view: &str, words: &str, excused: &[&str]) {
    browser.open(&format!("http://{}/#{view}", proxy.admin));
    browser.wait_for(&format!("document.readyState === 'complete' && {}", shows(words)));
    let width = browser.evaluate("document.documentElement.scrollWidth").as_u64();
    assert!(width.is_some_and(|width| width <= 360), "{view}: {width:?} pixels wide");
    assert_eq!(browser.evaluate(UNNAMED), serde_json::json!([]), "{view}");
    check_faults(browser, view, excused);
    let paint = "performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)[0]";
    if let Some(paint) = browser.evaluate(paint).as_f64() {
        eprintln!("first paint of {view} with {words:?} after {paint:.0} ms");
    }
}

#[track_caller]
fn check_faults(browser: &mut Browser, view: &str, excused: &[&str]) {
    let faults = browser.faults();
    let is_excused = |fault: &&String| excused.iter().any(|words| fault.contains(words));
    let faults: Vec<_> = faults.iter().filter(|fault| !is_excused(fault)).collect();
    assert!(faults.is_empty(), "{view}: {faults:#?}");
}

#[test]
fn every_view_shows_much_and_nothing_without_an_error() {
    let Some(mut browser) = Browser::start() else { return };
    let (backend, [port]) = (Backend::echo("a"), ports::<1>());
    let states = [everything(&backend, port.port()), String::new(), five_thousand_routes()];
    for (number, manifests) in states.into_iter().enumerate() {
        let proxy = Builder::new(Driver::Epoll).manifests(manifests).start();
        for (view, words) in VIEWS {
            // The browser itself says so where a backend is not known.
            let excused: &[&str] = if number == 1 { &["404 (Not Found)"] } else { &[] };
            check_view(&mut browser, &proxy, view, words[number], excused);
        }
        if number == 0 {
            check_doing(&mut browser, &proxy);
        }
        check_stopped(&mut browser, proxy);
    }
}

/// What is found wrong would be; then what somebody may do on the page.
fn check_doing(browser: &mut Browser, proxy: &Proxy) {
    browser.evaluate("document.body.append(Object.assign(el('script'), {textContent: '1'}))");
    let faults = browser.faults();
    assert!(faults.iter().any(|fault| fault.contains("Content Security Policy")), "{faults:?}");
    check_view(browser, proxy, "explain", "Fields", &[]);
    browser.evaluate(
        "document.querySelector('input[name=url]').value = 'http://shop.example/cart';
         document.querySelector('form').requestSubmit()",
    );
    browser.wait_for(&shows("Ingress default/shop"));
    // Somebody types, and goes elsewhere before it is asked for.
    check_view(browser, proxy, "hosts", "shop.example", &[]);
    browser.evaluate(
        "const field = document.querySelector('input[type=search]');
         field.value = 'x'; field.dispatchEvent(new Event('input')); location.hash = '#problems'",
    );
    browser.wait_for(&shows("ServiceMissing"));
    let later = "new Promise((done) => setTimeout(() => done(location.hash), 2 * TYPING_MS))";
    assert_eq!(browser.evaluate(later), "#problems");
    // Another process, with counts or cores of its own.
    check_view(browser, proxy, "overview", "Answers 5xx", &[]);
    browser.wait_for("history_.length > 0");
    for of_other in ["{ ...core, requests: 0 }", "core, core"] {
        let cores = format!("latest.cores.flatMap((core) => [{of_other}])");
        let script = format!(
            "(() => {{ latest.cores[0].requests += 9; note(latest); note(latest);
              note({{ ...latest, cores: {cores} }}); return history_.length; }})()"
        );
        assert_eq!(browser.evaluate(&script), 1, "{of_other}");
    }
    let asked = browser.evaluate(
        "(async () => {
           const [real, begun] = [fetch, []];
           window.fetch = async () => { begun.push(1); return new Response(''); };
           listen();
           await new Promise((done) => setTimeout(done, REOPEN_MS / 2));
           window.fetch = real;
           return begun.length;
         })()",
    );
    assert_eq!(asked, 1, "a stream that ends at once is not asked for at once");
    check_faults(browser, "doing", &[]);
}

/// Nobody answers any more: every view says so and goes on when somebody does.
fn check_stopped(browser: &mut Browser, mut proxy: Proxy) {
    check_view(browser, &proxy, "hosts", "", &[]);
    browser.wait_for("latest !== null");
    proxy.signal("KILL");
    proxy.wait_for_exit();
    for (view, _) in VIEWS {
        // What the last view showed does not count.
        let show = "document.querySelector('main').replaceChildren()";
        browser.evaluate(&format!("{show}; location.hash = '#{view}'"));
        let words = match view {
            // Shows the last that it knows, and a form.
            "overview" => "Answers 5xx",
            "explain" => "Fields",
            _ => "It cannot be shown",
        };
        browser.wait_for(&shows(words));
    }
    browser.wait_for("document.getElementById('state').innerText.includes('no live numbers')");
    check_faults(browser, "stopped", &["net::ERR_"]);
}
