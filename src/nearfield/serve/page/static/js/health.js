// Health: what the collection holds, what that costs on disk and in memory, and whether every item is found.

import { ask, get, of, post } from "./api.js";
import { button, fill, h, loading, problem } from "./dom.js";
import { bytes, count, number, percent, plain, plural } from "./format.js";
import { follow } from "./jobs.js";
import { facts as fetchFacts } from "./main.js";

const PARTS = [[/vectors/, "vectors"], [/index|graph|codes/, "index"], [/columns|attributes/, "attributes"], [/partition|cells/, "partition"], [/catalogue/, "catalogue: ids, payload, texts"]];

export async function show(main, context) {
  const { collection, signal, server } = context;
  fill(main, loading("Looking at the collection"));
  const stats = await get(of(collection, "stats"), { signal });
  const ready = await ask("GET", "ready", undefined, { signal }).then(() => true, (error) => {
    if (error.name === "AbortError") throw error;
    return false;
  });
  const place = h("div", { class: "stack", "aria-live": "polite" });
  const again = async () => {
    await fetchFacts(collection, true);
    await show(main, context);
  };
  const check = button("Verify everything", async () => {
    check.disabled = true;
    try {
      fill(place, verified(await follow(place, collection, "verify", {}, "Checking every file and looking for every item", signal)));
    } catch (error) {
      if (error.name !== "AbortError") fill(place, problem(error));
    } finally {
      check.disabled = false;
    }
  }, { class: "main" });
  const compact = button("Compact", async () => {
    compact.disabled = true;
    fill(place, h("div", { class: "card stack" }, h("p", { class: "small soft" }, "Merging segments; searches go on meanwhile."), h("progress", { "aria-label": "Compacting" })));
    try {
      await post(of(collection, "compact"), {}, { signal });
      await again();
    } catch (error) {
      if (error.name !== "AbortError") fill(place, problem(error));
      compact.disabled = false;
    }
  });
  const memory = Object.entries(stats.memory).filter(([name, size]) => size && name !== "total"); // the total is the sum of others
  const troubles = stats.segments.filter((segment) => segment.trouble);
  const alarm = stats.recall?.alarm;
  const judge = stats.judge;
  const good = ready && !troubles.length && !alarm;
  fill(
    main,
    h("div", { class: "stack wide" },
      h("header", { class: "head" }, h("div", {}, h("h1", {}, `Health of ${collection}`), h("p", { class: "soft small" }, `Nearfield ${server.version}; format ${stats.format}`)), h("div", { class: "chips" }, check, server.read_only || server.right !== "admin" ? null : compact)),
      h("div", { class: good ? "notice good" : "notice poor", role: "status" },
        h("strong", {}, good ? "All is well. " : "Something needs attention. "),
        good ? "No trouble is known; Verify looks at every file and for every item." : null,
        ready ? null : h("p", {}, "The server says it is not ready."),
        troubles.map((segment) => h("p", {}, segment.trouble)),
        alarm ? h("p", {}, alarm) : null),
      place,
      h("div", { class: "figures" },
        figure("Items", count(stats.items), [stats.expiring ? `${count(stats.expiring)} will expire` : null, stats.deleted ? `${count(stats.deleted)} deleted, not reclaimed yet` : null].filter(Boolean).join("; ") || "none deleted"),
        figure("Pending", count(stats.pending), "in no segment yet; scanned exactly"),
        figure("On disk", bytes(stats.bytes_total), plural(Object.keys(stats.bytes).length, "file")),
        figure("In memory", bytes(memory.reduce((sum, [name, size]) => sum + (name === "mapped" ? 0 : size), 0)), stats.memory.mapped ? `and ${bytes(stats.memory.mapped)} mapped` : "what searches read")),
      h("div", { class: "columns" },
        h("section", { class: "card stack" }, h("h2", {}, "On disk"), shares(onDisk(stats.bytes)), h("h2", {}, "In memory"), shares(memory.map(([name, size]) => [name.replaceAll("_", " "), size]))),
        h("section", { class: "card stack" }, h("h2", {}, "What it is"),
          h("dl", { class: "facts" },
            fact("Vectors", `${count(stats.dim)} dimensions, ${stats.dtype}, ${stats.metric}`),
            fact("Ids", stats.id_type ?? "not fixed yet"),
            fact("Attributes", Object.keys(stats.attributes).length ? Object.entries(stats.attributes).map(([name, type]) => `${name} (${type})`).join(", ") : "none"),
            fact("Encoder", stats.embedding ? plain(stats.embedding.encoder ?? stats.embedding.name ?? "given") : "not named"),
            fact("Words", stats.text ? `searched, ${stats.text.tokenizer ?? "porter"}` : "not searched"),
            fact("Judge", judge ? fresh(judge) : "none"),
            fact("Aspects", stats.aspects ? plain(Object.keys(stats.aspects.labels ?? stats.aspects)) : "none"),
            fact("Tags", stats.tags.length ? `${stats.tags.join(", ")} (${bytes(stats.tag_bytes)})` : "none"),
            stats.upgrade ? fact("Moving", `${count(stats.upgrade.done)} of ${count(stats.upgrade.done + stats.upgrade.left)} items encoded by the next model`) : null))),
      stats.segments.length ? h("section", { class: "card stack" }, h("h2", {}, "Segments"), h("div", { class: "table" }, h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Searched by"), h("th", { scope: "col", class: "number" }, "Items"), h("th", { scope: "col", class: "number" }, "Rows"), h("th", { scope: "col", class: "number" }, "Deleted"), h("th", { scope: "col" }, "Trouble"))),
        h("tbody", {}, stats.segments.map((segment) => h("tr", {}, h("td", {}, segment.index), h("td", { class: "number" }, count(segment.items)), h("td", { class: "number" }, count(segment.rows)), h("td", { class: "number" }, percent(segment.rows ? 1 - segment.items / segment.rows : 0)), h("td", {}, segment.trouble ?? h("span", { class: "soft" }, "none")))))))) : null),
  );
}

