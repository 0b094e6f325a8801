// The public profile of an organizer: name, text, links and photo.

import { call, loadUser } from "../api.js";
import { byId, h, showMessage } from "../dom.js";
import { onClick, onSubmit } from "../forms.js";
import { _, makeLink } from "../texts.js";

const MOST_LINKS = 10;

// Fills the form with the profile as it is, and sends it.
export async function startProfile() {
  const [form, message, links] = ["profile", "profile-message", "profile-links"].map(byId);
  const [profile, user] = await Promise.all([call("GET", "/organizers/me"), loadUser()]);
  form.elements.name.value = profile.name || "";
  form.elements.about.value = profile.about;
  form.elements.showPhoto.checked = profile.showPhoto;
  links.replaceChildren(...profile.links.map(makeLinkFields));
  byId("profile-page").href = makeLink(`/o/${user._id}`);
  if (form.dataset.started) return;
  form.dataset.started = "true";
  byId("add-link").addEventListener("click", () => addLink(links));
  onSubmit(form, message, async () => {
    numberLinks(links);
    await call("PUT", "/organizers/me", { body: readProfile(form, links) });
    showMessage(message, _("The profile is saved."), "good");
  });
  startPhoto(user);
}

function addLink(links) {
  if (links.children.length >= MOST_LINKS) return;
  links.append(makeLinkFields({ url: "", label: "" }));
  links.lastElementChild.querySelector("input").focus();
}

function makeLinkFields({ url, label }) {
  const fields = h("div", { class: "field-row" });
  const field = (name, text, value, type) => h("label", { class: "field" }, text,
    h("input", { type, dataset: { part: name }, value: value || "", maxlength: name === "url" ? 500 : 60 }));
  const remove = h("button", { type: "button", class: "danger", onclick: () => fields.remove() }, _("Remove the link"));
  fields.append(field("url", _("Address (https)"), url, "url"), field("label", _("Text of the link"), label, "text"),
    h("div", { class: "field" }, remove));
  return fields;
}

// Names the inputs as the API names their fields, so that refusals are shown beside them.
function numberLinks(links) {
  [...links.children].forEach((fields, index) => {
    for (const input of fields.querySelectorAll("[data-part]")) input.name = `links.${index}.${input.dataset.part}`;
  });
}

function readProfile(form, links) {
  const { name, about, showPhoto } = form.elements;
  return {
    name: name.value.trim() || null,
    about: about.value,
    showPhoto: showPhoto.checked,
    links: [...links.children].map((fields) => {
      const [url, label] = [...fields.querySelectorAll("[data-part]")].map((input) => input.value.trim());
      return label ? { url, label } : { url };
    }),
  };
}

// The photo is that of the account. Choosing one sends it at once.
async function startPhoto(user) {
  const [input, button, message, picture] = ["photo", "send-photo", "photo-message", "photo-shown"].map(byId);
  const show = (url) => {
    picture.hidden = !url;
    if (url) picture.src = url;
  };
  show((await call("GET", "/auth/profile")).userImg);
  onClick(button, message, async () => {
    const [file] = input.files;
    if (!file) {
      showMessage(message, _("Choose a picture first."), "warn");
      return;
    }
    const data = new FormData();
    data.append("file", file);
    const changed = await call("PUT", `/users/${user._id}/photo`, { form: data, timeout: 60000 });
    show(changed.userImg);
    input.value = "";
    showMessage(message, _("The photo is saved."), "good");
  });
}
