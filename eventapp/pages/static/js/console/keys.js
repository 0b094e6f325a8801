// Makes the keys by which the API recognizes a request that is sent again.

// Returns a function that returns the same key for the same content, and after `renew` a new one.
export function makeKeys() {
  let [content, key] = [null, null];
  const get = (body) => {
    const text = JSON.stringify(body);
    if (text !== content) [content, key] = [text, makeKey()];
    return key;
  };
  return { get, renew: () => { content = null; } };
}

function makeKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