const figure = (name, value, more) => h("div", { class: "card figure" }, h("p", { class: "tiny soft" }, name), h("p", { class: "value number" }, value), h("p", { class: "tiny soft" }, more));
const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

function fresh(judge) {
  const told = typeof judge === "object" ? Object.entries(judge).filter(([, value]) => typeof value !== "object" && value !== null).map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "number" ? number(value, 3) : value}`) : [];
  return told.length ? told.join("; ") : "fitted";
}

function onDisk(files) {
  const sums = new Map();
  for (const [name, size] of Object.entries(files)) {
    const part = PARTS.find(([pattern]) => pattern.test(name))?.[1] ?? "other";
    sums.set(part, (sums.get(part) ?? 0) + size);
  }
  return [...sums];
}

function shares(parts) {
  const total = parts.reduce((sum, [, size]) => sum + size, 0) || 1;
  return parts.length
    ? h("ul", { class: "plain bars" }, parts.sort((a, b) => b[1] - a[1]).map(([name, size]) => h("li", {}, h("span", {}, name), h("span", { class: "meter" }, h("i", { vars: { share: size / total } })), h("span", { class: "number soft" }, bytes(size)))))
    : h("p", { class: "small soft" }, "Nothing yet.");
}

function verified(report) {
  const { ok } = report;
  const lines = [...report.problems, ...report.repairs];
  const told = Object.entries(report.counts);
  return h("div", { class: ok ? "notice good stack" : "notice poor stack" },
    h("strong", {}, ok ? "Verified: every file is intact and every item is found." : "Something is wrong."),
    lines.length ? h("ul", { class: "points" }, lines.map((line) => h("li", {}, plain(line)))) : null,
    told.length ? h("dl", { class: "facts" }, told.map(([name, value]) => fact(name.replaceAll("_", " "), plain(value)))) : null);
}
