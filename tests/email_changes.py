"""Change the email of an account through the API, as tests of it do."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from eventapp.core.http.app_context import CONFIG
from tests.account_mails import read_token
from tests.factories import bearer

PASSWORD = "correct horse"
ANN = {"name": "Ann", "email": "Ann@Example.org", "password": PASSWORD}
BOB = {"name": "Bob", "email": "bob@example.org", "password": PASSWORD}
NEW, OTHER = "New@Example.org", "other@example.org"
VERIFY, VOID = "new_email", "email_change"
PATHS = ["/api/auth/profile", "/api/users/{id}"]
DAY = timedelta(days=1)


@contextmanager
def changed_config(app, **changes):
    """Change settings of an application in this block."""
    config = CONFIG.get(app)
    CONFIG.set(app, replace(config, **changes))
    try:
        yield
    finally:
        CONFIG.set(app, config)


def pretend_to_mail(app):
    """Let an application believe in this block that it has a mail server."""
    return changed_config(app, smtp_url="smtp://127.0.0.1:9")


def register(client, person):
    answer = client.post("/api/auth/register", json=person).json
    return {**answer, "headers": bearer(answer["token"]), "id": answer["user"]["_id"]}


def change(client, user, email, path=PATHS[0], **fields):
    body = {"email": email, "currentPassword": PASSWORD, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    return client.put(path.format(id=user["id"]), json=body, headers=user["headers"])


def verify(client, token, **fields):
    return client.post("/api/auth/verify-email", json={"token": token, **fields})


def void(client, token):
    return client.post("/api/auth/void-email-change", json={"token": token})


def log_in(client, email, password=PASSWORD):
    login = {"email": email, "password": password}
    return client.post("/api/auth/login", json=login).status_code


def get_profile(client, user):
    return client.get("/api/auth/profile", headers=user["headers"]).json


def change_and_verify(client, app, user, email):
    assert change(client, user, email).status_code == 200
    assert verify(client, read_token(app, VERIFY)).status_code == 200
