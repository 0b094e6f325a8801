"""A headless Chromium, driven over HTTP by the WebDriver protocol of chromedriver."""

import base64
import contextlib
import json
import shutil
import subprocess
import time

import requests

from tests.live import eventually, find_free_port

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


# How often a script may replace an element between the moments when it is found and used.
MAX_REPLACEMENTS = 5


class StaleElement(AssertionError):
    """An element was replaced after it was found, so nothing was done with it."""


class Browser:
    """A browser window. `close` ends it and its driver."""

    def __init__(self, directory, more_flags=()):
        port = find_free_port()
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._url = f"http://127.0.0.1:{port}"
        self._http = requests.Session()
        self._session = ""
        try:
            eventually(self._is_ready, 20)
            flags = [*FLAGS, f"--user-data-dir={directory}", *more_flags]
            options = {"binary": CHROMIUM, "args": flags}
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options}
            capabilities["goog:loggingPrefs"] = {"browser": "ALL"}
            session = self._post("/session", {"capabilities": {"alwaysMatch": capabilities}})
            self._session = f"/session/{session['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _is_ready(self):
        try:
            return self._http.get(f"{self._url}/status", timeout=5).ok
        except requests.ConnectionError:
            return False

    def close(self):
        """Close the window and stop the driver."""
        if self._session:
            self._http.delete(self._url + self._session, timeout=20)
        self._http.close()
        self._driver.terminate()
        self._driver.wait(10)

    def _post(self, path, body):
        answer = self._http.post(self._url + self._session + path, json=body, timeout=60).json()
        if isinstance(answer["value"], dict) and "error" in answer["value"]:
            is_stale = answer["value"]["error"] == "stale element reference"
            raise (StaleElement if is_stale else AssertionError)(answer["value"]["message"])
        return answer["value"]

    def open(self, url):
        """Load a page."""
        self._post("/url", {"url": url})

    def run(self, script, *arguments):
        """Run a script and return its result."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """Run a script whose last argument is a function, and return what it calls it with."""
        return self._post("/execute/async", {"script": script, "args": list(arguments)})

    def type(self, selector, text):
        """Type text into an element."""
        self._use(lambda: self._find(selector), "value", {"text": text})

    def click(self, selector):
        """Click an element."""
        self._use(lambda: self._find(selector), "click", {})

    def press(self, keys):
        """Press keys, which go to the element that has the focus."""
        actions = [{"type": name, "value": key} for key in keys for name in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def _use(self, find, action, body):
        """Act on the element that `find` returns, and find it again if it is replaced meanwhile."""
        for _attempt in range(MAX_REPLACEMENTS):
            with contextlib.suppress(StaleElement):
                return self._post(f"/element/{find()}/{action}", body)
        return self._post(f"/element/{find()}/{action}", body)

    def _find(self, selector):
        return self._post("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def resize(self, width, height, *, dark=False):
        """Set the size of the page in pixels, and the preferred colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._cdp("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._cdp("Emulation.setEmulatedMedia", {"features": [scheme]})

    def _cdp(self, command, parameters):
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self):
        """Return the whole page as PNG."""
        time.sleep(0.2)
        shot = self._cdp("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(shot["data"])

    def console_errors(self):
        """Return the errors in the console: those of scripts, and violations of the policy."""
        entries = self._post("/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def wait_for(self, condition, seconds=20):
        """Wait until an expression of JavaScript is true, and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(f"return ({condition})")):
            if time.monotonic() > deadline:
                text = self.run("return document.body.innerText")
                raise AssertionError(f"{condition}: {self.console_errors()} {text}")
            time.sleep(0.05)
        return value

    def wait_for_text(self, text, selector="body", seconds=20):
        """Wait until an element that is shown contains a text."""
        found = f"document.querySelector({json.dumps(selector)})?.innerText"
        return self.wait_for(f"{found}?.includes({json.dumps(text)})", seconds)

    def text(self, selector="body"):
        """Return the text of an element, as it is shown."""
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def fill(self, selector, text):
        """Replace the value of an input, and tell the page of it."""
        script = """
        const [selector, text] = arguments, input = document.querySelector(selector);
        input.value = text;
        input.dispatchEvent(new Event("input", {bubbles: true}));
        input.dispatchEvent(new Event("change", {bubbles: true}));
        """
        self.run(script, selector, text)

    def press_button(self, text, within="body"):
        """Click the first button or link that is shown and has a text. Wait until there is one."""
        script = """
        [...document.querySelectorAll(%s)].find((each) =>
          each.checkVisibility() && each.innerText.trim() === %s)
        """
        names = ("button", "a", "summary", "[role=tab]", "label.choice")
        selector = ", ".join(f"{within} {name}" for name in names)
        script = script.strip() % (json.dumps(selector), json.dumps(text))
        self._use(lambda: self.wait_for(script)[ELEMENT], "click", {})

    def set_online(self, is_online):
        """Connect the page to the network, or cut its connections off."""
        self._cdp("Network.enable", {})
        speeds = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self._cdp("Network.emulateNetworkConditions", {"offline": not is_online, **speeds})

    def set_languages(self, languages):
        """Send this Accept-Language from now on, such as `el,en;q=0.5`."""
        self._cdp("Network.enable", {})
        self._cdp("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": languages}})

    def delete_cookies(self):
        """Delete the cookies of the page's site."""
        self._http.delete(f"{self._url}{self._session}/cookie", timeout=20)

    def list_violations(self, axe, rules=()):
        """Return what axe-core finds on the page, each with its elements.

        Args:
            axe: the source of axe-core.
            rules: the ids of the rules to check; all if there are none.
        """
        if not self.run("return Boolean(window.axe)"):  # Its source is half a megabyte.
            self.run(axe)
        script = """
        for (const each of document.getAnimations()) {
          if (each instanceof CSSTransition) each.finish();  // It may have begun with the scheme.
        }
        const [rules, done] = arguments, options = {resultTypes: ["violations"]};
        if (rules.length) options.runOnly = {type: "rule", values: rules};
        axe.run(document, options).then(({violations}) => done(violations.map(
          ({id, help, nodes}) => `${id}: ${help}: ${nodes.map((each) => each.html).join(" | ")}`)
        ), (error) => done([String(error)]));
        """
        return self.run_async(script, list(rules))

    def is_wider_than_window(self):
        """Return whether the page has to be scrolled sideways."""
        script = "const {scrollWidth, clientWidth} = document.documentElement;"
        return self.run(f"{script} return scrollWidth > clientWidth")
