// The survey: what kind of space this is, what that means for search, what to do about it.

import { ask, beside, get, pause, picture, post } from "./api.js";
import { dark } from "./colors.js";
import { button, fill, h, loading, problem, state } from "./dom.js";
import { count, number, percent, plural } from "./format.js";
import { facts as fetchFacts } from "./main.js";

const ORDER = ["poor", "fair", "good", "unknown"];
const HEADINGS = { poor: "Needs attention", fair: "Usual, worth knowing", good: "Healthy", unknown: "Not measurable here" };

export async function show(main, context) {
  const { collection, signal } = context;
  const query = { collection };
  fill(main, loading("Loading the survey"));
  let survey = await get(beside("survey", query), { signal });
  const begin = async () => {
    await post(beside("survey", query), undefined, { signal });
    await show(main, context);
  };
  const facts = await fetchFacts(collection);
  if (survey.state === "none" || survey.state === "stopped") {
    fill(main, facts.items < 20
      ? state("Too few to survey", "A survey needs some twenty items to say anything.")
      : state("No survey yet", `A survey measures the space on a sample of its ${plural(facts.items, "item")}: how hard search is, how far the vectors can be compressed, what similarities mean. It changes nothing, and takes from seconds to some minutes.`,
        h("div", { class: "buttons" }, button("Survey the space", begin, { class: "main" }))));
    return;
  }
  if (survey.state === "running") {
    const what = h("p", {});
    fill(main, state("Surveying the space", null, what, h("progress", { "aria-label": "Progress" })));
    while (survey.state === "running") {
      what.textContent = survey.stage;
      await pause(700, signal);
      survey = await get(beside("survey", query), { signal });
    }
    await show(main, context);
    return;
  }
  if (survey.state === "failed") {
    fill(main, problem({ title: "The survey failed", message: survey.message }, begin));
    return;
  }
  const measures = Object.values(survey.measures);
  const by = (verdict) => measures.filter((measure) => measure.verdict === verdict);
  const report = button("Save the report", async () => {
    report.disabled = true;
    try {
      const blob = await (await ask("GET", beside("survey/report", query), undefined, { signal })).blob();
      const link = h("a", { href: URL.createObjectURL(blob), download: `${collection} survey.html` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    } finally {
      report.disabled = false;
    }
  });
  const figures = [];
  fill(
    main,
    h("div", { class: "stack wide" },
      h("header", { class: "head" },
        h("div", {}, h("h1", {}, `Survey of ${collection}`),
          h("p", { class: "soft small" }, `${plural(survey.rows, "vector")} of ${count(survey.dim)} dimensions under ${survey.metric}; neighbours of ${count(survey.sample)} looked up. Ranges are 95% intervals.`)),
        h("div", { class: "chips" }, survey.figures.length ? report : null, button("Survey again", begin))),
      survey.stale ? h("div", { class: "notice fair" }, "The collection has changed since.") : null,
      h("div", { class: "columns" },
        h("section", { class: "card stack" }, h("h2", {}, "What to expect from search"), h("ul", { class: "points" }, survey.summary.map((line) => h("li", {}, line)))),
        h("section", { class: "card stack" }, h("h2", {}, "What to do"),
          survey.advice.length ? h("ul", { class: "points" }, survey.advice.map((line) => h("li", {}, line))) : h("p", {}, "Nothing needs to be done."))),
      ORDER.filter((verdict) => by(verdict).length).map((verdict) =>
        h("section", { class: "stack" }, h("h2", {}, HEADINGS[verdict], h("span", { class: "soft" }, ` · ${by(verdict).length}`)),
          h("div", { class: "cards" }, by(verdict).map((measure) => card(measure, survey.figures.includes(measure.name), figures)))))),
  );
  drawFigures(figures, query, signal);
}

function card(measure, drawn, figures) {
  const known = measure.value !== null;
  const shown = (value) => (measure.unit === "share" ? percent(value, 1) : number(value, 3));
  const figure = drawn ? h("img", { alt: `Plot of ${measure.title}`, width: 470, height: 270, loading: "lazy", data: { measure: measure.name } }) : null;
  if (figure) figures.push(figure);
  const parts = Object.entries(measure.parts);
  return h(
    "article",
    { class: "card stack", id: `measure-${measure.name}` },
    h("div", { class: "head" }, h("h3", {}, measure.title), h("span", { class: `verdict ${measure.verdict}` }, measure.verdict)),
    known ? h("p", { class: "value number" }, shown(measure.value), measure.unit && measure.unit !== "share" ? ` ${measure.unit}` : "", h("small", { class: "soft" }, ` ${shown(measure.low)} to ${shown(measure.high)}`)) : null,
    h("p", { class: "small" }, measure.meaning),
    figure,
    h("details", {}, h("summary", { class: "small soft" }, "How it was measured"),
      h("div", { class: "stack small soft" }, h("p", {}, measure.detail), measure.source ? h("p", {}, `Source: ${measure.source}.`) : null,
        parts.length ? h("dl", { class: "facts" }, parts.map(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", { class: "number" }, number(value))])) : null)),
  );
}

/** Fetches the pictures in the colours of the theme, as they come into sight, and anew when the theme changes. */
function drawFigures(figures, query, signal) {
  const urls = new Map();
  const draw = async (figure) => {
    try {
      const url = await picture(beside("survey/figure", { ...query, measure: figure.dataset.measure, theme: dark() ? "dark" : "light" }), { signal });
      if (urls.has(figure)) URL.revokeObjectURL(urls.get(figure));
      urls.set(figure, url);
      figure.src = url;
    } catch (error) {
      if (error.name !== "AbortError") figure.remove();
    }
  };
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || seen.has(target)) continue;
      seen.add(target);
      draw(target);
    }
  }, { rootMargin: "400px" });
  figures.forEach((figure) => watcher.observe(figure));
  const again = () => seen.forEach(draw);
  addEventListener("themechange", again);
  signal.addEventListener("abort", () => {
    watcher.disconnect();
    removeEventListener("themechange", again);
    urls.forEach((url) => URL.revokeObjectURL(url));
  });
}
