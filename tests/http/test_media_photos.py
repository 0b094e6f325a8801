"""The routes of photos: upload, answers, replacement, the gallery, export and deletion."""

import hashlib
from io import BytesIO

import pytest
from bson import ObjectId
from PIL import Image
from pymongo.errors import AutoReconnect

from eventapp.accounts import store as accounts_store
from eventapp.core.http.uploads import MAX_FILE_BYTES
from eventapp.events import editing
from eventapp.media import routes, rules, store
from tests import factories, pictures
from tests.bookings_factories import refused


def upload(client, method, path, user, data=None, name="photo.jpg", **more):
    form = {"file": (BytesIO(pictures.photo() if data is None else data), name), **more}
    return client.open(f"/api{path}", method=method, data=form, headers=user["headers"])


def fail_after(module, name, is_written, monkeypatch):
    """Let a write fail because the connection is lost, before or after it was made."""
    original = getattr(module, name)

    def fail(*arguments, **options):
        if is_written:
            original(*arguments, **options)
        raise AutoReconnect("connection lost")

    monkeypatch.setattr(module, name, fail)


def get_path(url):
    """Return the path of a photo's URL on this server."""
    assert url.startswith("http://localhost/images/")
    return url.removeprefix("http://localhost")


@pytest.fixture
def photo_path(attendee):
    return f"/users/{attendee['id']}/photo"


@pytest.fixture
def gallery_path(attendee):
    return f"/users/{attendee['id']}/gallery"


@pytest.fixture
def event(db, organizer):
    return factories.make_event(db, organizer_id=organizer["id"])


