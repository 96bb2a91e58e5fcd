// The map: where the items of a collection lie, by which attribute they are coloured, and what is inside a lasso.

import { beside, get, of, pause, post } from "./api.js";
import { MISSING, MOST, OTHER, STEPS, categories, faint, one, ramp } from "./colors.js";
import { announce, button, field, fill, glyph, h, loading, problem, select, state } from "./dom.js";
import { count, described, number, percent, plural, shortened } from "./format.js";
import { itemCard, items } from "./item.js";
import { keep as remembered, kept } from "./lasso.js";
import { address, remember } from "./main.js";
import { DIM, HIDDEN, Points, SHOWN } from "./points.js";
import { body } from "./search.js";

const SAMPLES = [2000, 10000, 30000, 100000];
const TRUST = "\u0000trust";
const IN_LIST = 12;
const LIKE_MOST = 20;

function decoded(text, kind) {
  const raw = atob(text);
  const made = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) made[i] = raw.charCodeAt(i);
  return new kind(made.buffer);
}

export async function show(main, context) {
  const { collection, given, facts, signal } = context;
  const sizes = [...SAMPLES.filter((size) => size < facts.items), Math.min(facts.items, SAMPLES.at(-1))];
  let sample = Number(given.get("n")) || sizes[Math.min(1, sizes.length - 1)];
  if (!sizes.includes(sample)) sample = sizes[Math.min(1, sizes.length - 1)];
  if (facts.items < 3) {
    fill(main, state("Too few for a map", "A map needs at least three items."));
    return;
  }
  const query = { collection, sample };
  main.className = "wide";
  fill(main, h("div", { class: "pad" }, loading("Loading the map", 1)));
  let drawn = await get(beside("map", query), { signal });
  if (drawn.state === "none") {
    fill(main, state("No map yet", `A map lays the items out so that near ones stay near. It is drawn on the server from ${sample === facts.items ? "all" : "a sample of"} ${plural(sample, "item")} and kept until the collection changes.`,
      h("div", { class: "buttons" },
        select(sizes.map((size) => [size, size === facts.items ? `All ${count(size)}` : `${count(size)} of ${count(facts.items)}`]), sample, (size) => { location.hash = address("map", { c: collection, n: size }); }, { "aria-label": "Sample" }),
        button("Draw the map", async () => {
          await post(beside("map", query), undefined, { signal });
          await show(main, context);
        }, { class: "main" }))));
    return;
  }
  if (drawn.state === "running") drawn = await follow(main, query, drawn, signal);
  if (drawn.state === "failed") {
    fill(main, problem({ title: "The map could not be drawn", message: drawn.message }, async () => {
      await post(beside("map", query), undefined, { signal });
      await show(main, context);
    }));
    return;
  }
  if (drawn.state !== "done") {
    await show(main, context);
    return;
  }
  view(main, context, drawn, { sample, sizes, query });
}

/** Shows how far the work has come until it is done. */
async function follow(main, query, drawn, signal) {
  const bar = h("progress", { max: 1, "aria-label": "Progress" });
  const what = h("p", {});
  fill(main, state("Drawing the map", null, what, bar, h("div", { class: "buttons" }, button("Stop", () => post(beside("map/stop", query))))));
  for (;;) {
    what.textContent = `${drawn.stage}${drawn.progress > 0 && drawn.progress < 1 ? ` · ${percent(drawn.progress)}` : ""}`;
    if (drawn.progress > 0) bar.value = drawn.progress;
    await pause(700, signal);
    drawn = await get(beside("map", query), { signal });
    if (drawn.state !== "running") return drawn;
  }
}

