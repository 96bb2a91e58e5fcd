// The plan: how the collection is searched, what else was measured, and whether the promise is kept.

import { beside, get, of } from "./api.js";
import { token } from "./colors.js";
import { field, fill, h, loading, problem, select } from "./dom.js";
import { bytes, count, number, percent, plural } from "./format.js";
import { follow } from "./jobs.js";
import { facts as fetchFacts } from "./main.js";
import { plot } from "./plots.js";

const REFRESH = 5000;

export async function show(main, context) {
  const { collection, signal, server } = context;
  fill(main, loading("Loading the plan"));
  const [plan, stats] = await Promise.all([get(beside("plan", { collection }), { signal }), get(of(collection, "stats"), { signal })]);
  const again = async () => {
    await fetchFacts(collection, true);
    await show(main, context);
  };
  const live = h("div", {});
  fill(
    main,
    h("div", { class: "stack wide" },
      h("header", {}, h("h1", {}, `Plan of ${collection}`), h("p", { class: "soft small" }, plan.plan ? "How the collection is searched, chosen by measurement." : "No plan yet: the collection is searched as its size suggests.")),
      plan.plan ? measured(plan, signal) : null,
      h("section", { class: "stack" }, h("h2", {}, "Live recall"), live),
      server.read_only || server.right !== "admin" ? null : optimize(collection, plan.plan, again, signal)),
  );
  fill(live, recall(stats.recall));
  for (;;) {
    await pauseVisible(signal);
    const fresh = await get(of(collection, "stats"), { signal });
    fill(live, recall(fresh.recall));
  }
}

const pauseVisible = (signal) =>
  new Promise((resolve, reject) => {
    const wait = () => setTimeout(() => (signal.aborted ? reject(new DOMException("left", "AbortError")) : document.hidden ? wait() : resolve()), REFRESH);
    wait();
  });

function measured({ plan, labels, misses }, signal) {
  const chosen = JSON.stringify(plan.recipe);
  const timed = plan.trials.map((trial, at) => ({ ...trial, label: labels[at], misses: misses[at], chosen: JSON.stringify(trial.recipe) === chosen })).sort((a, b) => Number(b.chosen) - Number(a.chosen));
  const finalists = timed.filter((trial) => trial.queries_per_second !== null);
  const best = timed.find((trial) => trial.chosen);
  const place = h("div", { class: "plot", role: "img", "aria-label": "Recall and speed of what was measured; the same is in the table below" });
  if (finalists.length > 1) {
    plot(place, () => pareto(plan, finalists), signal).catch((error) => fill(place, problem(error)));
  }
  return h(
    "section",
    { class: "stack" },
    h("div", { class: plan.met ? "notice good" : "notice poor" }, h("strong", {}, plan.met ? "The target is met. " : "The target is not met. "), plan.message),
    best ? h("div", { class: "figures" },
      figure("Recall", best.recall_low === 1 ? "exact" : percent(best.recall, 1), best.recall_low === 1 ? `asked for ${percent(plan.recall)}` : `${percent(best.recall_low, 1)} to ${percent(best.recall_high, 1)}; asked for ${percent(plan.recall)}`),
      figure("Queries a second", best.queries_per_second === null ? "–" : count(Math.round(best.queries_per_second)), "one thread, in batches"),
      figure("95 of 100 within", best.latency === null ? "–" : `${number(best.latency, 3)} ms`, plan.latency === null ? "no limit was set" : `asked for ${number(plan.latency)} ms`),
      figure("Memory", bytes(best.memory), plan.memory === null ? "no limit was set" : `asked for ${bytes(plan.memory)}`)) : null,
    finalists.length > 1 ? h("div", { class: "card stack" }, h("h3", {}, "Recall and speed"), h("p", { class: "small soft" }, "Each point is a recipe, measured on the whole; larger ones take more memory. Filled is the one in use; the line joins those that no other beats in recall and speed."), place) : null,
    h("details", { class: "card" }, h("summary", {}, `All that was measured (${timed.length})`),
      h("div", { class: "table" }, h("table", {},
        h("thead", {}, h("tr", {}, ["Recipe", `Recall@${plan.k}`, "Queries/s", "p95", "Memory", "Misses"].map((name, at) => h("th", { scope: "col", class: at && at < 5 ? "number" : undefined }, name)))),
        h("tbody", {}, timed.map((trial) => h("tr", { class: trial.chosen ? "chosen" : undefined },
          h("td", {}, trial.label, trial.chosen ? h("span", { class: "tiny soft" }, " · in use") : null),
          h("td", { class: "number" }, number(trial.recall)),
          h("td", { class: "number" }, trial.queries_per_second === null ? "–" : count(Math.round(trial.queries_per_second))),
          h("td", { class: "number" }, trial.latency === null ? "–" : `${number(trial.latency, 3)} ms`),
          h("td", { class: "number" }, bytes(trial.memory)),
          h("td", {}, trial.misses.join(", "))))))),
      h("p", { class: "small soft" }, `${plural(plan.measured_rows, "row")} and ${plural(plan.queries, "query", "queries")} (${plan.queries_from}).`)),
  );
}

