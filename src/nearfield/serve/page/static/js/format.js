// Numbers, sizes and items as people read them.

const counts = new Intl.NumberFormat("en");

export const count = (value) => counts.format(value);
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (value, digits = 0) => `${(100 * value).toFixed(digits)}%`;

export function bytes(size) {
  if (size === null || size === undefined) return "–";
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 999.5) return `${Number(size.toPrecision(3))} ${unit}`;
    size /= 1000;
  }
  return `${Number(size.toPrecision(3))} TB`;
}

export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return count(value);
  const size = Math.abs(value);
  if (size >= 1000) return count(Math.round(value));
  return String(Number(value.toPrecision(digits)));
}

/** Any JSON value as one line. */
export function plain(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

const TITLES = ["title", "name", "heading", "summary", "label", "subject", "question"];
const BODIES = ["text", "abstract", "summary", "description", "body", "content", "passage", "signature"];

/** What to call an item, and what to say of it, from whatever its payload and text hold. */
export function described(item) {
  const payload = item.payload;
  const of = (keys) => {
    if (payload === null || typeof payload !== "object" || Array.isArray(payload)) return undefined;
    const key = keys.find((one) => typeof payload[one] === "string" && payload[one].trim());
    return key === undefined ? undefined : payload[key];
  };
  const title = of(TITLES);
  let body = item.text ?? of(BODIES) ?? (typeof payload === "string" ? payload : undefined);
  if (body !== undefined && title !== undefined && body.startsWith(title)) body = body.slice(title.length).replace(/^[\s.:–-]+/, "");
  return { title: title ?? String(item.id), body: body ?? "", named: title !== undefined };
}

export const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}
