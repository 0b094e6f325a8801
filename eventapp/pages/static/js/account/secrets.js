// The secret of a mailed link: it is in the fragment of the address, which browsers send to no server.

// Takes the secret out of the address, so that it is in no history and on no screenshot.
// `name` is that of the secret in the fragment. Returns "" if the link has none.
export function takeSecret(name) {
  const secret = new URLSearchParams(location.hash.slice(1)).get(name) || "";
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  // Another link of a mail that is opened in the same tab changes only the fragment.
  addEventListener("hashchange", () => location.reload());
  return secret;
}