const figure = (name, value, more) => h("div", { class: "card figure" }, h("p", { class: "tiny soft" }, name), h("p", { class: "value number" }, value), h("p", { class: "tiny soft" }, more));

function pareto(plan, trials) {
  const most = Math.max(...trials.map((trial) => trial.memory));
  const size = (trial) => 10 + 22 * Math.sqrt(trial.memory / most);
  const front = [];
  let fastest = 0;
  for (const trial of [...trials].sort((a, b) => b.recall - a.recall || b.queries_per_second - a.queries_per_second)) {
    if (trial.queries_per_second <= fastest) continue;
    fastest = trial.queries_per_second;
    front.push(trial);
  }
  const text = (trial) => `${trial.label}<br>recall ${number(trial.recall)} · ${count(Math.round(trial.queries_per_second))}/s · ${bytes(trial.memory)}`;
  const marks = (some, color) => ({
    type: "scatter", mode: "markers", x: some.map((trial) => trial.recall), y: some.map((trial) => trial.queries_per_second), text: some.map(text), hoverinfo: "text",
    marker: { size: some.map(size), color, line: { width: 2, color: token("accent") }, opacity: 0.9 },
  });
  const low = Math.min(plan.recall, ...trials.map((trial) => trial.recall));
  const high = Math.max(plan.recall, ...trials.map((trial) => trial.recall));
  const span = Math.max(high - low, 0.01);
  return {
    traces: [
      { type: "scatter", mode: "lines", x: front.map((trial) => trial.recall), y: front.map((trial) => trial.queries_per_second), hoverinfo: "skip", line: { color: token("strong"), width: 2, dash: "dot" } },
      marks(trials.filter((trial) => !trial.chosen), token("card")),
      marks(trials.filter((trial) => trial.chosen), token("accent")),
    ],
    layout: {
      height: 360,
      xaxis: { title: { text: `recall@${plan.k}`, font: { size: 13 } }, range: [low - 0.12 * span, high + 0.12 * span], tickformat: span < 0.05 ? ".3f" : ".2f", nticks: 8 },
      yaxis: { title: { text: "queries a second", standoff: 14, font: { size: 13 } }, rangemode: "tozero" },
      shapes: [{ type: "line", x0: plan.recall, x1: plan.recall, yref: "paper", y0: 0, y1: 1, line: { color: token("first"), width: 1.5, dash: "dash" } }],
      annotations: [{ x: plan.recall, yref: "paper", y: 1, text: "target", showarrow: false, xanchor: "right", yanchor: "top", xshift: -4, font: { size: 12, color: token("first") } }],
    },
  };
}

