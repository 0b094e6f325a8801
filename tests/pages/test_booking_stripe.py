"""Paying on a page by Stripe: its script is an imitation, and so is its server."""

import pytest

from eventapp.core.database import OPEN_DATABASE
from tests import bookings_factories as kit
from tests import live
from tests.fake_stripe import FakeStripe
from tests.pages.test_booking import (
    bookings_of,
    choose,
    make_simple_event,
    open_form,
    sign_in,
    total,
)

# The buyer presses the button; the test decides what comes of it, in `window.outcome`.
SCRIPT = """
window.Stripe = (key) => ({
  elements: ({clientSecret}) => ({
    clientSecret,
    create: () => ({
      on(name, act) { if (name === "ready") this.isReady = act; },
      mount(place) { place.textContent = `Card for ${key}`; this.isReady(); },
      destroy() {},
    }),
  }),
  confirmPayment: async ({elements, confirmParams}) => {
    window.asked = {secret: elements.clientSecret, returnUrl: confirmParams.return_url};
    while (!window.outcome) await new Promise((resolve) => setTimeout(resolve, 20));
    const outcome = window.outcome;
    window.outcome = null;
    return outcome;
  },
});
"""


@pytest.fixture(scope="module")
def fake():
    with FakeStripe() as fake:
        yield fake


@pytest.fixture(scope="module")
def stripe_app(make_app, fake):
    settings = {"PAYMENT_PROVIDER": "stripe", "STRIPE_PUBLISHABLE_KEY": "pk_test_key1"}
    return make_app(**settings, **fake.settings)


@pytest.fixture
def stripe_site(stripe_app):
    with live.serve(stripe_app) as url:
        yield url


def press_pay(browser):
    """Press the button to pay; return the client secret that the provider's script was given."""
    browser.run("window.asked = null")
    browser.press_button("Pay €40", "#booking")
    return browser.wait_for("window.asked")["secret"]


def test_a_buyer_pays_at_stripe_after_a_refusal(browser, stripe_app, stripe_site, check_page, fake):
    db = OPEN_DATABASE.get(stripe_app).db
    event_id = make_simple_event(db, 5)
    buyer = kit.Caller(stripe_app.test_client(), stripe_app)
    sign_in(browser, stripe_app, stripe_site, buyer)
    open_form(browser, stripe_site, event_id)
    choose(browser, 1, 2)
    total(browser, "€40")
    browser.press_button("Book", "#booking")
    # Nothing of the internet can be reached here. The policy allows the script, and says nothing.
    browser.wait_for_text("The payment form cannot be loaded.", seconds=60)
    assert not [each for each in browser.console_errors() if "Content Security Policy" in each]
    check_page("booking-stripe-unreachable")
    browser.run(SCRIPT)
    browser.press_button("Try again", "#booking")
    browser.wait_for_text("Card for pk_test_key1")
    secret = press_pay(browser)
    (booking,) = bookings_of(db, event_id)
    asked = browser.run("return window.asked.returnUrl")
    assert asked == f"{stripe_site}/b/{booking['bookingReference']}"
    fake.refuse(secret)
    refusal = {"error": {"type": "card_error", "message": "Your card was declined."}}
    browser.run("window.outcome = arguments[0]", refusal)
    browser.wait_for_text("Your card was declined.")
    check_page("booking-stripe-refused")
    # The script says that it was paid, but no money came: there is no ticket yet.
    assert press_pay(browser) == secret
    fake.process(secret)
    browser.run("window.outcome = {}")
    browser.wait_for_text("Your payment is being confirmed…")
    assert [each["status"] for each in bookings_of(db, event_id)] == ["held"]
    fake.pay(secret)
    fake.deliver(stripe_app.test_client())
    browser.wait_for("location.pathname.startsWith('/b/')", 30)
    (booking,) = bookings_of(db, event_id)
    assert booking["status"] == "confirmed"
    assert fake.money_of(str(booking["_id"])) == (4000, 0)


def test_only_pages_that_pay_allow_the_addresses_of_stripe(stripe_app):
    client, db = stripe_app.test_client(), OPEN_DATABASE.get(stripe_app).db
    event_id = make_simple_event(db, 5)
    page = client.get(f"/e/{event_id}")
    assert 'data-provider="stripe" data-provider-key="pk_test_key1"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' https://js.stripe.com;" in policy
    db.events.update_one({"eventId": event_id}, {"$set": {"status": "cancelled"}})
    for path in ("/", f"/e/{event_id}"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert "stripe" not in answer.headers["Content-Security-Policy"]
