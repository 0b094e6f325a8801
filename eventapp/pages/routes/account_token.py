"""The route by which the script of a page gets an access token of the session of its cookie."""

from datetime import UTC, datetime

from flask import Response
from marshmallow import Schema, fields

from eventapp.core.access import tokens
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import read_rate_limit
from eventapp.core.errors import Unauthorized
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.pages.page_session import check_origin, current_page_session

bp = Blueprint("account_token", __name__, url_prefix="/account", description="Accounts")


class PageUser(Schema):
    """The account that is signed in, as far as pages show it."""

    _id = fields.String(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    emailVerified = fields.Boolean(required=True)
    role = fields.String(required=True)
    language = fields.String(required=True)


class PageToken(Schema):
    accessToken = fields.String(required=True)
    expiresAt = fields.DateTime(required=True)
    user = fields.Nested(PageUser, required=True)


@bp.route("/token", methods=["POST"])
@read_rate_limit
@anonymous
@bp.response(200, PageToken)
@bp.error_responses(401, 403)
def create_token() -> Response:
    """Return a new access token of the session that the cookie of a page names.

    This is for the scripts of this site's pages alone: a request of another origin is 403
    `form_refused`, and no other site may read the answer. Without a session it is 401 `signed_out`.
    """
    check_origin()
    session = current_page_session()
    if session is None:
        raise Unauthorized("Nobody is signed in", code="signed_out")
    token = tokens.create_access_token(session.user_id, session.session_id, session.refresh_count)
    user = {
        "_id": session.user_id,
        "name": session.name,
        "email": session.email,
        "emailVerified": session.is_email_verified,
        "role": session.role,
        "language": session.language,
    }
    expires_at = datetime.fromtimestamp(tokens.verify_token(token, "access")["exp"], UTC)
    return json_response({"accessToken": token, "expiresAt": expires_at, "user": user})