class TestServed:
    @pytest.fixture
    def url(self, client, attendee, photo_path):
        return get_path(upload(client, "PUT", photo_path, attendee).json["userImg"])

    def test_the_url_names_the_content_and_is_cached_forever(self, client, url):
        answer = client.get(url)
        assert (answer.status_code, answer.content_type) == (200, "image/webp")
        assert url == f"/images/{hashlib.sha256(answer.data).hexdigest()}.webp"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert Image.open(BytesIO(answer.data)).size == (60, 40)

    def test_conditional_head_and_range_requests_are_answered(self, client, url):
        tag = client.get(url).headers["ETag"]
        again = client.get(url, headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        head = client.head(url)
        assert (head.status_code, head.data) == (200, b"")
        part = client.get(url, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.data) == (206, b"RIFF")

    def test_a_machine_without_the_images_folder_serves_it(
        self, client, url, monkeypatch, tmp_path
    ):
        monkeypatch.setattr(routes, "IMAGES", tmp_path)
        assert client.get(url).status_code == 200

    def test_unknown_content_is_not_found(self, client, db):
        unknown = f"/images/{'0' * 64}.webp"
        refused(client.get(unknown), 404, "image_not_found")
        refused(
            client.get(unknown, headers={"If-None-Match": f'"{"0" * 64}"'}), 404, "image_not_found"
        )


class TestProfile:
    def test_the_profile_shows_the_photo(self, client, attendee, photo_path):
        answer = upload(client, "PUT", photo_path, attendee)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "private, no-store"
        profile = client.get("/api/auth/profile", headers=attendee["headers"]).json
        del profile["mailPreferences"]  # Only the profile shows them.
        assert answer.json == profile
        assert client.get(get_path(profile["userImg"])).status_code == 200

    def test_a_new_photo_replaces_the_old_one(self, client, db, attendee, photo_path):
        old = upload(client, "PUT", photo_path, attendee).json["userImg"]
        new = upload(client, "PUT", photo_path, attendee, pictures.photo("PNG", 30, 30)).json[
            "userImg"
        ]
        assert client.get(get_path(old)).status_code == 404
        assert client.get(get_path(new)).status_code == 200
        assert db[store.FILES].count_documents({}) == 1

    def test_uploading_the_same_photo_again_keeps_it(self, client, db, attendee, photo_path):
        first = upload(client, "PUT", photo_path, attendee).json["userImg"]
        assert upload(client, "PUT", photo_path, attendee).json["userImg"] == first
        assert client.get(get_path(first)).status_code == 200
        assert db[store.FILES].count_documents({}) == 1

    def test_replacing_a_photo_keeps_the_copy_of_another_user(
        self, app, client, attendee, photo_path
    ):
        other = factories.make_user(app)
        mine = upload(client, "PUT", photo_path, attendee).json["userImg"]
        assert upload(client, "PUT", f"/users/{other['id']}/photo", other).json["userImg"] == mine
        upload(client, "PUT", photo_path, attendee, pictures.photo("PNG", 30, 30))
        assert client.get(get_path(mine)).status_code == 200

    def test_only_the_user_and_admins_have_access(
        self, app, client, db, attendee, admin, photo_path
    ):
        refused(upload(client, "PUT", photo_path, factories.make_user(app)), 403, "forbidden")
        refused(client.put(f"/api{photo_path}", data={}), 401, "unauthorized")
        assert db[store.FILES].count_documents({}) == 0
        assert upload(client, "PUT", photo_path, admin).status_code == 200
        nobody = f"/users/{ObjectId()}/photo"
        refused(upload(client, "PUT", nobody, admin), 404, "user_not_found")


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "status", "code"),
        [
            (pictures.SVG, 415, "unsupported_image"),
            (pictures.photo("GIF"), 415, "unsupported_image"),
            (pictures.animated("PNG"), 415, "animated_image"),
            (pictures.animated("WEBP"), 415, "animated_image"),
            (pictures.photo("PNG")[:80], 400, "damaged_image"),
            (pictures.png_bomb(50_000, 50_000), 413, "too_many_pixels"),
            (pictures.webp_bomb(), 413, "too_many_pixels"),
            (b"", 415, "unsupported_image"),
        ],
    )
    def test_bad_files_are_recognized_by_their_content(
        self, client, db, attendee, photo_path, data, status, code
    ):
        for name in ("photo.jpg", "photo.svg", "../../etc/passwd"):
            refused(upload(client, "PUT", photo_path, attendee, data, name), status, code)
        assert db[store.FILES].count_documents({}) == 0
        assert db.users.find_one({"_id": attendee["id"]})["userImg"] == ""

    def test_a_photo_with_any_file_name_is_accepted(self, client, attendee, photo_path):
        for name in ("photo.svg", "x.php", "../../etc/passwd", "n\0ul"):
            answer = upload(client, "PUT", photo_path, attendee, name=name)
            assert answer.status_code == 200, name

    def test_more_than_5_mb_is_refused(self, client, db, attendee, photo_path):
        full = pictures.photo("PNG") + bytes(MAX_FILE_BYTES)
        full = full[:MAX_FILE_BYTES]
        assert upload(client, "PUT", photo_path, attendee, full).status_code == 200
        for over in (full + b"\0", full + bytes(100_000), full + bytes(20_000_000)):
            refused(upload(client, "PUT", photo_path, attendee, over), 413, "too_large")

    def test_json_bodies_have_their_own_limit(self, client, attendee):
        body = b'{"name": "' + b"x" * 1_100_000 + b'"}'
        answer = client.put(
            "/api/auth/profile",
            data=body,
            content_type="application/json",
            headers=attendee["headers"],
        )
        refused(answer, 413, "too_large")

    def test_other_bodies_than_forms_are_refused(self, client, attendee, photo_path):
        def put(**sent):
            return client.put(f"/api{photo_path}", headers=attendee["headers"], **sent)

        refused(put(json={}), 415, "unsupported_media_type")
        refused(
            put(data=pictures.photo(), content_type="image/jpeg"), 415, "unsupported_media_type"
        )
        refused(put(data=b"x", content_type="multipart/form-data"), 400, "validation_error")
        text = put(data={"file": "no file"}, content_type="multipart/form-data; boundary=x")
        assert refused(text, 400, "validation_error")["errors"].keys() == {"file"}
        other = put(data={"photo": (BytesIO(pictures.photo()), "a.jpg")})
        assert "file" in refused(other, 400, "validation_error")["errors"]


