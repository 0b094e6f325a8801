"""Render pages from templates, with the headers that they need.

A template extends `base.html`. It has the functions of the language (`_`, `ngettext`, `format_day`,
`format_moment`, `format_amount`), `link` for addresses of pages, `language_link` for this page in
another language, and `static` for addresses of files.
All values are escaped. Every page depends on the language, so it says `Vary: Accept-Language`.

The policy of a page allows files of this server alone. A page that shows pictures of other sites,
or one that pays at a provider, names what it needs besides.
"""

from collections.abc import Iterable, Mapping
from functools import cache

from flask import Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from eventapp.core.http.headers import POLICY
from eventapp.core.http.responses import NOT_STORED
from eventapp.core.languages import LANGUAGES
from eventapp.core.translations import get_translator
from eventapp.pages import static_files
from eventapp.pages.page_language import current_translator, make_language_link, make_link

# By directive, what a page may load. `'self'` is this server.
Sources = Mapping[str, Iterable[str]]
BASE_SOURCES: Sources = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "connect-src": ("'self'",),
    "manifest-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
# Photos of events and organizers may be on other sites.
PUBLIC_PICTURES: Sources = {"img-src": ("https:",)}
# With `no-referrer`, browsers would send forms of this site with the origin `null`.
REFERRER_POLICY = "same-origin"


@cache
def _get_environment(language: str) -> Environment:
    """Return the environment of the templates in one language."""
    translator = get_translator(language)
    environment = Environment(
        loader=PackageLoader("eventapp.pages"),
        autoescape=select_autoescape(["html", "xml"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        translator.translations, newstyle=True
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.globals.update(
        language=language,
        languages=LANGUAGES,
        format_amount=translator.format_amount,
        format_day=translator.format_day,
        format_moment=translator.format_moment,
        format_month=translator.format_month,
        format_time=translator.format_time,
        format_zone=translator.format_zone,
        language_link=make_language_link,
        link=make_link,
        static=static_files.make_url,
    )
    return environment


def render_page(
    template: str,
    context: Mapping[str, object],
    *,
    status: int = 200,
    sources: Sources | None = None,
    cache_control: str = NOT_STORED,
) -> Response:
    """Return a page in the language of the request.

    Args:
        template: its file in `templates`.
        context: the values of the template.
        sources: what its policy allows besides BASE_SOURCES, such as PUBLIC_PICTURES.
        cache_control: the header Cache-Control. By default no cache may store the page.
    """
    environment = _get_environment(current_translator().language)
    text = environment.get_template(template).render(
        {"path": request.path, "query": request.args, **context}
    )
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers[POLICY] = make_policy(sources or {})
    response.headers["Referrer-Policy"] = REFERRER_POLICY
    response.headers["Cache-Control"] = cache_control
    response.headers["Content-Language"] = current_translator().language
    response.vary.add("Accept-Language")
    return response


def make_policy(sources: Sources) -> str:
    """Return a Content-Security-Policy: that of all pages, and these sources besides."""
    directives = {name: list(values) for name, values in BASE_SOURCES.items()}
    for name, values in sources.items():
        directives.setdefault(name, []).extend(values)
    return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())
