// The page's frame: which collection, which view, light or dark. A view is a module with `show(place, context)`.

import { beside, get } from "./api.js";
import { themeButton } from "./appearance.js";
import { announce, byId, fill, glyph, h, problem, state } from "./dom.js";

const VIEWS = {
  search: { name: "Search", load: () => import("./search.js") },
  map: { name: "Map", load: () => import("./map.js") },
  survey: { name: "Survey", load: () => import("./survey.js") },
  plan: { name: "Plan", load: () => import("./plan.js") },
  health: { name: "Health", load: () => import("./health.js") },
};

const known = { server: null, collections: new Map() };
let leaving = new AbortController();
let shown = null;

/** The address behind `#`: a view and its parameters. */
export function route() {
  const [view, query] = location.hash.slice(1).split("?", 2);
  return { view: view in VIEWS ? view : "search", given: new URLSearchParams(query ?? "") };
}

export function address(view, given) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined && value !== null && value !== "") query.set(name, value);
  const text = query.toString();
  return `#${view}${text ? `?${text}` : ""}`;
}

/** Changes the address without drawing the view anew: it has drawn itself already. */
export function remember(view, given) {
  const next = address(view, given);
  if (location.hash !== next) history.pushState(null, "", next);
  links(new URLSearchParams(next.split("?")[1] ?? "").get("c"));
  shown = next;
}

function links(collection) {
  const { view } = route();
  for (const link of byId("views").children) {
    const name = link.dataset.view;
    link.setAttribute("href", address(name, { c: collection }));
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** What a collection is: its settings, fetched once, and again after `fresh`. */
export async function facts(collection, fresh = false) {
  if (fresh || !known.collections.has(collection)) known.collections.set(collection, await get(beside("facts", { collection })));
  return known.collections.get(collection);
}

async function draw() {
  leaving.abort();
  leaving = new AbortController();
  byId("item-dialog").close();
  const { signal } = leaving;
  const main = byId("main");
  const { view, given } = route();
  shown = location.hash;
  main.className = "";
  try {
    known.server ??= await get("v1", { signal });
    const names = known.server.collections.map((one) => (typeof one === "string" ? one : one.name));
    const asked = given.get("c");
    const collection = names.includes(asked) ? asked : names[0];
    const chooser = byId("collection");
    fill(chooser, names.map((name) => h("option", { value: name, selected: name === collection }, name)));
    chooser.disabled = names.length < 1;
    links(collection);
    document.title = `${VIEWS[view].name}${collection ? ` · ${collection}` : ""} · Nearfield`;
    if (collection === undefined) {
      fill(main, state("Nothing here yet", "This server holds no collection. Make one with the command `nearfield index`, the Python client, or PUT /v1/collections/{name}."));
      return;
    }
    if (asked && asked !== collection) announce(`There is no collection ${asked}`);
    const module = await VIEWS[view].load();
    if (signal.aborted) return;
    await module.show(main, { collection, given, server: known.server, facts: await facts(collection), signal });
  } catch (error) {
    if (error.name !== "AbortError" && !signal.aborted) {
      known.server = error.status === 0 || error.status === 404 ? null : known.server;
      fill(main, problem(error, draw));
    }
  }
}

function start() {
  fill(
    byId("views"),
    Object.entries(VIEWS).map(([name, view]) => h("a", { href: `#${name}`, data: { view: name } }, glyph(name), view.name)),
  );
  themeButton(byId("theme"));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address behind # is the view
    byId("main").focus();
  });
  byId("collection").addEventListener("change", (event) => {
    location.hash = address(route().view, { c: event.target.value });
  });
  addEventListener("hashchange", () => {
    if (location.hash !== shown) draw();
  });
  addEventListener("popstate", () => {
    if (location.hash !== shown) draw();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable], dialog[open]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const box = byId("question");
    if (box) box.focus();
    else location.hash = address("search", { c: byId("collection").value, focus: 1 });
  });
  draw();
}

start();
