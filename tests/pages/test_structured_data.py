"""The schema.org data of public pages are valid by schema-dts, Google's types of the vocabulary.

TypeScript checks the data of each page against these types: names and values of properties.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests import npm_packages
from tests.bookings_factories import Caller, event_of, types
from tests.factories import day

FOLDER = Path(__file__).resolve().parent
OPTIONS = "--noEmit --strict --skipLibCheck --target es2022 --module nodenext"
MODULE = """import type { Graph, Thing, WithContext } from "schema-dts";
export const data: Graph | WithContext<Thing> = """


@pytest.fixture(scope="module")
def find_faults(tmp_path_factory):
    """A function that returns what is wrong about documents, by their names."""
    modules = npm_packages.install(FOLDER)
    folder = tmp_path_factory.mktemp("schema")
    (folder / "node_modules").symlink_to(modules)

    def check(documents):
        for name, data in documents.items():
            (folder / f"{name}.ts").write_text(MODULE + json.dumps(data))
        files = [f"{name}.ts" for name in documents]
        command = [modules / ".bin" / "tsc", *OPTIONS.split(), *files]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        return {
            name: [line for line in done.stdout.splitlines() if line.startswith(f"{name}.ts")]
            for name in documents
        }

    return check


def read_data(client, path):
    page = client.get(path).text
    return json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', page)[1])


def test_the_data_of_public_pages_are_valid(client, app, db, find_faults):
    host = Caller(client, app, "organizer")
    place = {"location": "Old Bakery, Volos", "lat": 39.36, "lng": 22.94}
    dates = [
        {"date": day(30), "startTime": "20:30", "endTime": "23:00", "doorsTime": "20:00", **place},
        {"date": day(31), "location": "Larissa"},
    ]
    several = event_of(
        db, organizer_id=host.id, schedule=dates, ticketTypes=types(5, 0, price=12.5)
    )
    free = event_of(db, organizer_id=host.id, ticketTypes=types(5, price=0), image="")
    cancelled = event_of(db, 5, organizer_id=host.id, status="cancelled")
    documents = {
        "several": read_data(client, f"/e/{several}"),
        "free": read_data(client, f"/e/{free}"),
        "cancelled": read_data(client, f"/e/{cancelled}"),
        "organizer": read_data(client, f"/o/{host.id}"),
    }
    assert len(documents["several"]["@graph"]) == 2
    # The control: the types refuse unknown properties and values.
    wrong = json.loads(json.dumps(documents["several"]))
    wrong["@graph"][0]["startDatum"] = wrong["@graph"][0].pop("startDate")
    unknown = json.loads(json.dumps(documents["several"]))
    unknown["@graph"][0]["offers"][0]["availability"] = "Some"
    found = find_faults({**documents, "wrong": wrong, "unknown": unknown})
    assert found.pop("wrong")
    assert found.pop("unknown")
    assert found == dict.fromkeys(documents, [])
