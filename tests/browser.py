"""A headless Chromium over the WebDriver protocol: what chromedriver speaks is plain HTTP."""

import base64
import shutil
import subprocess
import time

import requests

from tests.live import eventually, free_port

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
    """One window, ended with its driver."""

    def __init__(self, directory):
        port = free_port()
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._at = f"http://127.0.0.1:{port}"
        self._session = ""
        try:
            eventually(self._is_ready, 20)
            flags = [*FLAGS, f"--user-data-dir={directory}"]
            options = {"binary": CHROMIUM, "args": flags}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options}
            wanted["goog:loggingPrefs"] = {"browser": "ALL"}
            made = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _is_ready(self):
        try:
            return requests.get(f"{self._at}/status", timeout=5).ok
        except requests.ConnectionError:
            return False

    def close(self):
        if self._session:
            requests.delete(self._at + self._session, timeout=20)
        self._driver.terminate()
        self._driver.wait(10)

    def _post(self, path, body):
        answer = requests.post(self._at + self._session + path, json=body, timeout=60).json()
        if isinstance(answer["value"], dict) and "error" in answer["value"]:
            raise AssertionError(answer["value"]["message"])
        return answer["value"]

    def open(self, url):
        self._post("/url", {"url": url})

    def run(self, script, *arguments):
        """What a script's `return` gives."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def type(self, selector, text):
        self._post(f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector):
        self._post(f"/element/{self._find(selector)}/click", {})

    def press(self, keys):
        """Keys at whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def _find(self, selector):
        return self._post("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def size(self, width, height, *, dark=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._cdp("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._cdp("Emulation.setEmulatedMedia", {"features": [scheme]})

    def _cdp(self, command, parameters):
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def picture(self):
        """The whole page as PNG."""
        time.sleep(0.2)
        shot = self._cdp("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(shot["data"])

    def complaints(self):
        """What the console says of errors: scripts, and what the policy refused."""
        said = self._post("/se/log", {"type": "browser"})
        return [line["message"] for line in said if line["level"] == "SEVERE"]
