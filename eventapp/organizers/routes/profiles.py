"""Routes of the public profile of an organizer."""

from bson import ObjectId
from flask import Response

from eventapp.core.access.permissions import anyone, current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import conditional_response, json_response
from eventapp.core.roles import ORGANIZER
from eventapp.organizers import profiles
from eventapp.organizers.schemas import ProfileAnswer, ProfileBody, PublicProfileAnswer
from eventapp.organizers.types import OrganizerProfile

bp = Blueprint(
    "organizer_profiles", __name__, url_prefix="/api/organizers", description="Organizers"
)


@bp.route("/<oid:organizer_id>")
@anyone
@bp.response(200, PublicProfileAnswer)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def show_profile(organizer_id: ObjectId) -> Response:
    """Show the public profile of an organizer who has a published event.

    `name` is the one that the organizer chose, else the one on the newest event. `photo` is empty
    unless the organizer shows it. `upcomingEvents` counts no further than 10,000.
    """
    return conditional_response(
        json_response(profiles.show_profile(get_db(), organizer_id, get_image_base_url()))
    )


@bp.route("/me")
@role_required(ORGANIZER)
@bp.response(200, ProfileAnswer)
def show_own_profile() -> Response:
    """Show the public profile of the caller as the caller wrote it."""
    return json_response(profiles.get_profile(get_db(), current_actor().require_user_id()))


@bp.route("/me", methods=["PUT"])
@role_required(ORGANIZER)
@bp.arguments(ProfileBody)
@bp.response(200, ProfileAnswer)
def replace_own_profile(body: OrganizerProfile) -> Response:
    """Replace the public profile of the caller. What is absent is removed.

    Everyone sees it as soon as the caller has a published event. The name and the about of the
    account are not part of it; its photo is shown with `showPhoto`.
    """
    user_id = current_actor().require_user_id()
    return json_response(profiles.replace_profile(get_db(), user_id, body, utc_now()))