function view(main, context, drawn, { sample, sizes, query }) {
  const { collection, given, facts, signal } = context;
  const schema = facts.attributes ?? {};
  const ids = drawn.ids;
  const rowOf = new Map(ids.map((id, row) => [id, row]));
  const trust = decoded(drawn.trust, Uint8Array);
  const frame = h("div", { class: "plane", tabindex: 0, role: "application", "aria-label": `Map of ${plural(ids.length, "item")}: arrow keys move, plus and minus zoom, 0 shows all, Enter opens the item at the cross`, "aria-describedby": "map-keys" });
  const tip = h("div", { class: "tip", hidden: true });
  const legend = h("div", { class: "legend stack" });
  const panel = h("div", { class: "stack", "aria-live": "polite" });
  let column = null;
  let chosen = new Set(); // codes kept by the legend; none means all
  let selected = null; // rows inside the lasso
  let found = null; // rows of the last search
  let hovering = 0;

  const points = new Points(frame, { hover, pick, lasso, moved: moveTip, escape: () => choose(null) });
  signal.addEventListener("abort", () => {
    points.close();
    main.className = "";
  });

  const colorable = Object.entries(schema).filter(([, type]) => type !== "geo").map(([name]) => [name, name]);
  const by = select([["", "Nothing"], ...colorable, [TRUST, "How far to trust the map"]], given.get("color") ?? drawn.telling[0] ?? "", (name) => color(name), {});
  const modes = ["pan", "lasso"].map((mode) => button("", () => setMode(mode), { icon: mode === "pan" ? "hand" : "lasso", class: "quiet icon", title: mode === "pan" ? "Move" : "Lasso: draw around items", "aria-label": mode === "pan" ? "Move the map" : "Draw a lasso", "aria-pressed": String(mode === "pan") }));
  const tools = h("div", { class: "tools", role: "toolbar", "aria-label": "Map" }, modes,
    button("", () => points.zoom(1.5), { icon: "plus", class: "quiet icon", "aria-label": "Zoom in", title: "Zoom in" }),
    button("", () => points.zoom(1 / 1.5), { icon: "minus", class: "quiet icon", "aria-label": "Zoom out", title: "Zoom out" }),
    button("", () => points.fit(), { icon: "home", class: "quiet icon", "aria-label": "Show all", title: "Show all" }));
  const question = h("input", { id: "question", type: "search", autocomplete: "off", placeholder: facts.encodes ? "Find on the map" : facts.text ? "Words to find" : "Id of an item", "aria-label": "Find on the map" });
  const finder = h("form", { class: "finder", role: "search", on: { submit: (event) => { event.preventDefault(); find(question.value.trim()); } } }, question, h("button", { type: "submit", class: "icon", "aria-label": "Find" }, glyph("search")));

  function setMode(mode) {
    points.mode = mode;
    points.over.style.cursor = mode === "lasso" ? "crosshair" : "grab";
    modes.forEach((one, at) => one.setAttribute("aria-pressed", String(mode === ["pan", "lasso"][at])));
  }

  frame.append(tip);
  fill(
    main,
    h("div", { class: "atlas" },
      h("h1", { class: "hidden" }, `Map of ${collection}`),
      h("div", { class: "stage" }, frame, tools, finder, h("p", { class: "hidden", id: "map-keys" }, "Everything on the map is also found by searching.")),
      h("aside", { class: "panel stack", "aria-label": "About the map" },
        drawn.stale ? h("div", { class: "notice fair" }, "The collection has changed since this map was drawn. ", button("Draw it again", again, { class: "link" })) : null,
        h("div", { class: "fields two" }, field("Colour", by), field("Items", select(sizes.map((size) => [size, size === facts.items ? `All ${count(size)}` : count(size)]), sample, (size) => { location.hash = address("map", { c: collection, n: size, color: by.value }); }))),
        legend, panel)),
  );
  const x = decoded(drawn.x, Float32Array);
  const y = decoded(drawn.y, Float32Array);
  points.setPoints(x, y);
  points.resize();
  setMode("pan");
  color(by.value);
  const before = kept(collection)?.map((id) => rowOf.get(id)).filter((row) => row !== undefined);
  if (before?.length) choose(before);
  else describe();
  const repaint = () => recolor();
  addEventListener("themechange", repaint);
  signal.addEventListener("abort", () => removeEventListener("themechange", repaint));
  if (given.get("at")) at(JSON.parse(given.get("at")));
  if (given.get("q")) {
    question.value = given.get("q");
    find(given.get("q"));
  }

  async function again() {
    await post(beside("map", query), undefined, { signal });
    await show(main, context);
  }

  // -- colours ------------------------------------------------------------------------------------------------------

  async function color(name) {
    chosen = new Set();
    try {
      if (name === "") column = null;
      else if (name === TRUST) column = { kind: "number", low: 0, high: 1, of: Float32Array.from(trust, (value) => value / 255), name };
      else {
        const got = await get(beside("column", { ...query, attribute: name }), { signal });
        column = { ...got, name, of: decoded(got.data, got.kind === "number" ? Float32Array : Uint8Array) };
      }
      recolor();
      mask();
    } catch (error) {
      if (error.name !== "AbortError") fill(legend, problem(error, () => color(name)));
    }
  }

  function recolor() {
    let codes = new Uint8Array(ids.length);
    let colors = [one()];
    if (column?.kind === "number") {
      const span = column.high - column.low || 1;
      for (let row = 0; row < codes.length; row++) {
        const share = (column.of[row] - column.low) / span;
        codes[row] = Number.isNaN(share) ? STEPS : Math.round(Math.min(Math.max(share, 0), 1) * (STEPS - 1));
      }
      colors = ramp();
    } else if (column) {
      codes = column.of;
      colors = categories();
    }
    points.setColors(codes, colors, faint());
    drawLegend(colors);
  }

  function drawLegend(colors) {
    if (column === null) fill(legend);
    else if (column.kind === "number" && column.of.every(Number.isNaN)) fill(legend, h("p", { class: "tiny soft" }, `No item on the map has a value of ${column.name}.`));
    else if (column.kind === "number") {
      const scale = h("canvas", { width: STEPS, height: 1, class: "ramp", role: "img", "aria-label": `Colours from ${column.low} to ${column.high}` });
      const context = scale.getContext("2d");
      colors.slice(0, STEPS).forEach((shade, step) => {
        context.fillStyle = shade;
        context.fillRect(step, 0, 1, 1);
      });
      const end = (value) => (column.name === TRUST ? percent(value) : column.time ? new Date(value * 1000).toISOString().slice(0, 10) : number(value));
      fill(legend, scale, h("div", { class: "head tiny soft" }, h("span", {}, end(column.low)), h("span", {}, end(column.high))),
        column.name === TRUST ? h("p", { class: "tiny soft" }, "Share of an item's 15 nearest that are also nearest on the map. Where it is low, near on the map need not be near in the space.") : null);
    } else {
      const rows = column.values.map((value, code) => [code, value, column.counts[code]]);
      if (column.other) rows.push([OTHER, `${count(column.distinct - column.values.length)} others`, column.other]);
      if (column.missing) rows.push([MISSING, "missing", column.missing]);
      fill(legend, h("ul", { class: "plain keys", "aria-label": `Colours by ${column.name}` }, rows.map(([code, value, many]) =>
        h("li", {}, h("button", { type: "button", class: "quiet", "aria-pressed": String(chosen.has(code)), on: { click: () => keep(code) } },
          h("i", { vars: { colour: colors[code] } }), h("span", {}, String(value)), h("span", { class: "number soft" }, count(many)))))));
    }
  }

  function keep(code) {
    if (!chosen.delete(code)) chosen.add(code);
    if (chosen.size === Math.min(column.values.length, MOST) + Boolean(column.other) + Boolean(column.missing)) chosen.clear();
    recolor();
    mask();
    describe();
  }

  function mask() {
    const made = new Uint8Array(ids.length).fill(SHOWN);
    if (selected || found) {
      made.fill(DIM);
      const within = new Uint8Array(ids.length).fill(selected ? 0 : 1);
      for (const row of selected ?? []) within[row] = 1;
      for (const row of found ?? selected) if (within[row]) made[row] = SHOWN;
    }
    if (chosen.size && column?.kind === "category") {
      for (let row = 0; row < made.length; row++) if (!chosen.has(column.of[row])) made[row] = DIM;
    }
    points.setMask(made);
  }

  // -- one item -----------------------------------------------------------------------------------------------------

  function hover(row) {
    clearTimeout(hovering);
    if (row < 0) {
      tip.hidden = true;
      return;
    }
    tip.hidden = false;
    const label = column && column.kind === "category" ? (column.of[row] < OTHER ? column.values[column.of[row]] : null) : null;
    fill(tip, h("strong", {}, shortened(String(ids[row]), 80)), label === null || label === undefined ? null : h("span", {}, String(label)));
    moveTip();
    hovering = setTimeout(async () => {
      const [item] = await items(collection, [ids[row]], { signal }).catch(() => [null]);
      if (item && points.hovered === row) {
        const { title, body: text } = described(item);
        fill(tip, h("strong", {}, shortened(title, 90)), label === null || label === undefined ? null : h("span", {}, String(label)), text ? h("span", {}, shortened(text, 110)) : null);
        moveTip();
      }
    }, 140);
  }

  function moveTip() {
    if (tip.hidden || points.hovered < 0) return;
    const [px, py] = points.toScreen(points.x[points.hovered], points.y[points.hovered]);
    const left = px > frame.clientWidth / 2;
    tip.style.left = `${left ? Math.max(px - tip.offsetWidth - 14, 4) : Math.min(px + 14, frame.clientWidth - tip.offsetWidth - 4)}px`;
    tip.style.top = `${Math.min(Math.max(py - tip.offsetHeight / 2, 4), frame.clientHeight - tip.offsetHeight - 4)}px`;
  }

  async function pick(row) {
    if (row < 0) {
      describe();
      return;
    }
    fill(panel, loading("Loading the item", 1));
    try {
      const [item] = await items(collection, [ids[row]], { signal });
      fill(panel, h("div", { class: "card stack" }, item ? itemCard(item, collection) : state("Gone", "There is no item of this id any more."),
        h("div", { class: "head" }, h("p", { class: "tiny soft" }, `Of its 15 nearest, ${percent(trust[row] / 255)} are nearest on the map.`), button("Close", () => { points.picked = -1; points.paintOver(); describe(); }, { class: "quiet" }))));
    } catch (error) {
      if (error.name !== "AbortError") fill(panel, problem(error));
    }
  }

  function at(id) {
    const row = rowOf.get(id);
    if (row === undefined) {
      fill(panel, h("div", { class: "notice" }, `${id} is not among the ${plural(ids.length, "item")} of this map.`));
      return;
    }
    points.middle = [x[row], y[row]];
    points.scale = 6 * points.whole();
    points.draw();
    points.pick(row);
  }

  // -- many items ---------------------------------------------------------------------------------------------------

  function lasso(rows) {
    const byCode = chosen.size && column?.kind === "category";
    choose(rows.filter((row) => points.mask[row] !== HIDDEN && (!byCode || chosen.has(column.of[row]))));
  }

  function choose(rows) {
    selected = rows && rows.length ? rows : null;
    remembered(collection, selected && selected.map((row) => ids[row]));
    if (rows && !rows.length) announce("Nothing inside");
    if (!selected && !found) points.marks = [];
    points.picked = -1;
    mask();
    describe();
  }

  async function find(text) {
    if (!text) {
      found = null;
      points.marks = [];
      remember("map", { c: collection, n: sample, color: by.value });
      mask();
      describe();
      return;
    }
    points.hover(-1);
    fill(panel, loading("Searching", 1));
    try {
      const typed = facts.id_type === "int" && /^-?\d+$/.test(text) ? Number(text) : text;
      const inSelection = selected && kept(collection);
      const mode = facts.encodes ? "meaning" : facts.text ? "words" : "id";
      const asked = body({ q: text, by: mode, like: [], unlike: [], where: "", inside: inSelection, group: "", k: inSelection ? 20 : 50 }, facts, mode === "meaning" && facts.judge && !inSelection ? 0.05 : "");
      if (mode === "id") asked.like = [typed];
      const answer = await post(of(collection, "search"), asked, { signal });
      const rows = answer.hits.map((hit) => rowOf.get(hit.id));
      found = rows.filter((row) => row !== undefined);
      points.marks = found.slice(0, 10).map((row) => ({ row, label: String(rows.indexOf(row) + 1) }));
      remember("map", { c: collection, n: sample, color: by.value, q: text });
      mask();
      const missing = answer.hits.length - found.length;
      fill(panel,
        h("div", { class: "head" }, h("h2", { class: "small" }, `${answer.hits.length ? plural(answer.hits.length, "hit") : "Nothing relevant"}${inSelection ? " inside the lasso" : ""}`), button("Clear", () => { question.value = ""; find(""); }, { class: "quiet" })),
        missing ? h("p", { class: "tiny soft" }, `${missing} of them ${missing === 1 ? "is" : "are"} not in this sample.`) : null,
        list(answer.hits));
    } catch (error) {
      if (error.name !== "AbortError") fill(panel, problem(error));
    }
  }

  function list(some) {
    return h("ol", { class: "rows plain" }, some.slice(0, 50).map((item, rank) =>
      h("li", {}, h("button", { type: "button", class: "quiet row", on: { click: () => at(item.id) } },
        h("span", { class: "soft number tiny" }, String(rank + 1)),
        h("span", { class: "breaks" }, shortened(described(item).title, 90)),
        item.relevance === undefined || item.relevance === null ? null : h("span", { class: "number soft tiny" }, percent(item.relevance))))));
  }

  /** What the panel says when no single item is open: the selection, or how good the map is. */
  async function describe() {
    if (selected) {
      const rows = selected;
      const some = rows.slice(0, IN_LIST);
      const listed = h("div", {}, loading("Loading items", 1));
      const among = rows.slice(0, LIKE_MOST).map((row) => ids[row]);
      fill(panel,
        h("div", { class: "head" }, h("h2", { class: "small" }, `${plural(rows.length, "item")} inside`), button("Clear", () => choose(null), { class: "quiet" })),
        breakdown(rows),
        h("div", { class: "chips" },
          h("a", { class: "button", href: address("search", { c: collection, in: "lasso", focus: 1 }) }, "Search inside"),
          h("a", { class: "button", href: address("search", { c: collection, like: JSON.stringify(among) }) }, "More like these"),
          button("Look closer", () => points.fit(rows))),
        h("p", { class: "tiny soft" }, "What you find on the map now is found inside the lasso alone. “Search inside” does so with everything the search has: words, conditions, relevance, a cut."),
        listed);
      try {
        const got = (await items(collection, some.map((row) => ids[row]), { signal })).filter(Boolean);
        if (selected === rows) fill(listed, list(got), rows.length > some.length ? h("p", { class: "tiny soft" }, `and ${count(rows.length - some.length)} more`) : null);
      } catch (error) {
        if (error.name !== "AbortError") fill(listed, problem(error));
      }
      return;
    }
    const filter = chosen.size && column?.kind === "category" && typeof column.values[0] === "string" && schema[column.name] === "string" ? [...chosen].filter((code) => code < OTHER).map((code) => column.values[code]) : [];
    fill(panel,
      filter.length ? h("a", { class: "button", href: address("search", { c: collection, where: `"${column.name.replaceAll('"', '""')}" in (${filter.map((value) => `'${value.replaceAll("'", "''")}'`).join(", ")})`, focus: 1 }) }, `Search where ${column.name} is ${filter.length === 1 ? shortened(filter[0], 24) : "one of these"}`) : null,
      h("p", { class: "small soft" }, `${ids.length === facts.items ? `All ${plural(ids.length, "item")}` : `${count(ids.length)} of ${plural(facts.items, "item")}`}. Of each one's 15 nearest, ${percent(drawn.kept)} are also nearest on the map; distances between groups mean little.`),
      h("p", { class: "small soft" }, "Drag to move, scroll or pinch to zoom, click an item to open it. Draw a lasso (or drag with Shift) to take items together."));
  }

  /** How the selection differs from the whole, by what the map is coloured by. */
  function breakdown(rows) {
    if (column?.kind !== "category") return null;
    const tally = new Uint32Array(256);
    for (const row of rows) tally[column.of[row]] += 1;
    const top = [...tally.entries()].filter(([, many]) => many).sort((a, b) => b[1] - a[1]).slice(0, 5);
    const named = (code) => (code === OTHER ? "others" : code === MISSING ? "missing" : String(column.values[code]));
    const colors = categories();
    return h("ul", { class: "plain bars", "aria-label": `Inside, by ${column.name}` }, top.map(([code, many]) =>
      h("li", {}, h("span", { class: "breaks" }, named(code)), h("span", { class: "meter" }, h("i", { vars: { share: many / rows.length, colour: colors[code] } })), h("span", { class: "number soft" }, percent(many / rows.length)))));
  }
}