class TestGallery:
    def test_images_are_listed_newest_first_and_deleted(self, client, attendee, gallery_path):
        empty = client.get(f"/api{gallery_path}", headers=attendee["headers"])
        assert (empty.status_code, empty.json) == (200, {"images": []})
        images = []
        for side in (20, 30):
            data = pictures.photo("PNG", side, side)
            answer = upload(client, "POST", gallery_path, attendee, data)
            assert answer.status_code == 201
            images.insert(0, answer.json["image"])
        assert images[0].keys() == {"imageId", "url", "width", "height", "createdAt"}
        assert (images[0]["width"], images[0]["height"]) == (30, 30)
        listed = client.get(f"/api{gallery_path}", headers=attendee["headers"]).json["images"]
        assert listed == images

        path = f"/api{gallery_path}/{images[0]['imageId']}"
        assert client.delete(path, headers=attendee["headers"]).status_code == 200
        refused(client.delete(path, headers=attendee["headers"]), 404, "image_not_found")
        assert client.get(get_path(images[0]["url"])).status_code == 404
        assert client.get(get_path(images[1]["url"])).status_code == 200

    def test_a_gallery_has_a_limit(self, client, attendee, gallery_path, monkeypatch):
        monkeypatch.setattr(rules, "GALLERY_LIMIT", 2)
        kept = [upload(client, "POST", gallery_path, attendee) for _ in range(2)]
        refused(upload(client, "POST", gallery_path, attendee), 409, "gallery_full")
        image = kept[0].json["image"]["imageId"]
        client.delete(f"/api{gallery_path}/{image}", headers=attendee["headers"])
        assert upload(client, "POST", gallery_path, attendee).status_code == 201

    def test_only_the_user_and_admins_have_access(self, app, client, attendee, admin, gallery_path):
        image = upload(client, "POST", gallery_path, attendee).json["image"]["imageId"]
        other = factories.make_user(app)
        refused(upload(client, "POST", gallery_path, other), 403, "forbidden")
        for method, path in (("GET", gallery_path), ("DELETE", f"{gallery_path}/{image}")):
            answer = client.open(f"/api{path}", method=method, headers=other["headers"])
            refused(answer, 403, "forbidden")
        # The path of the other user's own gallery does not help either.
        own = f"/api/users/{other['id']}/gallery/{image}"
        refused(client.delete(own, headers=other["headers"]), 404, "image_not_found")
        assert len(client.get(f"/api{gallery_path}", headers=admin["headers"]).json["images"]) == 1
        refused(
            client.get(f"/api/users/{ObjectId()}/gallery", headers=admin["headers"]),
            404,
            "user_not_found",
        )


