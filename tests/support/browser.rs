//! A real browser inside a [`Host`]: headless Chromium by the DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>), over its pipe: JSON messages that end in a
//! NUL on its descriptors 3 and 4, so that no port and no WebSocket is needed.
//!
//! What the page says on its console, which requests it makes and which exceptions it throws is
//! gathered from the start.

use super::host::Host;
use super::skip::skip;
use super::wait::wait_for;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// For one answer, on a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(40);

/// One browser with one page. It ends with this value, or with its machine.
pub(crate) struct Browser {
    child: Child,
    requests: RefCell<ChildStdin>,
    messages: Receiver<Value>,
    session: String,
    number: Cell<u64>,
    heard: RefCell<Vec<Value>>,
}

impl Host {
    /// A browser with an empty page; `None` where there is no Chromium, which is said on standard
    /// error, and is a failure in CI.
    pub(crate) fn browser(&self, test: &str) -> Option<Browser> {
        if self.run(&["sh", "-c", "command -v chromium"]).status != 0 {
            skip(format_args!("{test}: chromium is not installed: make packages"));
            return None;
        }
        // Debian's wrapper reads every file of this directory, and fails if there is none.
        self.write("/etc/chromium.d/none", "", 0o644);
        let fonts = "<fontconfig><dir>/usr/share/fonts</dir><cachedir>/tmp/fonts</cachedir>
            <match><edit name='family' mode='append_last'><string>DejaVu Sans</string></edit></match></fontconfig>";
        self.write("/etc/fonts/fonts.conf", fonts, 0o644);
        // Without a sandbox of its own, which root cannot have; the machine is one. The last five keep
        // it from asking the world for anything.
        let command = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
            --remote-debugging-pipe --user-data-dir=/tmp/browser --no-first-run --disable-extensions \
            --force-color-profile=srgb --hide-scrollbars --disable-background-networking \
            --disable-component-update --disable-sync --disable-default-apps --metrics-recording-only \
            about:blank 3<&0 4>&1 </dev/null >/out/browser.log 2>&1";
        let mut child = self
            .command(&["sh", "-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("nsenter starts");
        let requests = child.stdin.take().expect("piped");
        let answers = child.stdout.take().expect("piped");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message else { return };
                let value = serde_json::from_slice(&message).expect("DevTools speak JSON");
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            requests: RefCell::new(requests),
            messages,
            session: String::new(),
            number: Cell::new(0),
            heard: RefCell::new(Vec::new()),
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }
}

impl Browser {
    /// One call, and its result.
    pub(crate) fn call(&self, method: &str, parameters: Value) -> Value {
        let id = self.number.get() + 1;
        self.number.set(id);
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.requests.borrow_mut().write_all(&bytes).expect("chromium reads");
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|e| panic!("{method}: no answer of chromium: {e}"));
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.heard.borrow_mut().push(message);
        }
    }

    /// Size of the window in CSS pixels, and `light` or `dark`.
    pub(crate) fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        let answer = self.call("Page.navigate", json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
        self.await_true("the page is loaded", "document.readyState === 'complete'");
    }

    /// The value of an expression (of its promise) in the page.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        let how = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", how);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn await_true(&self, what: &str, expression: &str) {
        let text = || self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned();
        wait_for(what, text, || self.eval(&format!("Boolean({expression})")) == json!(true));
    }

    /// Waits until the element of this selector shows this text.
    pub(crate) fn await_text(&self, selector: &str, text: &str) {
        let (element, text) = (json!(selector), json!(text));
        let what = format!("{element} shows {text}");
        self.await_true(&what, &format!("document.querySelector({element})?.innerText.includes({text})"));
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`, or a character.
    pub(crate) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            " " => (32, " "),
            "/" => (191, "/"),
            _ => (0, key),
        };
        let down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Errors and warnings of the console, and exceptions that nobody caught.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.events(|method, event| match method {
            "Runtime.consoleAPICalled" => {
                let kind = event["type"].as_str().unwrap_or_default();
                matches!(kind, "error" | "warning" | "assert").then(|| format!("{kind}: {}", event["args"]))
            }
            "Log.entryAdded" => {
                let entry = &event["entry"];
                let level = entry["level"].as_str().unwrap_or_default();
                matches!(level, "error" | "warning")
                    .then(|| format!("{level}: {} {}", entry["text"], entry["url"]))
            }
            "Runtime.exceptionThrown" => Some(format!("exception: {}", event["exceptionDetails"])),
            _ => None,
        })
    }

    /// The URL of every request that the page has made.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.events(|method, event| {
            let url = event["request"]["url"].as_str();
            (method == "Network.requestWillBeSent").then(|| url.unwrap_or_default().to_owned())
        })
    }

    fn events(&self, pick: impl Fn(&str, &Value) -> Option<String>) -> Vec<String> {
        // Whatever it has said by now is here before the answer to this.
        self.eval("0");
        let heard = self.heard.borrow();
        heard.iter().filter_map(|m| pick(m["method"].as_str().unwrap_or_default(), &m["params"])).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends when its pipe does; its parent here only waits.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
