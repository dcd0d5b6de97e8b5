/** What the address says after its `#`: `user=…`, `view=wall`, `live`. Never a key. */

/** @typedef {{user: string, wall: boolean, live: boolean}} Address */

/** @returns {Address} */
export function read() {
  const parts = new Map(location.hash.slice(1).split("&").map((part) => {
    const [name, ...value] = part.split("=");
    return [name, decode(value.join("="))];
  }));
  return { user: parts.get("user") ?? "", wall: parts.get("view") === "wall", live: parts.has("live") };
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} user */
export const userLink = (user) => spell({ ...read(), user });

/** @param {Partial<Address>} change Move to another address; a user is a step back and forth can take. */
export function go(change) {
  const next = spell({ ...read(), ...change });
  if (next === (location.hash || "#")) return;
  const url = next === "#" ? location.pathname + location.search : next;
  if ("user" in change) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** @param {Address} address */
function spell({ user, wall, live }) {
  const parts = [user && `user=${encodeURIComponent(user)}`, wall && "view=wall", live && "live"];
  return `#${parts.filter(Boolean).join("&")}`;
}
