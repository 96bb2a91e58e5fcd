// The reference of the REST interface, out of the server's own OpenAPI document.

import { address } from "./api.js";
import { themeButton } from "./appearance.js";
import { announce, button, byId, fill, h, problem } from "./dom.js";
import { count } from "./format.js";

const METHODS = ["get", "put", "post", "patch", "delete"];
const RIGHTS = { read: "a key that may read", write: "a key that may write", admin: "an admin's key" };

let components = {};

const resolved = (schema) => {
  const name = schema?.$ref?.split("/").at(-1);
  return name === undefined ? (schema ?? {}) : (components[name] ?? {});
};

/** The bounds of a number as people say them; those of 64 bits and of float32 go without saying. */
function bounds({ minimum, maximum }) {
  const low = minimum !== undefined && minimum > -1e15 ? minimum : null;
  const high = maximum !== undefined && maximum < 1e15 ? maximum : null;
  if (low !== null && high !== null) return `, ${count(low)} to ${count(high)}`;
  if (low !== null) return `, at least ${count(low)}`;
  return high === null ? "" : `, at most ${count(high)}`;
}

/** A schema in a few words, such as "list of texts". */
function kind(schema, depth = 0) {
  const one = resolved(schema);
  if (one.enum) return one.enum.filter((value) => value !== null).map((value) => JSON.stringify(value)).join(", ");
  if (one.const !== undefined) return JSON.stringify(one.const);
  const several = one.anyOf ?? one.oneOf;
  if (several && !one.properties) return [...new Set(several.filter((each) => each.type !== "null").map((each) => kind(each, depth)))].join(", or ");
  const types = [one.type ?? []].flat().filter((type) => type !== "null");
  return types.map((type) => {
    if (type === "integer") return `integer${bounds(one)}`;
    if (type === "number") return `number${bounds(one)}`;
    if (type === "boolean") return "true or false";
    if (type === "string") return one.format === "binary" ? "bytes" : one.contentEncoding ? one.contentEncoding : "text";
    if (type === "array") return one.items && depth < 3 ? `list of: ${kind(one.items, depth + 1) || "anything"}` : "list";
    if (type === "object") {
      const names = Object.keys(one.properties ?? {});
      if (names.length && depth < 2) return `{${names.join(", ")}}`;
      const value = one.additionalProperties;
      return value && value !== true && kind(value, depth + 1) ? `object of: ${kind(value, depth + 1)}` : "object";
    }
    return type;
  }).join(" or ") || "anything";
}

const json = (value) => {
  const flat = JSON.stringify(value);
  return flat.length <= 100 ? flat : JSON.stringify(value, null, 2);
};

function code(text) {
  return h("div", { class: "code" }, h("pre", { tabindex: 0 }, text), button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce("Copied");
    } catch {
      announce("The browser does not allow copying here");
    }
  }, { class: "quiet" }));
}

function table(heads, rows) {
  return h("div", { class: "table" }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))))));
}

/** Words between backticks as code. */
const prose = (text) => text.split(/`([^`]*)`/).map((part, at) => (at % 2 ? h("code", {}, part) : part));

const named = (name, needed) => [name, needed ? h("span", { class: "needed" }, "required") : null].filter(Boolean);

function described(schema, about) {
  const one = resolved(schema);
  const said = about ?? one.description;
  const example = one.examples?.[0];
  return [
    said ? h("div", {}, prose(said[0].toUpperCase() + said.slice(1))) : null,
    h("div", { class: "kind tiny breaks" }, kind(schema), example === undefined ? null : ` · such as ${JSON.stringify(example)}`),
  ].filter(Boolean);
}

function fields(schema) {
  const one = resolved(schema);
  const needed = new Set(one.required ?? []);
  return table(["Field", "What it is"], Object.entries(one.properties).map(([name, field]) => [named(name, needed.has(name)), described(field)]));
}

/** At least one of these must be there, where the schema says so. */
function choice(schema) {
  const names = (resolved(schema).anyOf ?? []).flatMap((one) => one.required ?? []);
  return names.length > 1 ? h("p", { class: "small soft" }, `At least one of ${names.join(", ")}.`) : null;
}

function body(operation) {
  const { content, required } = operation.requestBody;
  return h("section", { class: "part stack" }, h("h3", {}, "Body", required ? null : h("span", { class: "small soft" }, " (may be left out)")),
    Object.entries(content).map(([media, { schema }]) => [
      h("p", { class: "tiny mono soft" }, media),
      resolved(schema).properties ? [fields(schema), choice(schema)] : h("p", { class: "small" }, kind(schema)),
    ]));
}

function replies(operation) {
  const good = Object.entries(operation.responses).filter(([status]) => status < 300);
  const bad = Object.entries(operation.responses).filter(([status]) => status >= 300);
  const first = Object.entries(good[0]?.[1].content ?? {})[0];
  return h("section", { class: "part stack" }, h("h3", {}, "Answers"),
    table(["Status", "Means"], good.map(([status, { description, content }]) => [status, [description, content ? h("div", { class: "kind tiny breaks" }, Object.entries(content).map(([media, { schema }]) => `${media}: ${kind(schema)}`).join(" · ")) : null].filter(Boolean)])),
    first?.[1].example === undefined ? null : code(json(first[1].example)),
    h("details", {}, h("summary", { class: "small soft" }, `Errors: ${bad.map(([status]) => status).join(", ")}`), table(["Status", "Means"], bad.map(([status, { description }]) => [status, description]))));
}

/** The command that asks for it. */
function command(method, path, operation) {
  const place = address(path.slice(1)).replaceAll("%7B", "{").replaceAll("%7D", "}").replace("{name}", "papers");
  const parts = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}'${place}'`];
  if (operation.security?.length) parts.push('-H "Authorization: Bearer $KEY"');
  const content = operation.requestBody?.content ?? {};
  const example = content["application/json"]?.example;
  if (example !== undefined) parts.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(example).replaceAll("'", "'\\''")}'`);
  else if (operation.requestBody?.required) parts.push(`-H 'Content-Type: ${Object.keys(content)[0]}'`, "--data-binary @file");
  return parts.join(" \\\n  ");
}

