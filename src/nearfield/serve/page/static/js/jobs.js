// Long work that the REST interface does as jobs: begun, followed, taken back.

import { ApiError, call, get, of, pause, post } from "./api.js";
import { button, fill, h } from "./dom.js";
import { percent } from "./format.js";

/** Begins a job and shows how it goes in `place`; its result, or ApiError where it fails. */
export async function follow(place, collection, verb, body, what, signal) {
  let job = await post(`${of(collection, verb)}?wait=1`, body, { signal });
  if (job.id === undefined || job.status === undefined) return job; // done before it became a job
  const line = h("p", { class: "small soft" }, what);
  const bar = h("progress", { max: 1, "aria-label": what });
  fill(place, h("div", { class: "card stack" }, line, bar, h("div", {}, button("Stop", () => call("DELETE", `v1/jobs/${job.id}`).catch(() => null)))));
  while (["queued", "running", "pending"].includes(job.status)) {
    if (typeof job.progress === "number") {
      bar.value = job.progress;
      line.textContent = `${what} · ${percent(job.progress)}`;
    }
    await pause(600, signal);
    job = await get(`v1/jobs/${job.id}`, { signal });
  }
  fill(place);
  if (job.result === undefined || job.result === null) throw new ApiError(500, "job", job.error?.message ?? job.error ?? `The job ${job.status}.`);
  return job.result;
}
