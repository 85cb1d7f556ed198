//! A headless Chromium that is told what to do over the DevTools protocol, and whatever it finds
//! wrong with a page: exceptions, errors of the console, violations of the content security policy.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::{DEADLINE, holds_within};

const BINARIES: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

/// A running browser with one page; ended when dropped.
pub(crate) struct Browser {
    child: Child,
    _folder: TempDir,
    socket: WebSocket<TcpStream>,
    /// Of the page; empty: none yet.
    session: String,
    calls: u64,
    faults: Vec<String>,
}

impl Browser {
    /// With an empty page of 360 by 740 pixels; `None`, and loud, where there is no Chromium.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let Some(binary) = BINARIES.into_iter().find(|binary| Path::new(binary).exists()) else {
            eprintln!("NOT TESTED: there is no {}", BINARIES[0]);
            return None;
        };
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut child = Command::new(binary)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-extensions"])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium");
        let file = folder.path().join("DevToolsActivePort");
        let mut place = None;
        let is_there = holds_within(DEADLINE * 3, || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            place = text.split_once('\n').map(|(port, path)| (port.to_owned(), path.to_owned()));
            place.is_some() || child.try_wait().is_ok_and(|ended| ended.is_some())
        });
        let (port, path) = place.filter(|_| is_there).expect("chromium listens");
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("chromium answers");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let (socket, _) = client(format!("ws://127.0.0.1:{port}{path}"), stream).expect("DevTools");
        let (session, faults) = (String::new(), Vec::new());
        let mut browser = Self { child, _folder: folder, socket, session, calls: 0, faults };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", &target)["sessionId"].clone();
        self.session = session.as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
        let screen = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// What the browser answers to a command; what it tells meanwhile is kept.
    #[track_caller]
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(call.to_string())).expect("the browser listens");
        loop {
            let told = self.socket.read().expect("the browser answers");
            let Ok(text) = told.to_text() else { continue };
            let told: Value = serde_json::from_str(text).unwrap_or_default();
            if told["id"] == json!(id) {
                assert!(told["error"].is_null(), "{method}: {}", told["error"]);
                return told["result"].clone();
            }
            self.faults.extend(fault(&told));
        }
    }

    /// Loads a page anew.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        // A fragment alone would be a move within the page.
        self.call("Page.navigate", &json!({"url": "about:blank"}));
        self.call("Page.navigate", &json!({"url": url}));
    }

    /// The value of an expression in the page, or of what it promises.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let what = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &what);
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let is_true = holds_within(DEADLINE, || self.evaluate(expression) == json!(true));
        if !is_true {
            let text = self.evaluate("document.body.innerText");
            panic!("waited in vain for {expression}; {:?}; {text}", self.faults);
        }
    }

    /// What was found wrong since the last time.
    #[track_caller]
    pub(crate) fn faults(&mut self) -> Vec<String> {
        // All that was told before its answer.
        self.evaluate("0");
        std::mem::take(&mut self.faults)
    }
}

fn fault(told: &Value) -> Option<String> {
    let parameters = &told["params"];
    let (is_fault, words) = match told["method"].as_str()? {
        "Runtime.exceptionThrown" => (true, &parameters["exceptionDetails"]),
        "Log.entryAdded" => (parameters["entry"]["level"] == "error", &parameters["entry"]),
        "Runtime.consoleAPICalled" => {
            (parameters["type"] == "error" || parameters["type"] == "assert", &parameters["args"])
        }
        _ => return None,
    };
    is_fault.then(|| words.to_string())
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself; its children end with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
