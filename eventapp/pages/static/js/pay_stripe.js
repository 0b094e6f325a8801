// The part of the payment form that Stripe makes: its Payment Element, in frames of Stripe's own.
// Stripe requires that its script comes from its server. Card numbers never reach this site.

import { language, _ } from "./texts.js";

const SCRIPT = "https://js.stripe.com/v3/";
const UNREACHABLE = _("The payment form cannot be loaded. Check your connection, or allow js.stripe.com, and try again.");
// States of a payment for which the buyer has nothing more to do.
const PAID = ["succeeded", "processing", "requires_capture"];

export const needsSecret = true;

// Shows the part of the provider. See pay.js for what it returns.
// `returnUrl` is the page to come back to from a bank that asks the buyer on a page of its own.
export async function openProvider(place, { key, secret, returnUrl }) {
  const Stripe = await loadStripe();
  const stripe = Stripe(key, { locale: language });
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe";
  const elements = stripe.elements({ clientSecret: secret, appearance: { theme } });
  const element = elements.create("payment");
  await mount(element, place);
  return {
    pay: () => confirm(stripe, elements, returnUrl),
    close: () => element.destroy(),
  };
}

function mount(element, place) {
  return new Promise((resolve, reject) => {
    element.on("ready", resolve);
    element.on("loaderror", () => reject(new Error(UNREACHABLE)));
    element.mount(place);
  });
}

// Returns why the payment was refused, in Stripe's words in the buyer's language; null if it was not.
async function confirm(stripe, elements, returnUrl) {
  const { error } = await stripe.confirmPayment({
    elements, redirect: "if_required", confirmParams: { return_url: returnUrl },
  });
  if (!error || PAID.includes(error.payment_intent?.status)) return null;
  const isForBuyer = ["card_error", "validation_error"].includes(error.type);
  return isForBuyer ? error.message : _("The payment did not succeed. Try again.");
}

function loadStripe() {
  if (window.Stripe) return window.Stripe;
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.onload = () => resolve(window.Stripe);
    script.onerror = () => {
      script.remove();
      reject(new Error(UNREACHABLE));
    };
    document.head.append(script);
  });
}
