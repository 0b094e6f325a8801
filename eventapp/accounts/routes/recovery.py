"""Routes for what mailed links do: reset a forgotten password, and verify an email address."""

from flask import Response, request

from eventapp.accounts import email_voids, recovery, verification
from eventapp.accounts.email_voids import Outcome
from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.accounts.schemas import (
    EmailVoidBody,
    ForgotPasswordBody,
    ResetPasswordBody,
    VerifyEmailBody,
)
from eventapp.core.access.permissions import anonymous, current_actor, user_required
from eventapp.core.access.rate_limits import login_rate_limit
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject

bp = Blueprint("recovery", __name__, url_prefix="/api/auth", description="Accounts")
VOIDED = {
    Outcome.CANCELLED: "The change is void, and the email address stays as it is",
    Outcome.RESTORED: "The old email address is put back, and all sessions have ended",
}


@bp.route("/forgot-password", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(ForgotPasswordBody)
@bp.response(202, Message)
@bp.error_responses(503)
def forgot_password(body: JsonObject) -> Response:
    """Ask for a mail with a link to choose a new password.

    The answer is the same whether there is such an account or not. An account gets at most three
    such mails an hour. A newer link makes the older one void.
    """
    recovery.request_reset(get_db(), MAIL_SEALER.get(), body["email"], get_database_time())
    return json_response(
        {"message": "If an account has this email address, a mail is on its way to it"}, 202
    )


@bp.route("/reset-password", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(ResetPasswordBody)
@bp.response(200, Message)
@bp.error_responses(503)
def reset_password(body: JsonObject) -> Response:
    """Choose a new password, by the token of a mailed link. The token is good for an hour and once.

    It ends all sessions, the Android app's included, all API tokens and a pending email, and makes
    other mailed links void. The owner is told so by mail. A change of the email that has taken
    effect can still be undone by the link that was mailed to the old address.
    """
    recovery.reset_password(
        get_db(),
        MAIL_SEALER.get(),
        token=body["token"],
        new_password=body["newPassword"],
        now=get_database_time(),
        bcrypt_rounds=current_config().bcrypt_rounds,
    )
    return json_response({"message": "Password changed"})


@bp.route("/verify-email", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(VerifyEmailBody)
@bp.response(200, Message)
@bp.error_responses(409, 503)
def verify_email(body: JsonObject) -> Response:
    """Verify the email address of an account, by the token that was mailed to it.

    The token is good for three days and once. One that was mailed to a `pendingEmail` puts this
    address in the place of the old one. It needs `password` if the Android app asked for the
    change, and is refused with `email_taken` if another account has the address by now.
    """
    verification.verify_email(
        get_db(),
        body["token"],
        password=body.get("password"),
        client_ip=request.remote_addr or "",
        bcrypt_rounds=current_config().bcrypt_rounds,
        now=get_database_time(),
    )
    return json_response({"message": "Email address verified"})


@bp.route("/void-email-change", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(EmailVoidBody)
@bp.response(200, Message)
@bp.error_responses(409, 503)
def void_email_change(body: JsonObject) -> Response:
    """Void a change of the email address, by the token that was mailed to the address before it.

    A pending address is dropped. A change that took effect at most 7 days ago is undone: the old
    address is put back, and all sessions end.
    """
    outcome = email_voids.void_change(get_db(), body["token"], get_database_time())
    return json_response({"message": VOIDED[outcome]})


@bp.route("/verify-email/resend", methods=["POST"])
@login_rate_limit
@user_required
@bp.response(202, Message)
@bp.error_responses(409, 503)
def resend_verification() -> Response:
    """Ask for another mail that verifies the caller's email address; at most three an hour.

    It goes to the `pendingEmail`, if there is one. A newer link makes the older one void.
    """
    user_id = current_actor().require_user_id()
    verification.request_verification(get_db(), MAIL_SEALER.get(), user_id, get_database_time())
    return json_response({"message": "A mail is on its way to your address"}, 202)