/** Recall of what was really asked: an interval for each class of queries, beside the target. */
export function recall(said) {
  if (!said || !said.share_of_time) return h("div", { class: "card" }, h("p", { class: "small soft" }, "Live recall is off: a folder of collections is served without it. Serve this one by itself, and a sample of what is asked is repeated exactly to measure it."));
  if (!said.classes.length) return h("div", { class: "card" }, h("p", {}, "Nothing to tell yet. A small sample of what is asked is repeated exactly; after the first 64 queries the recall shows here."), h("p", { class: "small soft" }, `${plural(said.asked, "query", "queries")} so far.`));
  const low = Math.min(said.target ?? 1, ...said.classes.map((one) => one.low));
  const from = Math.max(0, Math.floor(20 * (low - 0.02)) / 20);
  const at = (value) => (value - from) / (1 - from);
  return h(
    "div",
    { class: "card stack" },
    said.alarm ? h("div", { class: "notice poor", role: "alert" }, said.alarm) : null,
    h("ul", { class: "plain intervals" }, said.classes.map((one) =>
      h("li", {}, h("span", { class: "small" }, `Queries ${one.queries}`),
        h("span", { class: "interval", role: "img", "aria-label": `recall ${number(one.recall)}, between ${number(one.low)} and ${number(one.high)}` },
          said.target === null ? null : h("u", { vars: { at: at(said.target) } }),
          h("i", { class: one.alarm ? "poor" : undefined, vars: { low: at(one.low), high: at(one.high) } }), h("b", { vars: { at: at(one.recall) } })),
        h("span", { class: "number small" }, h("strong", {}, percent(one.recall, 1)), h("span", { class: "soft" }, ` of ${count(one.sampled)}`))))),
    h("p", { class: "tiny soft" }, `The scale begins at ${percent(from)}. ${said.target === null ? "" : `The line is the target, ${percent(said.target)}. `}${count(said.asked)} queries asked here; ${percent(said.share_of_time)} of one core repeats a sample of them.`),
    said.drift.length || said.advice ? h("p", { class: "small soft" }, "Since the plan was made:") : null,
    said.drift.length || said.advice ? h("ul", { class: "points small" }, [...said.drift, said.advice].filter(Boolean).map((line) => h("li", {}, line))) : null,
  );
}

function optimize(collection, plan, again, signal) {
  const target = h("input", { type: "number", min: 0.5, max: 1, step: 0.01, value: plan?.recall ?? 0.95, required: true });
  const memory = h("input", { type: "text", placeholder: "no limit, or 200MB", value: plan?.memory ? bytes(plan.memory).replace(" ", "") : "" });
  const latency = h("input", { type: "number", min: 0, step: "any", placeholder: "no limit", value: plan?.latency ?? "" });
  const from = select([["", "Held-out items"], ["observed", "What was really asked"]], plan?.queries_from === "observed" ? "observed" : "");
  const place = h("div", {});
  const submit = h("button", { type: "submit", class: "main" }, "Measure and apply");
  const form = h("form", { class: "fields", on: {
    submit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        const asked = { recall: Number(target.value) };
        if (memory.value.trim()) asked.memory = memory.value.trim();
        if (latency.value) asked.latency = Number(latency.value);
        if (from.value) asked.queries = from.value;
        await follow(place, collection, "optimize", asked, "Measuring recipes", signal);
        await again();
      } catch (error) {
        if (error.name !== "AbortError") fill(place, problem(error));
      } finally {
        submit.disabled = false;
      }
    },
  } }, field("Recall", target), field("Memory at most", memory), field("95 of 100 within (ms)", latency), field("Measured on", from), submit);
  return h("section", { class: "stack" }, h("h2", {}, plan ? "Plan again" : "Make a plan"), h("div", { class: "card stack" }, h("p", { class: "small soft" }, "Builds and times candidate indexes, keeps the fastest that reaches the recall within the budget, and rebuilds the collection by it. Searches go on meanwhile."), form), place);
}
