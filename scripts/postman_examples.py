"""Save the answers of a run of the Postman collection as the examples of its requests.

`scripts/newman --reporters json --reporter-json-export report.json` writes the report of a run;
`python -m scripts.postman_examples report.json` reads it, and writes docs/postman/examples.json.
Then `python -m scripts.postman` builds the collection again, with these examples.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any, NotRequired, TypedDict

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "postman" / "examples.json"
# An example shows at most MAX_ITEMS items of a list and MAX_TEXT characters of a text. A JSON body
# of more than MAX_JSON characters, such as the OpenAPI document, is left out.
MAX_ITEMS, MAX_TEXT, MAX_JSON = 2, 1000, 6000
# A string without a space that is longer than this is a token or a ticket code. Only the beginning
# of these, and of the secrets of API tokens and webhooks, is saved.
MAX_WORD, SHOWN_OF_WORD = 100, 16
SECRET = re.compile(r"evt_[A-Za-z0-9]{40}|whsec_[A-Za-z0-9+/=]{44}")
# The key in the link of a booking.
LINK_KEY = re.compile(r"(?<=\?key=lnk_)[\w-]{43}")
# What the UIDs of calendar entries end with, and what stands for it.
HOST_OF_UIDS = ("@127.0.0.1", "@tickets.example.org")
SERVER_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


class Example(TypedDict):
    """The saved answer of a request."""

    status: int
    reason: str  # the name of the status
    contentType: str
    body: NotRequired[str]  # absent for files, pages and very long answers


def read_examples() -> dict[str, Example]:
    """Return the saved answers by the names of their requests."""
    examples: dict[str, Example] = json.loads(EXAMPLES.read_text())
    return examples


def make_examples(report: Any) -> dict[str, Example]:
    """Return the last answer of each request in a report of newman, by the request's name."""
    return {
        execution["item"]["name"]: _make_example(execution["response"])
        for execution in report["run"]["executions"]
        if "response" in execution
    }


def _make_example(response: Any) -> Example:
    headers = {each["key"].lower(): each["value"] for each in response["header"]}
    content_type = headers.get("content-type", "")
    example: Example = {
        "status": response["code"],
        "reason": response["status"],
        "contentType": content_type,
    }
    text = bytes(response["stream"]["data"]).decode(errors="replace")
    if content_type.startswith("application/json"):
        shown = json.dumps(_shorten(json.loads(text)), indent=2, ensure_ascii=False)
        if len(shown) <= MAX_JSON:
            example["body"] = SERVER_ADDRESS.sub("{{baseUrl}}", shown)
    elif content_type.startswith(("text/plain", "text/csv", "text/calendar")):
        shown = SERVER_ADDRESS.sub("{{baseUrl}}", text[:MAX_TEXT])
        example["body"] = shown.replace(*HOST_OF_UIDS)
    return example


def _shorten(value: Any) -> Any:
    """Return a JSON value with shorter lists, and without tokens and ticket codes."""
    if isinstance(value, dict):
        return {name: _shorten(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shorten(each) for each in value[:MAX_ITEMS]]
    if not isinstance(value, str):
        return value
    if (len(value) > MAX_WORD and " " not in value) or SECRET.fullmatch(value):
        return f"{value[:SHOWN_OF_WORD]}..."
    return LINK_KEY.sub("...", value)


def main() -> None:
    """Read the report that the command line names, and write the examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="the JSON report of newman")
    examples = make_examples(json.loads(parser.parse_args().report.read_text()))
    EXAMPLES.write_text(json.dumps(examples, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
