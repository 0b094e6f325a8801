// Lets the holder of a held booking pay for it, before the hold ends.
//
// The container has the attributes of payment_attributes.html. They name the provider, whose part of the
// form is made by `pay_PROVIDER.js`. That module exports `needsSecret`, and `openProvider(place, {key,
// secret, returnUrl})`, which resolves to `{pay, close}`; `pay()` resolves to why the payment was refused,
// or to null. What the provider tells the browser decides nothing: a booking is paid when the API says
// that it is confirmed.

import { call } from "./api.js";
import { startCountdown } from "./countdown.js";
import { fill, h, showMessage } from "./dom.js";
import { onClick } from "./forms.js";
import { _, formatAmount, makeLink } from "./texts.js";

const SOON_MS = 1000, LATER_MS = 5000;
// So often a payment that was just made is asked for after SOON_MS, then after LATER_MS.
const SOON_COUNT = 10;
// States of a payment in which money may be on its way.
const UNDER_WAY = ["processing", "unknown"];
// Refusals that a later call may not get.
const PASSING = [0, 429, 502, 503, 504];

// Shows the payment of a held booking in a container.
// Handlers: `onPaid(booking)` when it is confirmed; `onEnded(booking)` when it cannot be paid any more.
// Returns `{close}`, which stops it and empties the container.
export function mountPayment(container, booking, handlers) {
  const view = showPayment(container, booking);
  const payment = { container, view, booking, handlers, provider: null, isOver: false, wasRefused: false };
  forgetReturn();
  if (container.dataset.providerMissing !== undefined && booking.totalPrice > 0) {
    showMessage(view.message, _("Payments are not set up on this site. Ask the organizer how to pay."), "warn");
    view.button.hidden = true;
  } else {
    onClick(view.button, view.message, () => pay(payment));
    prepare(payment);
  }
  payment.stopCountdown = booking.expiresAt
    ? startCountdown(view.countdown, booking.expiresAt, () => checkHold(payment))
    : () => {};
  return { close: () => close(payment) };
}

function showPayment(container, booking) {
  const view = {
    countdown: h("p", { class: "message warn" }),
    place: h("div", { class: "field" }),
    message: h("div", { role: "status", tabindex: "-1" }),
    button: h("button", { type: "button", class: "primary wide" }, describeButton(booking)),
  };
  fill(container, view.countdown, view.place, view.message, view.button);
  return view;
}

function describeButton(booking) {
  if (!booking.totalPrice) return _("Confirm");
  return _("Pay %(amount)s", { amount: formatAmount(booking.totalPrice, booking.currency) });
}

// A bank has led the buyer back with the secret of the payment in the address. It need not stay there.
function forgetReturn() {
  const address = new URL(location.href);
  const names = [...address.searchParams.keys()].filter((each) => /^(payment_intent|redirect_status)/.test(each));
  for (const name of names) address.searchParams.delete(name);
  if (names.length) history.replaceState(null, "", address);
}

function isUnderWay(booking) {
  return UNDER_WAY.includes(booking.payment?.status);
}

// Shows the part of the provider. Without it, the button tries again.
async function prepare(payment) {
  if (payment.isOver) return;
  payment.view.button.disabled = true;
  try {
    if (!isUnderWay(payment.booking)) await openProvider(payment);
    if (!payment.isOver && isUnderWay(payment.booking)) await waitForMoney(payment);
  } catch (error) {
    showMessage(payment.view.message, error.message, "bad");
  }
  payment.view.button.textContent = payment.provider ? describeButton(payment.booking) : _("Try again");
  payment.view.button.disabled = false;
}

async function openProvider(payment) {
  const { dataset } = payment.container;
  if (!payment.booking.totalPrice) {
    payment.provider = { pay: async () => null, close() {} };
    return;
  }
  const module = await import(`./pay_${dataset.provider}.js`);
  const secret = module.needsSecret ? await getSecret(payment) : null;
  if (payment.isOver || (module.needsSecret && !secret)) return;
  const returnUrl = new URL(makeLink(`/b/${payment.booking.bookingReference}`), location.origin).href;
  payment.provider = await module.openProvider(payment.view.place, { key: dataset.providerKey, secret, returnUrl });
}

