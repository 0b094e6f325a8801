"""Routes for the profile photo and the gallery of a user."""

from bson import ObjectId
from flask import Response

from eventapp.accounts import photos, service
from eventapp.accounts.schemas import GalleryAdded, GalleryAnswer, UserAnswer
from eventapp.core.access.permissions import self_or_admin
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.http.uploads import UploadBody, multipart_upload, read_uploaded_file
from eventapp.core.json import JsonObject

bp = Blueprint("user_photos", __name__, url_prefix="/api/users", description="Photos")


@bp.route("/<oid:user_id>/photo", methods=["PUT"])
@self_or_admin
@multipart_upload
@bp.arguments(UploadBody, location="files")
@bp.response(200, UserAnswer)
@bp.error_responses(404)
def set_photo(files: JsonObject, user_id: ObjectId) -> Response:
    """Upload the photo of the profile: JPEG, PNG or WebP. It replaces the previous photo."""
    user = photos.set_profile_photo(get_db(), user_id, read_uploaded_file(files), utc_now())
    return json_response(service.render_user(user, get_image_base_url()))


@bp.route("/<oid:user_id>/gallery")
@self_or_admin
@bp.response(200, GalleryAnswer)
@bp.error_responses(404)
def show_gallery(user_id: ObjectId) -> Response:
    """Return the images of the gallery, newest first; at most 50."""
    return json_response({"images": photos.list_gallery(get_db(), user_id, get_image_base_url())})


@bp.route("/<oid:user_id>/gallery", methods=["POST"])
@self_or_admin
@multipart_upload
@bp.arguments(UploadBody, location="files")
@bp.response(201, GalleryAdded)
@bp.response_link(
    201,
    "user_photos_delete_from_gallery",
    user_id="$request.path.user_id",
    image_id="$response.body#/image/imageId",
)
@bp.error_responses(404, 409)
def add_to_gallery(files: JsonObject, user_id: ObjectId) -> Response:
    """Upload an image to the gallery: JPEG, PNG or WebP."""
    image = photos.add_to_gallery(
        get_db(),
        user_id,
        read_uploaded_file(files),
        now=utc_now(),
        image_base_url=get_image_base_url(),
    )
    return json_response({"message": "Image added", "image": image}, 201)


@bp.route("/<oid:user_id>/gallery/<oid:image_id>", methods=["DELETE"])
@self_or_admin
@bp.response(200, Message)
@bp.error_responses(404)
def delete_from_gallery(user_id: ObjectId, image_id: ObjectId) -> Response:
    """Delete an image from the gallery."""
    photos.delete_from_gallery(get_db(), user_id, image_id)
    return json_response({"message": "Image deleted"})
