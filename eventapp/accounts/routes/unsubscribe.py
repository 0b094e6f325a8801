"""Routes for the links in mails by which their reader gets no more of them, without logging in.

A mail program sends the POST itself (RFC 8058, one click). A browser opens the page of the same
address (`eventapp/pages`), which sends it when its button is pressed.
"""

from flask import Response

from eventapp.accounts import mail_preferences
from eventapp.accounts.schemas import OneClickBody, UnsubscribeQuery
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import count_refusals, no_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject

bp = Blueprint(
    "unsubscribe",
    __name__,
    url_prefix="/mails",
    description="Accounts",
    ignores_unknown_parameters=True,
)


@bp.route("/unsubscribe", methods=["POST"])
@anonymous
@no_rate_limit
@bp.arguments(UnsubscribeQuery, location="query")
@bp.arguments(OneClickBody, location="form")
@bp.response(200, Message)
def unsubscribe(query: JsonObject, _body: JsonObject) -> Response:
    """End the announcements of one organizer by mail, by the key of a mail. No login is needed.

    They still appear among the notifications. The server of a mail provider sends this for many
    readers, so only wrong keys are counted by address. Doing it again changes nothing.
    """
    with count_refusals((mail_preferences.KeyInvalid,)):
        mail_preferences.unsubscribe(
            get_db(), mail_preferences.UNSUBSCRIBE_KEYS.get(), query["key"], utc_now()
        )
    return json_response({"message": "You get no more of these announcements by mail"})