// Returns the secret by which the buyer pays at the provider; null if there is nothing to pay.
async function getSecret(payment) {
  const known = payment.booking.payment?.clientSecret;
  if (known) return known;
  const booking = await begin(payment);
  return finish(payment, booking) ? null : booking.payment.clientSecret;
}

// Begins the payment or goes on with it; after a refusal, begins the next one. Returns the booking.
async function begin(payment) {
  const path = `/bookings/${payment.booking._id}`;
  try {
    if (!payment.wasRefused) return (await call("POST", `${path}/confirm`)).data.booking;
    payment.key ||= crypto.randomUUID();
    const headers = { "Idempotency-Key": payment.key };
    const answer = await call("POST", `${path}/payments`, { headers });
    payment.key = null;
    payment.wasRefused = false;
    return answer.data.booking;
  } catch (error) {
    if (error.code === "payment_failed") {
      payment.wasRefused = true;
      payment.key = null;
    }
    if (["hold_expired", "not_held", "booking_not_found"].includes(error.code)) end(payment);
    throw error;
  }
}

async function pay(payment) {
  if (!payment.provider) {
    await prepare(payment);
    return;
  }
  const refusal = await payment.provider.pay();
  if (refusal) showMessage(payment.view.message, refusal, "bad");
  else await waitForMoney(payment);
}

// Asks for the booking until the money came, or the payment was refused.
async function waitForMoney(payment) {
  const { message } = payment.view;
  if (payment.booking.totalPrice) showMessage(message, _("Your payment is being confirmed…"));
  let isBegun = false;
  for (let count = 0; !payment.isOver; count += 1) {
    const booking = await ask(payment, isBegun);
    isBegun ||= Boolean(booking);
    if (booking && finish(payment, booking)) return;
    if (booking?.payment?.status === "failed") {
      payment.wasRefused = true;
      await reopen(payment);
      showMessage(message, _("The payment was refused. Try again, perhaps with another card."), "bad");
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, count < SOON_COUNT ? SOON_MS : LATER_MS));
  }
}

// Returns the booking as it is now; null if that is not known at the moment.
// At first, the API asks the provider; afterwards, the provider tells the API.
async function ask(payment, isBegun) {
  try {
    if (!isBegun) return await begin(payment);
    return (await call("GET", `/bookings/${payment.booking._id}`)).data.booking;
  } catch (error) {
    if (!PASSING.includes(error.status)) throw error;
    showMessage(payment.view.message, error.message, "warn");
    if (error.retryAfter) await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1000));
    return null;
  }
}

// Shows the provider's part anew, for the next payment after a refused one.
async function reopen(payment) {
  payment.provider?.close();
  payment.provider = null;
  delete payment.booking.payment?.clientSecret;
  await openProvider(payment);
}

// Ends the payment if the booking is confirmed or ended. Returns whether it is.
function finish(payment, booking) {
  payment.booking = booking;
  if (booking.status === "held") return false;
  if (booking.status === "confirmed") leave(payment, payment.handlers.onPaid);
  else end(payment);
  return true;
}

// The hold has ended by the clock. Money that is on its way may still keep the tickets.
async function checkHold(payment) {
  if (payment.isOver) return;
  try {
    const { booking } = (await call("GET", `/bookings/${payment.booking._id}`)).data;
    if (finish(payment, booking) || isUnderWay(booking)) return;
    end(payment);
  } catch (error) {
    showMessage(payment.view.message, error.message, "warn");
    setTimeout(() => checkHold(payment), LATER_MS);
  }
}

function end(payment) {
  leave(payment, payment.handlers.onEnded);
}

function leave(payment, handler) {
  if (payment.isOver) return;
  close(payment);
  handler?.(payment.booking);
}

function close(payment) {
  payment.isOver = true;
  payment.stopCountdown?.();
  payment.provider?.close();
  fill(payment.container);
}
