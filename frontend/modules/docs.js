/** `/openapi.json` as a page to read: the operations, the problems they answer, the schemas they name. */

import { byId, element } from "./dom.js";
import { sample, startHere, trackerTag } from "./start.js";

/**
 * @typedef {Record<string, any>} Schema
 * @typedef {{summary?: string, description?: string, parameters?: Schema[], requestBody?: Schema, responses: Record<string, Schema>}} Operation
 * @typedef {{tag: string, status: number, title: string, what_to_do: string}} Problem
 */

/** @param {string} text */
const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

/** A schema in a few words; named ones are links. @param {Schema} schema @returns {(Node | string)[]} */
function words(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [element("a", { href: `#${slug(name)}` }, name)];
  }
  const options = schema.oneOf ?? schema.anyOf;
  if (options) return options.flatMap((/** @type {Schema} */ option, /** @type {number} */ i) => (i ? [" or ", ...words(option)] : words(option)));
  if (schema.type === "array") return ["array of ", ...words(schema.items ?? {}), limits(schema)];
  return [`${schema.type ?? "anything"}${schema.format ? ` (${schema.format})` : ""}${limits(schema)}`];
}

/** @param {Schema} schema */
function limits(schema) {
  const names = /** @type {const} */ (["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default"]);
  const set = names.filter((name) => schema[name] !== undefined && schema[name] !== null).map((name) => `${name} ${schema[name]}`);
  return set.length ? `, ${set.join(", ")}` : "";
}

/** @param {string[]} heads @param {(Node | string)[][][]} rows @param {string} caption */
function grid(heads, rows, caption) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, ...cell))));
  return element("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": caption },
    element("table", {}, element("caption", { class: "unseen" }, caption), element("thead", {}, head), element("tbody", {}, ...lines)));
}

/** @param {Record<string, Schema>} [content] @returns {(Node | string)[]} */
function bodies(content = {}) {
  return Object.entries(content).flatMap(([type, { schema }], i) =>
    [i ? "; " : "", element("code", {}, type), ...(schema ? [": ", ...words(schema)] : [])]);
}

/** The examples of a body, each to be copied. @param {string} name whose @param {Record<string, Schema>} [content] */
function examples(name, content = {}) {
  return Object.entries(content).flatMap(([type, { example, examples: named = {} }]) => {
    const all = [...(example === undefined ? [] : [example]), ...Object.values(/** @type {Record<string, Schema>} */ (named)).map((it) => it.value)];
    return all.map((it) => sample(typeof it === "string" ? it : JSON.stringify(it, null, 2), `example of ${name} as ${type}`));
  });
}

/** @param {string} path @param {string} method @param {Operation} operation */
function operationCard(path, method, operation) {
  const name = `${method.toUpperCase()} ${path}`;
  const parts = [
    element("h2", { id: slug(name) }, element("span", { class: `method ${method}` }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, operation.summary ?? ""),
  ];
  if (operation.description) parts.push(element("p", { class: "definition" }, operation.description));
  if (operation.parameters) {
    parts.push(element("h3", {}, "Parameters"), grid(["Name", "In", "Value", "Meaning"],
      operation.parameters.map((it) => [[element("code", {}, it.name)], [it.in], words(it.schema), [it.description ?? it.schema.description ?? ""]]), `Parameters of ${name}`));
  }
  if (operation.requestBody) {
    parts.push(element("h3", {}, "Body"), element("p", {}, ...bodies(operation.requestBody.content)));
    if (operation.requestBody.description) parts.push(element("p", { class: "definition" }, operation.requestBody.description));
    parts.push(...examples(`the body of ${name}`, operation.requestBody.content));
  }
  parts.push(element("h3", {}, "Answers"), grid(["Status", "Meaning", "Body"], Object.entries(operation.responses).map(([status, it]) =>
    [[status], [it.description ?? ""], bodies(it.content)]), `Answers of ${name}`));
  for (const [status, it] of Object.entries(operation.responses)) parts.push(...examples(`answer ${status} of ${name}`, it.content));
  return element("section", { class: "card", "aria-labelledby": slug(name) }, ...parts);
}

/** Every `type` that an error can have, each at the anchor that the error names. @param {Problem[]} problems */
function problemsCard(problems) {
  const rows = problems.map((it) => element("div", { id: it.tag, class: "problem" },
    element("h3", {}, `${it.status} `, element("code", {}, it.tag)), element("p", {}, `${it.title}. `, it.what_to_do)));
  return element("section", { class: "card", "aria-labelledby": "problems" }, element("h2", { id: "problems" }, "Problem types"),
    element("p", { class: "definition" }, "Every error is application/problem+json (RFC 9457); its type leads here."), ...rows);
}

/** @param {string} name @param {Schema} schema */
function schemaCard(name, schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(/** @type {Record<string, Schema>} */ (schema.properties ?? {})).map(([field, it]) =>
    [[element("code", {}, field)], [required.has(field) ? "yes" : "no"], words(it), [it.description ?? ""]]);
  return element("section", { class: "card", "aria-labelledby": slug(name) },
    element("h2", { id: slug(name) }, name),
    element("p", { class: "definition" }, schema.description ?? ""),
    grid(["Field", "Required", "Value", "Meaning"], rows, `Fields of ${name}`));
}

/** @param {[string, string][]} entries @param {string} title */
function contents(entries, title) {
  return [element("h2", {}, title), element("ul", {}, ...entries.map(([id, text]) => element("li", {}, element("a", { href: `#${id}` }, text))))];
}

async function show() {
  const answer = await fetch("/openapi.json");
  const api = await answer.json();
  const operations = Object.entries(/** @type {Record<string, Record<string, Operation>>} */ (api.paths)).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => /** @type {const} */ ([path, method, operation])));
  const schemas = Object.entries(/** @type {Record<string, Schema>} */ (api.components.schemas)).sort(([a], [b]) => (a < b ? -1 : 1));
  /** @type {Problem[]} */
  const problems = api["x-problems"] ?? [];
  byId("about").textContent = api.info.description;
  byId("main").append(
    ...operations.map((it) => operationCard(...it)),
    ...(problems.length ? [problemsCard(problems)] : []),
    ...schemas.map(([name, it]) => schemaCard(name, it)));
  byId("contents").append(
    ...contents([["start", "Start here"], ["keys", "Keys"], ["tracker", "The tracker"], ["rate-limits", "Rate limits"]], "Guide"),
    ...contents(operations.map(([path, method]) => [slug(`${method} ${path}`), `${method.toUpperCase()} ${path}`]), "Operations"),
    ...(problems.length ? contents(problems.map((it) => [it.tag, `${it.status} ${it.tag}`]), "Problem types") : []),
    ...contents(schemas.map(([name]) => [slug(name), name]), "Schemas"));
  // What the address names exists only now.
  if (location.hash) location.replace(location.hash);
}

/** @type {HTMLElement} */ (byId("start").parentElement).append(...startHere(false));
byId("tracker-tag").append(sample(trackerTag(false), "the tracker’s tag"));
show().catch(() => {
  byId("about").textContent = "The description cannot be read at the moment. Reload the page to try again.";
});
