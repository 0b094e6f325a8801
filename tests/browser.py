"""A headless Chromium, driven over HTTP by the WebDriver protocol of chromedriver."""

import base64
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


class Browser:
    """A browser window. `close` ends it and its driver."""

    def __init__(self, directory):
        port = find_free_port()
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._url = f"http://127.0.0.1:{port}"
        self._session = ""
        try:
            eventually(self._is_ready, 20)
            flags = [*FLAGS, f"--user-data-dir={directory}"]
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
            return requests.get(f"{self._url}/status", timeout=5).ok
        except requests.ConnectionError:
            return False

    def close(self):
        """Close the window and stop the driver."""
        if self._session:
            requests.delete(self._url + self._session, timeout=20)
        self._driver.terminate()
        self._driver.wait(10)

    def _post(self, path, body):
        answer = requests.post(self._url + self._session + path, json=body, timeout=60).json()
        if isinstance(answer["value"], dict) and "error" in answer["value"]:
            raise AssertionError(answer["value"]["message"])
        return answer["value"]

    def open(self, url):
        """Load a page."""
        self._post("/url", {"url": url})

    def run(self, script, *arguments):
        """Run a script and return its result."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def type(self, selector, text):
        """Type text into an element."""
        self._post(f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector):
        """Click an element."""
        self._post(f"/element/{self._find(selector)}/click", {})

    def press(self, keys):
        """Press keys, which go to the element that has the focus."""
        actions = [{"type": name, "value": key} for key in keys for name in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

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