class TestEvents:
    def test_the_event_shows_the_photo_at_once(self, client, organizer, event):
        path = f"/events/{event['eventId']}"
        client.get(f"/api{path}")  # The event cache now has the event without it.
        answer = upload(client, "PUT", f"{path}/image", organizer)
        assert answer.status_code == 200
        assert client.get(get_path(answer.json["image"])).status_code == 200
        for shown in (
            client.get(f"/api{path}").json,
            client.get("/api/events").json["events"][0],
        ):
            assert shown["image"] == answer.json["image"]
        assert "photo" not in answer.json

    def test_a_replaced_photo_and_that_of_a_deleted_event_are_deleted(
        self, client, db, organizer, event
    ):
        path = f"/events/{event['eventId']}"
        first = upload(client, "PUT", f"{path}/image", organizer).json["image"]
        png = pictures.photo("PNG", 30, 30)
        second = upload(client, "PUT", f"{path}/image", organizer, png).json["image"]
        assert client.get(get_path(first)).status_code == 404
        body = factories.event_body(image=second, title="The same photo, sent back")
        kept = client.put(f"/api{path}", json=body, headers=organizer["headers"]).json
        assert kept["image"] == second
        assert client.get(get_path(second)).status_code == 200
        client.put(f"/api{path}", json=factories.event_body(), headers=organizer["headers"])
        assert client.get(get_path(second)).status_code == 404
        upload(client, "PUT", f"{path}/image", organizer)
        assert db[store.FILES].count_documents({}) == 1
        assert client.delete(f"/api{path}", headers=organizer["headers"]).status_code == 200
        assert db[store.FILES].count_documents({}) == 0

    def test_only_the_organizer_and_admins_have_access(
        self, app, client, db, attendee, admin, event
    ):
        path = f"/events/{event['eventId']}/image"
        refused(upload(client, "PUT", path, attendee), 403, "forbidden")
        refused(
            upload(client, "PUT", path, factories.make_user(app, "organizer")), 403, "forbidden"
        )
        refused(upload(client, "PUT", "/events/999/image", admin), 404, "event_not_found")
        assert db[store.FILES].count_documents({}) == 0
        assert upload(client, "PUT", path, admin).status_code == 200

    def test_a_failed_edit_leaves_no_photo(self, client, db, organizer, event, monkeypatch):
        monkeypatch.setattr(editing.store, "write_if_unchanged", lambda *_a, **_k: None)
        answer = upload(client, "PUT", f"/events/{event['eventId']}/image", organizer)
        assert answer.status_code == 409
        assert db[store.FILES].count_documents({}) == 0

    @pytest.mark.parametrize("is_written", [False, True])
    def test_a_database_error_leaves_only_a_photo_that_is_shown(
        self, client, db, organizer, event, monkeypatch, is_written
    ):
        fail_after(editing.store, "write_if_unchanged", is_written, monkeypatch)
        answer = upload(client, "PUT", f"/events/{event['eventId']}/image", organizer)
        assert answer.status_code == 503
        assert db[store.FILES].count_documents({}) == is_written


class TestUser:
    @pytest.mark.parametrize("is_written", [False, True])
    def test_a_database_error_leaves_only_a_photo_that_is_shown(
        self, client, db, attendee, photo_path, monkeypatch, is_written
    ):
        fail_after(accounts_store, "set_photo", is_written, monkeypatch)
        assert upload(client, "PUT", photo_path, attendee).status_code == 503
        assert db[store.FILES].count_documents({}) == is_written

    def test_the_export_lists_the_photos_and_deletion_removes_them(
        self, client, db, attendee, photo_path, gallery_path
    ):
        photo = upload(client, "PUT", photo_path, attendee).json["userImg"]
        image = upload(client, "POST", gallery_path, attendee, pictures.photo("PNG", 9, 9)).json[
            "image"
        ]
        user = f"/api/users/{attendee['id']}"
        exported = client.get(f"{user}/export", headers=attendee["headers"]).json
        assert [each["url"] for each in exported["photos"]] == [get_path(photo)]
        assert [each["imageId"] for each in exported["gallery"]] == [image["imageId"]]
        assert client.delete(user, headers=attendee["headers"]).status_code == 200
        assert db[store.FILES].count_documents({}) == 0
        for url in (photo, image["url"]):
            assert client.get(get_path(url)).status_code == 404

    def test_another_url_deletes_the_photo(self, client, db, attendee, photo_path):
        url = upload(client, "PUT", photo_path, attendee).json["userImg"]

        def change(user_img):
            body = {"userImg": user_img}
            return client.put("/api/auth/profile", json=body, headers=attendee["headers"])

        assert change(url).json["userImg"] == url
        assert client.get(get_path(url)).status_code == 200
        assert change("").json["userImg"] == ""
        assert client.get(get_path(url)).status_code == 404
        assert db[store.FILES].count_documents({}) == 0