function shownPath(path) {
  return path.split(/(\{[^}]*\})/).map((part) => (part.startsWith("{") ? h("i", {}, part) : part));
}

function card(method, path, operation) {
  const parameters = operation.parameters ?? [];
  const place = h("div", { class: "stack" });
  const made = h("details", { class: "operation", id: operation.operationId, on: { toggle: () => open() } },
    h("summary", {}, h("span", { class: `method ${method}` }, method.toUpperCase()), h("span", { class: "path" }, shownPath(path)), h("span", { class: "small soft" }, prose(operation.summary ?? ""))),
    place);
  function open() {
    if (!made.open || place.firstChild) return;
    fill(place,
      operation.description ? h("p", { class: "small" }, prose(operation.description)) : null,
      operation["x-right"] ? h("p", { class: "small soft" }, `Needs ${RIGHTS[operation["x-right"]] ?? operation["x-right"]}.`) : null,
      h("section", { class: "part" }, h("h3", {}, "Example"), code(command(method, path, operation))),
      parameters.length ? h("section", { class: "part" }, h("h3", {}, "Parameters"), table(["Name", "What it is"], parameters.map((one) => [named(one.name, one.required), [...described(one.schema, one.description ?? one.schema?.description), h("div", { class: "kind tiny" }, one.in === "path" ? "in the path, percent-encoded" : `in the ${one.in}`)]]))) : null,
      operation.requestBody ? body(operation) : null,
      replies(operation));
  }
  return made;
}

function reveal() {
  const there = byId(decodeURIComponent(location.hash.slice(1)));
  if (there?.matches("details.operation")) {
    there.open = true;
    there.scrollIntoView({ block: "start" });
  }
}

function draw(document) {
  components = document.components?.schemas ?? {};
  const groups = new Map((document.tags ?? []).map((tag) => [tag.name, { title: tag.description ?? tag.name, operations: [] }]));
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = methods[method];
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, { title: tag, operations: [] });
      groups.get(tag).operations.push({ method, path, operation });
    }
  }
  const shown = [...groups.values()].filter((group) => group.operations.length);
  const none = h("p", { class: "state", hidden: true }, "Nothing of this name.");
  const main = byId("main");
  fill(main,
    h("div", { class: "stack" },
      h("h1", {}, "REST interface"),
      h("p", { class: "soft" }, "Everything the page, the Python client and ", h("code", {}, "curl"), " may ask of this server. For programs: ", h("a", { href: address("openapi.json") }, "openapi.json"), `, version ${document.info.version}.`)),
    shown.map((group) => h("section", { class: "group", "aria-label": group.title }, h("h2", {}, group.title), group.operations.map((one) => card(one.method, one.path, one.operation)))),
    none);
  const filter = h("input", { type: "search", placeholder: "Find an operation  /", "aria-label": "Find an operation", autocomplete: "off", on: { input: () => narrow(filter.value) } });
  fill(byId("contents"), filter, shown.map((group) => h("section", {}, h("h2", {}, group.title), group.operations.map(({ method, path, operation }) =>
    h("a", { href: `#${operation.operationId}`, title: operation.summary, on: { click: () => setTimeout(reveal) } }, h("span", { class: `method ${method}`, "aria-label": method.toUpperCase() }, method === "delete" ? "DEL" : method.toUpperCase()), h("span", { class: "breaks" }, path.split("/").at(-1) === "{name}" ? "collection" : path.replace("/v1/collections/{name}/", "").replace(/^\/v1\//, "").replace(/^\//, "")))))));

  function narrow(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let many = 0;
    for (const operation of main.querySelectorAll(".operation")) {
      const said = operation.querySelector("summary").textContent.toLowerCase();
      operation.hidden = !words.every((word) => said.includes(word));
      many += !operation.hidden;
      byId("contents").querySelector(`a[href="#${CSS.escape(operation.id)}"]`).hidden = operation.hidden;
    }
    for (const group of [...main.querySelectorAll(".group"), ...byId("contents").querySelectorAll("section")]) group.hidden = !group.querySelector(".operation:not([hidden]), a:not([hidden])");
    none.hidden = many > 0;
  }

  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest?.("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    filter.focus();
  });
  addEventListener("hashchange", reveal);
  reveal();
}

async function start() {
  themeButton(byId("theme"));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
  try {
    // Without the tab's key: the document holds no data, and is for everybody.
    const response = await fetch(address("openapi.json"));
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    draw(await response.json());
  } catch (error) {
    fill(byId("main"), problem(error, start));
  }
}

start();
