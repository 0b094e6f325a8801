"""Build docs/postman_collection.json from the files in docs/postman/.

People edit the YAML files; the collection is generated. `scripts/postman_examples.py` records the
saved answers in examples.json.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.postman_examples import Example, read_examples

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "docs" / "postman"
COLLECTION = ROOT / "docs" / "postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
JSON_TYPE = "application/json"
# The value of `answers` for an answer without a content type to check.
NO_CONTENT = "nothing"
# A request with `until` is sent again at most this often, after this pause.
MAX_TRIES, PAUSE_MS = 60, 500


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request in docs/postman/ and the tests of its answer. The fields are keys of the YAML.

    JavaScript in the fields may use `body`, the JSON of the answer.

    Attributes:
        name: unique in the collection.
        call: method and path, relative to `{{baseUrl}}`.
        status: the status that the answer must have.
        about: the description of the request.
        by: the user whose token is sent: `ada` sends `{{adaToken}}`.
        headers: header fields to send.
        body: the JSON to send.
        file: the file to upload instead of a body, relative to the project's folder.
        answers: the content type that the answer must have, or NO_CONTENT.
        code: the `code` that the error must have.
        shapes: JSON Schemas that parts of the answer must match, by JavaScript that gives the
            part; each schema is named in collection.yaml.
        tests: JavaScript that throws if the test fails, by the name of the test.
        keep: JavaScript for the values of variables that later requests use, by their names.
        before: a script to run before the request.
        until: JavaScript; the request is sent again until it is true, at most MAX_TRIES times.
    """

    name: str
    call: str
    status: int
    about: str = ""
    by: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    file: str = ""
    answers: str = JSON_TYPE
    code: str = ""
    shapes: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    until: str = ""


@dataclass(frozen=True)
class Folder:
    """A file in docs/postman/: the requests about one subject, in order."""

    name: str
    about: str
    requests: list[Request]


def read_folders() -> list[Folder]:
    """Return all folders in the order of their files.

    Raises:
        TypeError: a request has an unknown key.
    """
    files = [yaml.safe_load(path.read_text()) for path in sorted(SOURCE.glob("[0-9]*.yaml"))]
    return [
        Folder(each["folder"], each["about"], [Request(**fields) for fields in each["requests"]])
        for each in files
    ]


def build_collection() -> dict[str, Any]:
    """Return the collection in Postman's format 2.1."""
    about = yaml.safe_load((SOURCE / "collection.yaml").read_text())
    examples = read_examples()
    shapes = [
        {"key": f"shape_{name}", "value": json.dumps(shape), "type": "string"}
        for name, shape in about["shapes"].items()
    ]
    variables = [{"key": name, "value": value} for name, value in about["variables"].items()]
    return {
        "info": {"name": about["name"], "description": about["about"], "schema": SCHEMA},
        "item": [_build_folder(folder, examples) for folder in read_folders()],
        "event": _build_events("", about["after each"]),
        "variable": variables + shapes,
    }


def _build_folder(folder: Folder, examples: Mapping[str, Example]) -> dict[str, Any]:
    return {
        "name": folder.name,
        "description": folder.about,
        "item": [_build_item(each, examples.get(each.name)) for each in folder.requests],
    }


def _build_item(request: Request, example: Example | None) -> dict[str, Any]:
    method, _, path = request.call.partition(" ")
    sent = {
        "method": method,
        "header": [{"key": name, "value": value} for name, value in request.headers.items()],
        "url": f"{{{{baseUrl}}}}{path}",
        "description": request.about,
        **_build_auth(request.by),
        **_build_body(request),
    }
    item = {
        "name": request.name,
        "request": {name: value for name, value in sent.items() if value},
        "event": _build_events(request.before, "\n".join(_iter_script(request))),
    }
    return item | {"response": [_build_response(example, item["request"])]} if example else item


def _build_response(example: Example, sent: Any) -> dict[str, Any]:
    """Return a saved answer of a request in Postman's format."""
    return {
        "name": f"{example['status']} {example['reason']}",
        "originalRequest": sent,
        "status": example["reason"],
        "code": example["status"],
        "header": [{"key": "Content-Type", "value": example["contentType"]}],
        "body": example.get("body", ""),
    }


def _build_auth(by: str) -> dict[str, Any]:
    if not by:
        return {}
    token = {"key": "token", "value": f"{{{{{by}Token}}}}", "type": "string"}
    return {"auth": {"type": "bearer", "bearer": [token]}}


def _build_body(request: Request) -> dict[str, Any]:
    if request.file:
        part = {"key": "file", "type": "file", "src": request.file}
        return {"body": {"mode": "formdata", "formdata": [part]}}
    if request.body:
        options = {"raw": {"language": "json"}}
        return {"body": {"mode": "raw", "raw": request.body.strip(), "options": options}}
    return {}


def _build_events(before: str, after: str) -> list[dict[str, Any]]:
    scripts = {"prerequest": before, "test": after}
    return [
        {"listen": name, "script": {"type": "text/javascript", "exec": script.strip().split("\n")}}
        for name, script in scripts.items()
        if script
    ]


def _iter_script(request: Request) -> Iterator[str]:
    """Yield the lines of the script that runs after the answer."""
    if request.answers == JSON_TYPE:
        yield "const body = pm.response.json();"
    if request.until:
        yield from _iter_repetition(request.until, _iter_checks(request))
    else:
        yield from _iter_checks(request)


def _iter_checks(request: Request) -> Iterator[str]:
    """Yield the lines that test the answer and keep values of it for later requests."""
    yield from _iter_test(
        f"status is {request.status}", f"pm.response.to.have.status({request.status});"
    )
    if request.answers != NO_CONTENT:
        content_type = "pm.response.headers.get('Content-Type')"
        code = f"pm.expect({content_type}).to.include('{request.answers}');"
        yield from _iter_test(f"answers {request.answers}", code)
    if request.code:
        code = f"pm.expect(body.code).to.eql('{request.code}');"
        yield from _iter_test(f"code is {request.code}", code)
    for part, shape in request.shapes.items():
        schema = f"JSON.parse(pm.collectionVariables.get('shape_{shape}'))"
        yield from _iter_test(
            f"{part}: {shape}", f"pm.expect({part}).to.have.jsonSchema({schema});"
        )
    for name, code in request.tests.items():
        yield from _iter_test(name, code)
    for name, value in request.keep.items():
        yield f"pm.collectionVariables.set('{name}', {value});"


def _iter_test(name: str, code: str) -> Iterator[str]:
    yield f"pm.test({json.dumps(name, ensure_ascii=False)}, () => {{"
    yield from (f"    {line}" for line in code.strip().split("\n"))
    yield "});"


def _iter_repetition(condition: str, checks: Iterator[str]) -> Iterator[str]:
    """Yield lines that send the request again until the condition is true, then run the checks."""
    yield "const tries = Number(pm.collectionVariables.get('tries'));"
    yield f"if (!({condition}) && tries < {MAX_TRIES}) {{"
    yield "    pm.collectionVariables.set('tries', tries + 1);"
    yield "    pm.execution.setNextRequest(pm.info.requestName);"
    yield f"    setTimeout(() => {{}}, {PAUSE_MS});"
    yield "} else {"
    yield "    pm.collectionVariables.set('tries', 0);"
    yield from (f"    {line}" for line in checks)
    yield "}"


def render_collection() -> str:
    """Return the text of docs/postman_collection.json."""
    return json.dumps(build_collection(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    COLLECTION.write_text(render_collection())
    print(f"{COLLECTION.relative_to(ROOT)} has been written", file=sys.stderr)
