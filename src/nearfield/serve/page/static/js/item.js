// One item: as a card in a panel, or in the dialog that slides in from the side.

import { of, post } from "./api.js";
import { announce, button, byId, fill, glyph, h, loading, problem, state } from "./dom.js";
import { described, plain } from "./format.js";
import { address } from "./main.js";

const KNOWN = new Map();
const KEPT = 500;

/** Items by id, null where there is none; those looked up before are not asked for again. */
export async function items(collection, ids, more) {
  const slot = (id) => `${collection}\u0000${typeof id}\u0000${id}`;
  const wanted = ids.filter((id) => !KNOWN.has(slot(id)));
  if (wanted.length) {
    const found = (await post(of(collection, "get"), { ids: wanted, f32: true }, more)).items;
    if (KNOWN.size + wanted.length > KEPT) KNOWN.clear();
    wanted.forEach((id, place) => KNOWN.set(slot(id), found[place]));
  }
  return ids.map((id) => KNOWN.get(slot(id)) ?? null);
}

/** Attributes as tags. */
export function tags(attributes, most = Infinity) {
  const shown = Object.entries(attributes ?? {}).filter(([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && !value.length));
  return h("div", { class: "chips" }, shown.slice(0, most).map(([name, value]) => h("span", { class: "tag" }, name, h("b", {}, plain(value)))));
}

export function itemCard(item, collection) {
  const { title, body } = described(item);
  const payload = item.payload && typeof item.payload === "object" && Object.keys(item.payload).length ? item.payload : null;
  const like = { c: collection, like: JSON.stringify([item.id]) };
  return h(
    "div",
    { class: "stack" },
    h("div", {}, h("h3", { class: "breaks" }, title), title === String(item.id) ? null : h("p", { class: "mono tiny soft breaks" }, String(item.id))),
    tags(item.attributes),
    body && h("p", { class: "small breaks prose" }, body),
    h("div", { class: "buttons" },
      h("a", { class: "button", href: address("search", like) }, "Find similar"),
      button("Copy id", async () => {
        try {
          await navigator.clipboard.writeText(String(item.id));
          announce("Copied");
        } catch {
          announce("The browser does not allow copying here");
        }
      }, { class: "quiet" })),
    item.expires ? h("p", { class: "small soft" }, `Expires ${item.expires}`) : null,
    payload && h("details", {}, h("summary", { class: "small soft" }, "Payload"), h("pre", { tabindex: 0 }, JSON.stringify(payload, null, 2))),
  );
}

/** Opens the dialog on an item; the focus returns to where it was when it closes. */
export async function inspect(collection, id) {
  const dialog = byId("item-dialog");
  const close = byId("item-close");
  fill(close, glyph("close"));
  close.onclick = () => dialog.close();
  dialog.onclick = (event) => {
    if (event.target === dialog || event.target.closest("a")) dialog.close();
  };
  const body = byId("item-body");
  fill(body, loading("Loading the item"));
  byId("item-title").textContent = "Item";
  if (!dialog.open) dialog.showModal();
  try {
    const [item] = await items(collection, [id]);
    fill(body, item ? itemCard(item, collection) : state("Gone", "There is no item of this id any more."));
  } catch (error) {
    fill(body, problem(error, () => inspect(collection, id)));
  }
}
