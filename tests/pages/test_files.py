"""The style sheets and scripts of the pages."""

import re

import pytest

from eventapp.core.translations import list_script_texts
from eventapp.pages import static_files

SCRIPTS = sorted(name for name in static_files.FILES if name.startswith("js/"))
TEMPLATES = sorted((static_files.FOLDER.parent / "templates").rglob("*.html"))


def test_a_file_is_kept_for_a_year_under_the_address_of_its_version(client):
    answer = client.get(static_files.make_url("css/base.css"))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.content_type == "text/css; charset=utf-8"


def test_a_bundle_is_its_files_one_after_the_other(client):
    path = "css/public_pages.css"
    answer = client.get(static_files.make_url(path))
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.content_type == "text/css; charset=utf-8"
    parts = [static_files.FILES[part].read_text() for part in static_files.BUNDLES[path]]
    assert answer.text == "".join(parts)
    assert len(parts) == 3
    former = client.get(f"/static/former/{path}")
    assert (former.text, former.headers["Cache-Control"]) == (answer.text, "no-cache")


def test_public_pages_have_one_style_sheet(client, db):
    assert client.get("/", headers={"Accept": "text/html"}).text.count('rel="stylesheet"') == 1


def test_a_file_of_a_former_version_is_the_present_one_and_not_kept(client):
    answer = client.get("/static/former/js/api.js")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"
    revalidated = client.get(
        "/static/former/js/api.js", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert revalidated.status_code == 304


@pytest.mark.parametrize(
    "name", ["js/nothing.js", "../rendering.py", "..%2frendering.py", "texts/xx.js"]
)
def test_no_other_file_is_served(client, name):
    assert client.get(f"/static/{static_files.VERSION}/{name}").status_code == 404


def test_the_texts_of_scripts_are_a_module(client):
    answer = client.get(f"/static/{static_files.VERSION}/texts/el.js")
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.text.startswith("export default {")
    for text in list(list_script_texts("el"))[:3]:
        assert text in answer.text


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_build_no_markup_from_texts(name):
    source = static_files.FILES[name].read_text()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|document\.write|\.style\b"
    assert not re.findall(forbidden, source)
    assert source.startswith("//"), "begin with a comment that says what the module is for"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_inline_script_or_style(path):
    inline = r"<script(?![^>]*(?:src=|application/(?:ld\+)?json))|<style|\son\w+=|\sstyle="
    assert not re.findall(inline, path.read_text())
    assert "|safe" not in path.read_text().replace(" ", "")
