// The step for those who are not signed in: the way to sign in, and back to what they have chosen.

import { h } from "../dom.js";
import { _, makeLink } from "../texts.js";

// `form` is the booking form (page.js).
export function showSignIn(form) {
  const next = `${location.pathname}${location.search}#tickets`;
  const title = h("h3", { tabindex: "-1" }, _("Sign in to book"));
  const back = h("button", { type: "button", class: "plain" }, _("Back to the tickets"));
  back.addEventListener("click", () => form.hidePanel());
  form.showPanel(title,
    h("p", {}, _("Your tickets are kept in your account. What you have chosen stays here.")),
    h("div", { class: "row" },
      h("a", { class: "button primary", href: makeLink("/account/sign-in", { next }) }, _("Sign in")),
      h("a", { class: "button", href: makeLink("/account/sign-up", { next }) }, _("Make an account")),
      back));
  title.focus();
}
