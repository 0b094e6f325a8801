"""Pages to sign in, sign up and sign out, by forms that work without a script.

A form that is refused is shown again with what was typed, except the password.
"""

from typing import cast

from flask import Response, redirect, request

from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import login_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.json import JsonObject
from eventapp.core.roles import ATTENDEE, ORGANIZER
from eventapp.pages import sign_in
from eventapp.pages.account_schemas import SignInForm, SignUpForm, TokenForm
from eventapp.pages.failures import Failure, read_failure, show_failure_as_page
from eventapp.pages.page_language import current_translator, make_link
from eventapp.pages.page_session import (
    START_PATH,
    check_form,
    choose_next,
    current_page_session,
    end_page_session,
    make_csrf_token,
    make_visitor_token,
    start_page_session,
)
from eventapp.pages.rendering import render_page
from eventapp.pages.sign_in import PageSession, SessionSettings, Visitor

bp = Blueprint(
    "account_sign_in",
    __name__,
    url_prefix="/account",
    description="Pages",
    ignores_unknown_parameters=True,
)
CONSOLE_PATH = "/console"
SIGN_IN, SIGN_UP, SIGN_OUT = (f"account/{name}.html" for name in ("sign_in", "sign_up", "sign_out"))
# The page that shows a refused form again, by its endpoint.
FORM_PAGES = {
    f"{bp.name}.submit_sign_in": SIGN_IN,
    f"{bp.name}.submit_sign_up": SIGN_UP,
}
# What is shown again of a refused form, and what it is at first.
KEPT_FIELDS = {"login": "", "name": "", "email": "", "role": ATTENDEE, "next": ""}


@bp.route("/sign-in")
@anonymous
@bp.response(200, content_type="text/html")
def show_sign_in() -> Response:
    """Return the page for signing in, or go on if somebody is signed in."""
    return _show_form(SIGN_IN)


@bp.route("/sign-up")
@anonymous
@bp.response(200, content_type="text/html")
def show_sign_up() -> Response:
    """Return the page for making an account, or go on if somebody is signed in."""
    return _show_form(SIGN_UP)


@bp.route("/sign-out")
@anonymous
@bp.response(200, content_type="text/html")
def show_sign_out() -> Response:
    """Return the page that asks whether to sign out."""
    return render_page(SIGN_OUT, {"csrf_token": make_csrf_token()})


def _show_form(template: str) -> Response:
    if current_page_session():
        return _go_on_to(choose_next(request.args.get("next"), make_link(START_PATH)))
    return _render_form(template, request.args.to_dict())


@bp.route("/sign-in", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(SignInForm, location="form")
@bp.response(303)
def submit_sign_in(form: JsonObject) -> Response:
    """Sign in by email or name, and go on to the page that asked for it."""
    check_form(is_for_visitors=True)
    opened = sign_in.sign_in(
        get_db(),
        login=form["login"],
        password=form["password"],
        visitor=_get_visitor(),
        settings=_get_settings(),
        now=utc_now(),
    )
    return _start(opened, form["next"])


@bp.route("/sign-up", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(SignUpForm, location="form")
@bp.response(303)
def submit_sign_up(form: JsonObject) -> Response:
    """Make an account, sign in to it, and go on to the page that asked for it."""
    check_form(is_for_visitors=True)
    opened = sign_in.sign_up(
        get_db(),
        name=form["name"],
        email=form["email"],
        password=form["password"],
        role=form["role"],
        language=current_translator().language,
        visitor=_get_visitor(),
        settings=_get_settings(),
        sealer=sign_in.MAIL_SEALER.get(),
        now=utc_now(),
    )
    return _start(opened, form["next"])


@bp.route("/sign-out", methods=["POST"])
@anonymous
@bp.arguments(TokenForm, location="form")
@bp.response(303)
def submit_sign_out(_form: JsonObject) -> Response:
    """End the session of this browser."""
    if current_page_session():
        check_form()
    end_page_session()
    return _go_on_to(make_link("/account/sign-in"))


def _get_visitor() -> Visitor:
    return Visitor(request.remote_addr or "", request.headers.get("User-Agent", ""))


def _get_settings() -> SessionSettings:
    config = current_config()
    return SessionSettings(config.jwt_refresh_expires_in, config.bcrypt_rounds)


def _start(opened: PageSession, going_on: str) -> Response:
    start_page_session(opened)
    default = CONSOLE_PATH if opened.role == ORGANIZER else START_PATH
    return _go_on_to(choose_next(going_on, make_link(default)))


def _go_on_to(path: str) -> Response:
    return cast(Response, redirect(path, 303))


def _render_form(template: str, typed: JsonObject, failure: Failure | None = None) -> Response:
    """Return a page with a form.

    Args:
        typed: the values of its fields, which anybody may have written.
        failure: why the form was refused; None if it was not sent yet.
    """
    values = {name: typed.get(name, default) for name, default in KEPT_FIELDS.items()}
    context = {
        "values": {**values, "next": choose_next(values["next"], "")},
        "csrf_token": make_visitor_token(),
        "failure": failure,
    }
    return render_page(template, context, status=failure.status if failure else 200)


@bp.after_request
def show_refused_form(response: Response) -> Response:
    """Show a form again that was refused, by its view or before it, and other errors as a page."""
    failure = read_failure(response)
    template = FORM_PAGES.get(request.endpoint or "")
    if failure is None or template is None:
        return show_failure_as_page(response)
    page = _render_form(template, request.form.to_dict(), failure)
    if "Retry-After" in response.headers:
        page.headers["Retry-After"] = response.headers["Retry-After"]
    return page
