"""Make docs/postman_collection.json from docs/postman/, which is what people read and change."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "docs" / "postman"
COLLECTION = ROOT / "docs" / "postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
JSON_TYPE, NOTHING = "application/json", "nothing"
# How often, and after how many milliseconds, a request with `until` is sent again.
TRIES, PAUSE_MS = 60, 500


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request of docs/postman/, and what its answer must be.

    Attributes:
        call: method and path, below `{{baseUrl}}`.
        by: whose token is sent: `ada` sends `{{adaToken}}`.
        body: JSON, as it is sent; or `file`: what is uploaded, from the project's folder.
        before: a script to run first.
        until: JavaScript of `body`; the request is sent again, for a time, until it is true.
        status, answers, code: of the answer; its content type, unless JSON; its error's code.
        shapes: {JavaScript of `body`: the shape of collection.yaml that it must have}.
        tests: {what is tested: JavaScript that throws where it is not so}.
        keep: {variable for later requests: JavaScript of `body`}.
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
    """One file of docs/postman/: the requests of a resource, in order."""

    name: str
    about: str
    requests: list[Request]


def folders() -> list[Folder]:
    """All folders in order. TypeError where a request has a field that does not exist."""
    read = [yaml.safe_load(path.read_text()) for path in sorted(SOURCE.glob("[0-9]*.yaml"))]
    return [
        Folder(each["folder"], each["about"], [Request(**fields) for fields in each["requests"]])
        for each in read
    ]


def collection() -> dict[str, Any]:
    """The collection, as Postman's format 2.1 has it."""
    about = yaml.safe_load((SOURCE / "collection.yaml").read_text())
    shapes = [
        {"key": f"shape_{name}", "value": json.dumps(shape), "type": "string"}
        for name, shape in about["shapes"].items()
    ]
    named = [{"key": name, "value": value} for name, value in about["variables"].items()]
    return {
        "info": {"name": about["name"], "description": about["about"], "schema": SCHEMA},
        "item": [_folder(folder) for folder in folders()],
        "event": _events("", about["after each"]),
        "variable": named + shapes,
    }


def _folder(folder: Folder) -> dict[str, Any]:
    return {
        "name": folder.name,
        "description": folder.about,
        "item": [_item(request) for request in folder.requests],
    }


def _item(request: Request) -> dict[str, Any]:
    method, _, path = request.call.partition(" ")
    sent = {
        "method": method,
        "header": [{"key": name, "value": value} for name, value in request.headers.items()],
        "url": f"{{{{baseUrl}}}}{path}",
        "description": request.about,
        **_auth(request.by),
        **_body(request),
    }
    return {
        "name": request.name,
        "request": {name: value for name, value in sent.items() if value},
        "event": _events(request.before, "\n".join(_script(request))),
    }


def _auth(by: str) -> dict[str, Any]:
    if not by:
        return {}
    token = {"key": "token", "value": f"{{{{{by}Token}}}}", "type": "string"}
    return {"auth": {"type": "bearer", "bearer": [token]}}


def _body(request: Request) -> dict[str, Any]:
    if request.file:
        part = {"key": "file", "type": "file", "src": request.file}
        return {"body": {"mode": "formdata", "formdata": [part]}}
    if request.body:
        options = {"raw": {"language": "json"}}
        return {"body": {"mode": "raw", "raw": request.body.strip(), "options": options}}
    return {}


def _events(before: str, after: str) -> list[dict[str, Any]]:
    scripts = {"prerequest": before, "test": after}
    return [
        {"listen": name, "script": {"type": "text/javascript", "exec": script.strip().split("\n")}}
        for name, script in scripts.items()
        if script
    ]


def _script(request: Request) -> Iterator[str]:
    """The request's tests, and what later requests need of its answer."""
    if request.answers == JSON_TYPE:
        yield "const body = pm.response.json();"
    if request.until:
        yield from _until(request.until, _judged(request))
    else:
        yield from _judged(request)


def _judged(request: Request) -> Iterator[str]:
    said = f"status is {request.status}"
    yield from _test(said, f"pm.response.to.have.status({request.status});")
    if request.answers != NOTHING:
        kind = "pm.response.headers.get('Content-Type')"
        said = f"answers {request.answers}"
        yield from _test(said, f"pm.expect({kind}).to.include('{request.answers}');")
    if request.code:
        said = f"code is {request.code}"
        yield from _test(said, f"pm.expect(body.code).to.eql('{request.code}');")
    for place, shape in request.shapes.items():
        schema = f"JSON.parse(pm.collectionVariables.get('shape_{shape}'))"
        yield from _test(f"{place}: {shape}", f"pm.expect({place}).to.have.jsonSchema({schema});")
    for said, code in request.tests.items():
        yield from _test(said, code)
    for name, value in request.keep.items():
        yield f"pm.collectionVariables.set('{name}', {value});"


def _test(said: str, code: str) -> Iterator[str]:
    yield f"pm.test({json.dumps(said, ensure_ascii=False)}, () => {{"
    yield from (f"    {line}" for line in code.strip().split("\n"))
    yield "});"


def _until(true: str, then: Iterator[str]) -> Iterator[str]:
    """Send the request again while it is not yet `true`, for a time; `then` judge its answer."""
    yield "const tries = Number(pm.collectionVariables.get('tries'));"
    yield f"if (!({true}) && tries < {TRIES}) {{"
    yield "    pm.collectionVariables.set('tries', tries + 1);"
    yield "    pm.execution.setNextRequest(pm.info.requestName);"
    yield f"    setTimeout(() => {{}}, {PAUSE_MS});"
    yield "} else {"
    yield "    pm.collectionVariables.set('tries', 0);"
    yield from (f"    {line}" for line in then)
    yield "}"


def written() -> str:
    """The collection as the file has it."""
    return json.dumps(collection(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COLLECTION.write_text(written())
    print(f"{COLLECTION.relative_to(ROOT)} is made anew", file=sys.stderr)
