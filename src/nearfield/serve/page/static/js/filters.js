// Conditions on attributes, built by hand or written as text. What is built becomes the same SQL that can be written.

import { beside, get } from "./api.js";
import { button, fill, h, select } from "./dom.js";

const TESTS = {
  string: [["=", "is"], ["!=", "is not"], ["contains", "contains"], ["in", "is one of"], ["null", "is missing"]],
  int: [["=", "="], [">=", "at least"], ["<=", "at most"], ["null", "is missing"]],
  float: [[">=", "at least"], ["<=", "at most"], ["null", "is missing"]],
  bool: [["true", "is true"], ["false", "is false"], ["null", "is missing"]],
  timestamp: [[">=", "from"], ["<", "before"], ["null", "is missing"]],
  strings: [["has", "has"], ["null", "is missing"]],
  geo: [["within", "within"], ["null", "is missing"]],
};

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const column = (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** One built condition as SQL, or null while its value is missing. */
export function clause({ name, test, value, type, written }) {
  if (written) return `(${written})`;
  const left = column(name);
  const given = String(value ?? "").trim();
  if (test === "null") return `${left} is null`;
  if (test === "true" || test === "false") return `${left} = ${test}`;
  if (!given) return null;
  if (test === "contains" || test === "has") return `contains(${left}, ${quoted(given)})`;
  if (test === "in") return `${left} in (${given.split(",").map((one) => quoted(one.trim())).join(", ")})`;
  if (test === "within") return `within(${left}, ${given.split(/[\s,;]+/).join(", ")})`;
  return `${left} ${test} ${type === "int" || type === "float" ? given : quoted(given)}`;
}

/** The panel of filters. `changed(where)` is called when what it says has changed; `.where` is what it says now. */
export function filterPanel(collection, schema, where, changed) {
  const names = Object.keys(schema);
  const rows = h("div", { class: "stack filters" });
  const lines = [];
  let text = where;
  let written = Boolean(where);
  const area = h("textarea", { rows: 2, spellcheck: false, "aria-label": "Condition", placeholder: "year >= 2024 and topic in ('vision', 'nlp')", value: where });
  area.addEventListener("change", () => tell(area.value.trim()));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      tell(area.value.trim());
    }
  });

  function tell(next) {
    if (next === text) return;
    text = next;
    changed(text);
  }

  function built() {
    return lines.map(clause).filter(Boolean).join(" and ");
  }

  function line(one) {
    const type = schema[one.name];
    const place = h("div", { class: "filter" });
    const redraw = () => {
      fill(
        place,
        select(names, one.name, (name) => {
          Object.assign(one, { name, type: schema[name], test: TESTS[schema[name]][0][0], value: "" });
          place.replaceWith(line(one));
          tell(built());
        }, { "aria-label": "Attribute" }),
        select(TESTS[type], one.test, (test) => {
          one.test = test;
          redraw();
          tell(built());
        }, { "aria-label": "Test" }),
        input(one, type),
        button("", () => {
          lines.splice(lines.indexOf(one), 1);
          place.remove();
          tell(built());
        }, { icon: "close", class: "quiet icon", "aria-label": `Remove the condition on ${one.name}` }),
      );
    };
    redraw();
    return place;
  }

  function input(one, type) {
    if (["null", "true", "false"].includes(one.test)) return null;
    const list = `values-${one.name}-${lines.indexOf(one)}`;
    const kind = type === "timestamp" ? "date" : type === "int" || type === "float" ? "number" : "text";
    const hint = { within: "lat, lon, km", in: "a, b, c" }[one.test];
    const box = h("input", { type: kind, value: one.value ?? "", placeholder: hint, "aria-label": "Value", step: type === "float" ? "any" : undefined, list: kind === "text" && one.test !== "within" ? list : undefined });
    box.addEventListener("change", () => {
      one.value = box.value;
      tell(built());
    });
    if (kind !== "text" || one.test === "within") return box;
    const options = h("datalist", { id: list });
    box.addEventListener("focus", async () => {
      if (options.children.length) return;
      try {
        const { values } = await get(beside("values", { collection, attribute: one.name }));
        fill(options, values.map(([value]) => h("option", { value: String(value) })));
      } catch {
        // Without suggestions the box is as good as before.
      }
    }, { once: true });
    return [box, options];
  }

  function add() {
    const name = names.find((each) => !lines.some((one) => one.name === each)) ?? names[0];
    const one = { name, type: schema[name], test: TESTS[schema[name]][0][0], value: "" };
    lines.push(one);
    const made = line(one);
    rows.append(made);
    made.querySelector("select").focus();
  }

  /** A condition that was written as text, kept among those that are built. */
  function keep(said) {
    const one = { written: said };
    const place = h("div", { class: "filter" }, h("code", { class: "small breaks" }, said), button("", () => {
      lines.splice(lines.indexOf(one), 1);
      place.remove();
      tell(built());
    }, { icon: "close", class: "quiet icon", "aria-label": `Remove the condition ${said}` }));
    lines.push(one);
    rows.append(place);
  }

  const swap = button("", () => {
    written = !written;
    if (written) area.value = text;
    else if (text !== built()) {
      lines.length = 0;
      fill(rows);
      if (text) keep(text);
      tell(built());
    }
    draw();
  }, { class: "link" });
  const panel = h("div", { class: "stack" });

  function draw() {
    swap.textContent = written ? "Build it instead" : "Write it as text";
    fill(
      panel,
      written ? [area, h("p", { class: "tiny soft" }, `Attributes: ${names.map((name) => `${name} (${schema[name]})`).join(", ")}`)] : rows,
      h("div", { class: "fields" }, written ? null : button("Add a condition", add, { icon: "plus" }), swap),
    );
  }

  draw();
  return { panel, add: () => (written || lines.length ? undefined : add()) };
}

