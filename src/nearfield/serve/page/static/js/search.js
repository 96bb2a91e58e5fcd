// Searching: by meaning and by words, with filters, calibrated relevance, a cut line, and "why not this one".

import { of, post } from "./api.js";
import { announce, button, field, fill, glyph, h, loading, problem, segments, select, state } from "./dom.js";
import { filterPanel } from "./filters.js";
import { described, number, percent, plural, shortened } from "./format.js";
import { inspect, items, tags } from "./item.js";
import { keep, kept } from "./lasso.js";
import { address, facts as fetchFacts, remember } from "./main.js";

const CUTS = [["", "Off"], ["0.01", "Strict · 1% false"], ["0.05", "Balanced · 5% false"], ["0.2", "Loose · 20% false"]];
const SIZES = ["10", "20", "50", "100"];

const idsOf = (text) => {
  try {
    const ids = JSON.parse(text ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string" || Number.isInteger(id)) : [];
  } catch {
    return [];
  }
};

/** What is asked, as the address says it. */
function asked(given, facts, collection) {
  const can = { meaning: facts.encodes, words: facts.text };
  const fallback = can.meaning ? "meaning" : can.words ? "words" : "id";
  const by = given.get("by");
  return {
    q: given.get("q") ?? "",
    by: by === "id" || (by === "meaning" && can.meaning) || (by === "words" && can.words) || (by === "both" && can.meaning && can.words) ? by : fallback,
    where: given.get("where") ?? "",
    inside: given.get("in") === "lasso" ? kept(collection) : null,
    like: idsOf(given.get("like")),
    unlike: idsOf(given.get("unlike")),
    cut: given.get("cut") ?? (facts.judge ? "0.05" : ""),
    k: SIZES.includes(given.get("k")) ? given.get("k") : "10",
    group: given.get("group") ?? "",
    can,
  };
}

const given = (collection, ask) => ({
  c: collection,
  q: ask.q,
  by: ask.by === "meaning" ? "" : ask.by,
  where: ask.where,
  in: ask.inside ? "lasso" : "",
  like: ask.like.length ? JSON.stringify(ask.like) : "",
  unlike: ask.unlike.length ? JSON.stringify(ask.unlike) : "",
  cut: ask.cut,
  k: ask.k === "10" ? "" : ask.k,
  group: ask.group,
});

const anything = (ask) => Boolean(ask.q.trim() || ask.like.length);

/** An id as it was typed: a whole number where the collection's ids are numbers. */
const typedId = (text, facts) => (facts.id_type === "int" && /^-?\d+$/.test(text) ? Number(text) : text);

/** The condition of a search: on attributes, and where a lasso was drawn, only the items inside. */
const condition = (ask) => (ask.inside ? { where: ask.where || undefined, ids: ask.inside } : ask.where || undefined);

/** The body of a search; `cut` is left out of the one that shows what lies beyond the line. */
export function body(ask, facts, cut) {
  const made = { k: Number(ask.k), payload: true, cursor: true };
  if (Object.keys(facts.attributes ?? {}).length) made.attributes = true;
  const q = ask.q.trim();
  if (q && (ask.by === "meaning" || ask.by === "both")) made.text_query = q;
  if (q && (ask.by === "words" || ask.by === "both")) made.text = q;
  const like = [...ask.like, ...(q && ask.by === "id" ? [typedId(q, facts)] : [])];
  if (like.length) made.like = like;
  if (ask.unlike.length) made.unlike = ask.unlike;
  if (ask.where || ask.inside) made.where = condition(ask);
  if (ask.group) made.group_by = ask.group;
  if (cut) made.max_false = Number(cut);
  return made;
}

/** Whether the judge has a say: it knows nothing of "unlike", and of words only what was fitted for them. */
const judgeable = (ask, facts) => Boolean(facts.judge) && !ask.unlike.length && (ask.by === "meaning" || ask.by === "id");

export async function show(main, context) {
  const { collection, facts, server, signal } = context;
  let ask = asked(context.given, facts, collection);
  const lost = context.given.get("in") === "lasso" && !ask.inside;
  const schema = facts.attributes ?? {};
  const results = h("section", { "aria-label": "Results", id: "results" });
  const chips = h("div", { class: "chips" });
  const box = h("input", { id: "question", type: "search", autocomplete: "off", spellcheck: false, enterkeyhint: "search", value: ask.q });
  let running = new AbortController();

  const update = (change, go = true) => {
    ask = { ...ask, ...change };
    drawChips();
    placeholder();
    filterButton.lastChild.textContent = ask.where ? "Filter · on" : "Filter";
    filterButton.classList.toggle("on", Boolean(ask.where));
    remember("search", given(collection, ask));
    if (go) run();
  };

  const placeholder = () => {
    box.placeholder = { meaning: "Ask in your own words", words: "Words to find", both: "Ask in your own words", id: "The id of an item, to find others like it" }[ask.by];
  };

  function drawChips() {
    const chip = (kind, id) =>
      h("span", { class: kind === "like" ? "chip" : "chip away" }, h("span", { title: String(id) }, `${kind === "like" ? "like" : "not like"} ${id}`),
        button("", () => update({ [kind]: ask[kind].filter((one) => one !== id) }), { icon: "close", "aria-label": `Remove ${kind} ${id}` }));
    const inside = ask.inside && h("span", { class: "chip" }, h("span", {}, `inside the lasso: ${plural(ask.inside.length, "item")}`),
      button("", () => {
        keep(collection, null);
        update({ inside: null });
      }, { icon: "close", "aria-label": "Search everything, not the lasso alone" }));
    fill(chips, inside, ask.like.map((id) => chip("like", id)), ask.unlike.map((id) => chip("unlike", id)));
    chips.hidden = !chips.children.length;
  }

  const noMeaning = server.encoder ? "The server's encoder did not make these vectors" : "The server runs without an encoder: start it with --encoder";
  const modes = [
    ["meaning", "Meaning", !ask.can.meaning && noMeaning],
    ["words", "Words", !ask.can.words && "This collection has no texts"],
    ["both", "Both", !(ask.can.meaning && ask.can.words) && "Needs an encoder and texts"],
    ["id", "Id"],
  ];
  const filters = Object.keys(schema).length ? filterPanel(collection, schema, ask.where, (where) => update({ where }, true)) : null;
  const filterBox = filters && h("div", { class: "card", id: "filters", hidden: !ask.where }, filters.panel);
  const filterButton = button(ask.where ? "Filter · on" : "Filter", () => {
    filterBox.hidden = !filterBox.hidden;
    filterButton.setAttribute("aria-expanded", String(!filterBox.hidden));
    if (!filterBox.hidden) filters.add();
  }, { icon: "filter", "aria-expanded": String(Boolean(ask.where)), "aria-controls": "filters" });
  filterButton.hidden = !filters;
  const groups = Object.entries(schema).filter(([, type]) => ["bool", "int", "string", "timestamp"].includes(type)).map(([name]) => [name, name]);
  const form = h(
    "form",
    { role: "search", class: "ask", on: { submit: (event) => { event.preventDefault(); update({ q: box.value }); } } },
    h("div", { class: "box" }, glyph("search"), h("label", { class: "hidden", for: "question" }, "Question"), box, h("kbd", { "aria-hidden": "true" }, "/"), h("button", { class: "main", type: "submit" }, "Search")),
    h("div", { class: "fields" },
      segments("by", "Search by", modes, ask.by, (by) => update({ by, q: box.value }, Boolean(box.value.trim() || ask.like.length))),
      filterButton,
      facts.judge ? field("Cut", select(CUTS, ask.cut, (cut) => update({ cut }, anything(ask)))) : null,
      field("Results", select(SIZES, ask.k, (k) => update({ k }, anything(ask)))),
      groups.length ? field("Best of each", select([["", "–"], ...groups], ask.group, (group) => update({ group }, anything(ask)))) : null),
    filterBox,
    chips,
  );

  const notice = lost && h("div", { class: "notice fair" }, "This address was inside a lasso, which an address does not hold: everything is searched. ", h("a", { href: address("map", { c: collection }) }, "Draw it again on the map"));
  fill(main, h("div", { class: "stack" }, h("h1", { class: "hidden" }, `Search ${collection}`), notice, form, results));
  drawChips();
  placeholder();
  results.addEventListener("keydown", walk);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    const first = results.querySelector(".hit");
    if (!first) return;
    event.preventDefault();
    first.focus();
  });
  if (context.given.get("focus") || !matchMedia("(pointer: coarse)").matches) box.focus({ preventScroll: true });
  if (anything(ask)) await run();
  else welcome();

  async function welcome() {
    fill(results, state(facts.items ? `Search ${plural((ask.inside ?? { length: facts.items }).length, "item")}` : "An empty collection",
      facts.items
        ? ask.by === "id" ? `${noMeaning}. Look for items like one whose id you know, or search by words where there are texts.` : "Ask a question as you would ask a person. Press / to come back here from anywhere, and the arrow keys to walk through the results."
        : "Items that are added are found by the next search."));
    if (!facts.items) return;
    const tips = h("div", { class: "buttons" });
    results.firstChild.append(tips);
    try {
      const found = ask.inside ? await items(collection, ask.inside.slice(0, 3), { signal }) : (await post(of(collection, "iterate"), { batch_size: 3 }, { signal })).items;
      fill(tips, found.filter(Boolean).map((item) => button(shortened(`Like ${described(item).title}`, 44), () => update({ like: [item.id] }))));
    } catch {
      // Only a suggestion.
    }
  }

  async function run(more) {
    if (!anything(ask)) {
      welcome();
      return;
    }
    running.abort();
    running = new AbortController();
    signal.addEventListener("abort", () => running.abort(), { once: true });
    const mine = running.signal;
    const waits = setTimeout(() => fill(results, loading("Searching", 4)), more ? 5000 : 150);
    try {
      const cut = judgeable(ask, facts) ? ask.cut : "";
      const path = of(collection, "search");
      const [all, kept] = await Promise.all([
        post(path, body(ask, facts), { signal: mine }),
        cut ? post(path, body(ask, facts, cut), { signal: mine }) : null,
      ]);
      clearTimeout(waits);
      if (!mine.aborted) answer(all, kept, cut);
    } catch (error) {
      clearTimeout(waits);
      if (error.name === "AbortError") return;
      if (error.status === 400 || error.status === 422) error.title = "This cannot be asked";
      fill(results, problem(error, error.status === 400 || error.status === 422 ? null : () => run()));
    }
  }

  function answer(all, kept, cut) {
    const within = kept && new Set(kept.hits.map((hit) => hit.id));
    const list = h("ol", { class: "hits plain" });
    const state = { rank: 0, cutDrawn: false };
    const append = (hits, among) => {
      for (const hit of hits) {
        const below = among !== null && !among.has(hit.id);
        if (below && !state.cutDrawn) {
          list.append(cutLine(cut, state.rank));
          state.cutDrawn = true;
        }
        state.rank += 1;
        list.append(hitRow(hit, state.rank, below));
      }
    };
    append(all.hits, within);
    const shown = within === null ? all.hits.length : within.size;
    const heading = within !== null && !shown && all.hits.length
      ? h("div", { class: "notice fair" }, h("strong", {}, "Nothing here answers that."), " What is nearest is shown below the line; the judge would return none of it.")
      : null;
    fill(
      results,
      h("div", { class: "stack" },
        heading,
        h("div", { class: "head" },
          h("h2", { class: "small soft" }, within === null ? plural(shown, "result") : `${plural(shown, "relevant result")}${all.hits.length > shown ? `, ${all.hits.length - shown} below the cut` : ""}`),
          h("p", { class: "tiny soft" }, all.status === "ok" ? null : all.status)),
        all.hits.length ? list : h("div", { class: "state" }, h("h2", {}, "No item fits"), h("p", {}, all.status === "ok" ? "Nothing was found." : `${all.status}.`)),
        next(all, cut, append),
        facts.judge || ask.by === "words" ? null : teach(),
        explainable() ? whyNot(cut) : null),
    );
    const first = list.querySelector(".hit");
    if (first) first.tabIndex = 0;
    announce(within === null ? plural(shown, "result") : plural(shown, "relevant result"));
  }

  function next(all, cut, append) {
    if (!all.cursor || ask.like.length || ask.unlike.length) return null;
    const place = h("div", { class: "buttons" });
    let cursor = all.cursor;
    const more = button("Show more", async () => {
      more.disabled = true;
      try {
        const path = of(collection, "search");
        const [page, kept] = await Promise.all([
          post(path, { ...body(ask, facts), after: cursor }, { signal }),
          cut ? post(path, { ...body(ask, facts, cut), after: cursor }, { signal }) : null,
        ]);
        append(page.hits, kept && new Set(kept.hits.map((hit) => hit.id)));
        cursor = page.cursor;
        more.disabled = false;
        if (!cursor) place.remove();
        announce(`${page.hits.length} more`);
      } catch (error) {
        if (error.name !== "AbortError") fill(place, problem(error));
      }
    });
    place.append(more);
    return place;
  }

  function cutLine(cut, kept) {
    return h("li", { class: "cut", role: "note" }, h("span", {}, kept ? "Cut: what follows would be left out" : "Cut: all of it would be left out"), h("span", { class: "tiny" }, `at ${percent(Number(cut))} false answers`));
  }

  function hitRow(hit, rank, below) {
    const { title, body: text, named } = described(hit);
    const relevance = hit.relevance;
    const name = `${rank}. ${title}${relevance === null || relevance === undefined ? "" : `, relevance ${percent(relevance)}`}${below ? ", below the cut" : ""}`;
    return h(
      "li",
      { class: below ? "hit card below" : "hit card", tabindex: -1, "aria-label": name, data: { id: JSON.stringify(hit.id) }, on: { dblclick: () => inspect(collection, hit.id) } },
      h("div", { class: "hit-main" },
        h("h3", { class: "breaks" }, h("button", { type: "button", class: "link title", tabindex: -1, on: { click: () => inspect(collection, hit.id) } }, shortened(title, 160))),
        named ? h("p", { class: "mono tiny soft breaks" }, String(hit.id)) : null,
        text ? h("p", { class: "small soft breaks lines" }, shortened(text, 420)) : null,
        h("div", { class: "hit-foot" }, tags(hit.attributes, 6),
          h("div", { class: "hit-acts" },
            button("Similar", () => steer("like", hit.id), { class: "quiet", "aria-label": `More like ${title}` }),
            departs() ? button("Unlike", () => steer("unlike", hit.id), { class: "quiet", "aria-label": `Less like ${title}` }) : null,
            h("a", { class: "button quiet-link", href: address("map", { c: collection, at: JSON.stringify(hit.id) }) }, "On the map")))),
      meter(hit),
    );
  }

  /** More or less like an item. Items are compared by meaning: a search by words becomes one by meaning, or by items alone. */
  function steer(kind, id) {
    const change = { [kind]: [...new Set([...ask[kind], id])] };
    if (ask.by === "meaning" || ask.by === "id") update(change);
    else location.hash = address("search", given(collection, { ...ask, ...change, ...(ask.can.meaning ? { by: "meaning" } : { by: "id", q: "" }) }));
  }

  /** Whether there is something to move away from an item with. */
  function departs() {
    return ask.by !== "words" || ask.can.meaning;
  }

  function meter(hit) {
    if (hit.relevance === null || hit.relevance === undefined) return h("div", { class: "score" }, h("span", { class: "number" }, number(hit.distance, 3)), h("span", { class: "tiny soft" }, "distance"));
    return h("div", { class: "score" },
      h("span", { class: "number" }, percent(hit.relevance)),
      h("span", { class: "meter", "aria-hidden": "true" }, h("i", { vars: { share: hit.relevance } })),
      h("span", { class: "tiny soft" }, `distance ${number(hit.distance, 3)}`));
  }

  function teach() {
    const place = h("div", { class: "notice" });
    const learn = button("Learn it now", async () => {
      learn.disabled = true;
      try {
        await post(of(collection, "fit_judge"), {}, { signal });
        context.facts = await fetchFacts(collection, true);
        await show(main, { ...context, given: new URLSearchParams(location.hash.split("?")[1]) });
      } catch (error) {
        fill(place, problem(error));
      }
    });
    fill(place, h("div", { class: "head" }, h("p", {}, "These are distances. Once the collection has learnt what relevant means here, results show a probability instead, and answers end where nothing is relevant any more."), server.read_only || server.right !== "admin" ? null : learn));
    return place;
  }

  /** Reasons are known for one vector: that of a question, or of one item. */
  function explainable() {
    if (ask.unlike.length) return false;
    if (ask.by === "id" || !ask.q.trim()) return body(ask, facts).like.length === 1;
    return ask.by !== "words" && !ask.like.length;
  }

  function whyNot(cut) {
    const said = h("div", { "aria-live": "polite" });
    const id = h("input", { id: "why-id", type: "text", spellcheck: false, autocomplete: "off", placeholder: "id of the item you expected" });
    const form = h("form", { class: "fields", on: {
      submit: async (event) => {
        event.preventDefault();
        const wanted = typedId(id.value.trim(), facts);
        if (wanted === "") return;
        fill(said, loading("Looking for the reason", 1));
        try {
          const question = ask.q.trim() && ask.by !== "id" ? { text_query: ask.q.trim() } : { query: await likened() };
          const asked = { ...question, id: wanted, k: Number(ask.k), where: condition(ask), max_false: cut ? Number(cut) : undefined };
          fill(said, reason(await post(of(collection, "explain"), asked, { signal }), wanted));
        } catch (error) {
          if (error.name !== "AbortError") fill(said, problem(error));
        }
      },
    } }, field("Why not this one?", id), h("button", { type: "submit" }, "Explain"));
    return h("div", { class: "card stack why" }, h("p", { class: "small soft" }, "Is something missing? Name it, and the collection says why it was not returned: filtered out, cut, farther away, or missed by the index."), form, said);
  }

  /** The vector of the item that is looked for alike. */
  async function likened() {
    const [id] = body(ask, facts).like;
    const [item] = await items(collection, [id], { signal });
    if (!item) throw new Error(`There is no item ${id}.`);
    return item.vector;
  }

  function reason(why, id) {
    const told = Object.entries(why).filter(([name, value]) => !["reason", "id", "verdict"].includes(name) && value !== null && typeof value !== "object");
    return h("div", { class: "notice stack" },
      h("p", {}, h("strong", {}, why.reason)),
      told.length ? h("dl", { class: "facts" }, told.map(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", { class: "number" }, name === "relevance" ? percent(value) : typeof value === "number" ? number(value) : String(value))])) : null,
      why.verdict === "absent" ? null : h("div", {}, button("Look at it", () => inspect(collection, id))));
  }

  /** Arrow keys walk through the results, Enter opens one, s and u ask for more and less like it. */
  function walk(event) {
    const hits = [...results.querySelectorAll(".hit")];
    const at = hits.indexOf(event.target.closest(".hit"));
    if (at < 0 || event.target.closest("input, a, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const onRow = event.target === hits[at];
    const id = JSON.parse(hits[at].dataset.id);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, Home: 0, End: hits.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      if (to < 0) {
        box.focus();
        return;
      }
      const next = hits[Math.min(to, hits.length - 1)];
      for (const hit of hits) hit.tabIndex = hit === next ? 0 : -1;
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    } else if (onRow && event.key === "Enter") {
      event.preventDefault(); // or the key would press the button that the dialog focuses
      inspect(collection, id);
    } else if (onRow && event.key === "s") steer("like", id);
    else if (onRow && event.key === "u" && departs()) steer("unlike", id);
  }

}
