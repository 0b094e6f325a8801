"""Ask for the change of an email address, and let it take effect when the new one is verified.

The write that makes an address pending also stores, encrypted, the tokens of the two mails that
belong to it. So no change exists without its mails: see `email_change_mails`. The new address gets
a link that verifies it, and the present one gets a link that voids the change: see `email_voids`.
A pending address reserves nothing and receives nothing else. Whether another account has it is
found out when it is verified, by the unique index, and only by whoever reads its mail.

Every write of an email address requires that neither the address nor the password hash of the
account has changed since the account was read. So a change that was asked for with an old password
does not survive the reset of the password.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import email_rules, mail_tokens, rules, store
from eventapp.accounts.checks import refuse_taken_spelling
from eventapp.accounts.errors import EmailTaken, MailUnavailable, TokenInvalid, WrongPassword
from eventapp.accounts.login_attempts import begin_attempt, make_login_key, record_success
from eventapp.accounts.types import MailToken, PendingEmail, PendingMails, StoredUser, UserChanges
from eventapp.core.access.emails import make_email_key
from eventapp.core.access.passwords import verify_password
from eventapp.core.access.sealing import Sealer
from eventapp.core.database import Db
from eventapp.core.errors import TooManyRequests, ValidationFailed
from eventapp.core.failpoints import failpoint

# How often a write is repeated if other requests change the account at the same time.
WRITE_ATTEMPTS = 20


@dataclass(frozen=True)
class PasswordProof:
    """The password by which a caller proves to be the owner of a session.

    Attributes:
        user_id: the account of the caller, which may be an admin who changes another account.
        password: None if none was sent.
        client_ip: the client's IP address, by which failures are counted.
    """

    user_id: ObjectId
    password: str | None
    client_ip: str


@dataclass(frozen=True)
class EmailChange:
    """How an address is changed.

    Attributes:
        sealer: encrypts the tokens of the mails.
        can_mail: whether there is a mail server.
        is_production: whether a change without a mail server is refused, instead of immediate.
        bcrypt_rounds: the cost of password hashes.
        proof: None where no password is needed to ask for the change.
        confirms_by_password: whether the password is needed to verify the new address.
    """

    sealer: Sealer
    can_mail: bool
    is_production: bool
    bcrypt_rounds: int
    proof: PasswordProof | None
    confirms_by_password: bool = False


def prepare(
    db: Db, user: StoredUser, email: str, change: EmailChange, now: datetime
) -> UserChanges:
    """Return what the write of an account must set so that its address changes.

    The caller writes it with `store.update`, unless the account has changed since it was read.

    Args:
        user: the account as it was just read.
        email: another address than the account has. It is a valid one.

    Raises:
        MailUnavailable: the new address cannot be verified, because there is no mail server.
        ValidationFailed: no password was sent.
        WrongPassword: the password of the caller is wrong.
        TooManyRequests: too many changes were asked for, or too many passwords were wrong.
        EmailTaken: another account has the address. Only a change without a mail server tells so.
    """
    if change.proof:
        _check_proof(db, change.proof, change.bcrypt_rounds, now)
    if not change.can_mail and change.is_production:
        raise MailUnavailable
    if not change.can_mail:
        refuse_taken_spelling(db, email, user["_id"])
        return email_rules.replace_at_once(user, email, make_email_key(email), now)
    pending = email_rules.find_pending(user, now)
    if change.confirms_by_password and pending and pending["email"] == email:
        return {}  # The app sends the whole profile each time.
    if wait := email_rules.find_wait(user, now):
        raise TooManyRequests("Too many changes of the email address", retry_after=wait)
    new: PendingEmail = {
        "changeId": ObjectId(),
        "email": email,
        "emailKey": make_email_key(email),
        "expiresAt": now + rules.TOKEN_LIFETIMES[rules.NEW_EMAIL],
        "needsPassword": change.confirms_by_password,
        "mails": make_mails(change.sealer, (rules.NEW_EMAIL, rules.EMAIL_VOID), now),
    }
    return email_rules.begin(user, new, now)


def make_mails(sealer: Sealer, purposes: tuple[str, ...], now: datetime) -> PendingMails:
    """Return mails to be stored by the job, with a new token for each of these purposes."""
    mails_id = ObjectId()
    tokens = {purpose: mail_tokens.make_token() for purpose in purposes}
    sealed = sealer.seal(json.dumps(tokens), str(mails_id))
    return {"mailsId": mails_id, "requestedAt": now, "sealed": sealed}


def _check_proof(db: Db, proof: PasswordProof, bcrypt_rounds: int, now: datetime) -> None:
    if proof.password is None:
        raise ValidationFailed(
            "Send currentPassword to change the email",
            errors={"currentPassword": ["Send it with another email."]},
        )
    caller = store.find(db, proof.user_id)
    _check_password(db, proof, caller, bcrypt_rounds, now, field="currentPassword")


def _check_password(
    db: Db,
    proof: PasswordProof,
    user: StoredUser | None,
    bcrypt_rounds: int,
    now: datetime,
    *,
    field: str,
) -> None:
    attempt = begin_attempt(db, make_login_key(proof.user_id), proof.client_ip, now)
    hashed = user["passwordHash"] if user else None
    if not verify_password(proof.password or "", hashed, bcrypt_rounds):
        raise WrongPassword(field)
    record_success(db, attempt)


def ask_again(db: Db, sealer: Sealer, user: StoredUser, now: datetime) -> bool:
    """Ask for another mail that verifies the pending address of an account.

    Nothing is asked for where the last mail was not stored yet, or three were asked for within the
    last hour.

    Returns:
        False if the account has no pending address.
    """
    pending = email_rules.find_pending(user, now)
    if pending is None:
        return False
    if "mails" not in pending and not email_rules.find_wait(user, now):
        mails = make_mails(sealer, (rules.NEW_EMAIL,), now)
        again = email_rules.ask_again(user, pending, mails, now)
        store.update(db, user["_id"], again, unchanged_since=user)
    return True


def verify(
    db: Db,
    token: str,
    found: MailToken,
    *,
    password: str | None,
    client_ip: str,
    bcrypt_rounds: int,
    now: datetime,
) -> None:
    """Let the change that a token belongs to take effect.

    Args:
        found: what is stored about the token.
        password: that of the account; ignored unless the change needs it.
        client_ip: the client's IP address, by which failures are counted.
        bcrypt_rounds: the cost of password hashes.

    Raises:
        TokenInvalid: the token was used, or the change is void or replaced by another one.
        ValidationFailed: the change needs the password, and none was sent. As after the next two
            errors, the token can still be used.
        WrongPassword: the password is wrong.
        TooManyRequests: too many attempts failed lately. The password was not checked.
        EmailTaken: another account has the address.
    """
    user = store.find(db, found["userId"])
    if user is None:
        raise TokenInvalid
    if _find_change(user, found, now)["needsPassword"]:
        if password is None:
            raise ValidationFailed(
                "Send the password of the account",
                errors={"password": ["Send it to verify this address."]},
            )
        proof = PasswordProof(found["userId"], password, client_ip)
        _check_password(db, proof, user, bcrypt_rounds, now, field="password")
    mail_tokens.consume(db, token, (rules.NEW_EMAIL,), now)
    for _attempt in range(WRITE_ATTEMPTS):
        user = store.find(db, found["userId"])
        if user is None:
            raise TokenInvalid
        pending = _find_change(user, found, now)
        refuse_taken_spelling(db, pending["email"], user["_id"])
        changes: UserChanges = {**email_rules.complete(user, pending, now), "updatedAt": now}
        try:
            if store.update(db, user["_id"], changes, unchanged_since=user):
                failpoint("email-changed")
                return
        except store.TakenError:
            raise EmailTaken from None
    raise TokenInvalid


def _find_change(user: StoredUser, token: MailToken, now: datetime) -> PendingEmail:
    """Return the pending address that a token verifies.

    Raises:
        TokenInvalid: the change is void, expired or replaced by another one.
    """
    pending = email_rules.find_pending(user, now)
    if pending is None or pending["changeId"] != token["changeId"]:
        raise TokenInvalid
    return pending
