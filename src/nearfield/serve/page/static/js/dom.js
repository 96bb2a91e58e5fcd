// Elements from data. Text always goes in as text: nothing here, or anywhere on the page, parses HTML.

const GLYPHS = {
  search: ["M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13z", "M15.5 15.5 21 21"],
  map: ["M6 8h.01", "M10 14h.01", "M14 6h.01", "M17 11h.01", "M8 19h.01", "M15 17h.01", "M20 19h.01", "M4 13h.01", "M11 10h.01"],
  survey: ["M4 20V11", "M10 20V5", "M16 20v-6", "M22 20H2", "M21 20V9"],
  plan: ["M3 20c3-12 9-15 18-16", "M9.5 9.5h.01", "M15 6.2h.01", "M5.6 15h.01"],
  health: ["M2 12h5l2.5-7 5 14 2.5-7h5"],
  sun: ["M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M12 2v2", "M12 20v2", "M2 12h2", "M20 12h2", "M5 5l1.4 1.4", "M17.6 17.6 19 19", "M5 19l1.4-1.4", "M17.6 6.4 19 5"],
  moon: ["M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  filter: ["M4 6h16", "M7 12h10", "M10 18h4"],
  plus: ["M12 5v14", "M5 12h14"],
  minus: ["M5 12h14"],
  home: ["M4 9V4h5", "M20 9V4h-5", "M4 15v5h5", "M20 15v5h-5"],
  hand: ["M12 3v18", "M3 12h18", "M9 6l3-3 3 3", "M9 18l3 3 3-3", "M6 9l-3 3 3 3", "M18 9l3 3-3 3"],
  lasso: ["M12 4c5 0 9 2.4 9 5.5S17 15 12 15 3 12.6 3 9.5 7 4 12 4z", "M7 14.3a2.3 2.3 0 1 0 1.5 4 2.3 2.3 0 0 0-1.5-4z", "M5.3 18.2c-.3 1.4 0 2.600 1.200 3.300"],
};

export function glyph(name) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "glyph");
  svg.setAttribute("aria-hidden", "true");
  const dots = name === "map";
  for (const d of GLYPHS[name]) {
    const path = document.createElementNS(ns, "path");
    path.setAttribute("d", d);
    if (dots) path.setAttribute("stroke-width", "3.4");
    svg.append(path);
  }
  return svg;
}

/** An element: `on` holds listeners, `data` its dataset, `vars` custom properties; other keys are attributes. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "vars") for (const [key, set] of Object.entries(value)) element.style.setProperty(`--${key}`, set);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return parent;
}

export function button(text, click, more = {}) {
  const { icon, ...props } = more;
  return h("button", { type: "button", on: { click }, ...props }, icon && glyph(icon), text);
}

export function field(label, input, more = {}) {
  return h("label", { class: "field", ...more }, h("span", {}, label), input);
}

export function select(options, value, change, more = {}) {
  const made = h("select", { on: { change: () => change?.(made.value) }, ...more });
  for (const one of options) {
    const [key, text] = Array.isArray(one) ? one : [one, one];
    made.append(h("option", { value: String(key), selected: String(key) === String(value ?? "") }, text));
  }
  return made;
}

/** Radio buttons that look like one control; `options` are [value, text, disabled]. */
export function segments(name, legend, options, value, change) {
  return h(
    "div",
    { class: "segments", role: "radiogroup", "aria-label": legend },
    options.map(([key, text, disabled]) =>
      h("label", { title: disabled || undefined },
        h("input", { type: "radio", name, value: key, checked: key === value, disabled: Boolean(disabled), on: { change: () => change(key) } }),
        h("span", {}, text)),
    ),
  );
}

/** Says something to those who hear the page; others see it where it happened. */
export function announce(text) {
  byId("said").textContent = text;
}

export function state(title, text, ...more) {
  return h("div", { class: "state" }, title && h("h2", {}, title), text && h("p", {}, text), more);
}

export function problem(error, retry) {
  if (error.status === undefined && error instanceof Error) console.error(error); // not an answer of the server: a fault here
  return h(
    "div",
    { class: "notice poor stack", role: "alert" },
    h("div", {}, h("strong", {}, error.title ?? "That did not work"), h("p", {}, error.message || String(error))),
    retry && h("div", {}, button("Try again", retry)),
  );
}

export function loading(text, rows = 3) {
  return h("div", { class: "stack", "aria-busy": "true" }, h("p", { class: "hidden", role: "status" }, text), Array.from({ length: rows }, () => h("div", { class: "ghost" })));
}
