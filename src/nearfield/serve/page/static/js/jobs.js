// Long work that the REST interface does as jobs: begun and followed.

import { ApiError, get, of, pause, post } from "./api.js";
import { fill, h } from "./dom.js";

/** Begins a job and shows how it goes in `place`; its result, or ApiError where it fails. */
export async function follow(place, collection, verb, body, what, signal) {
  let job = await post(`${of(collection, verb)}?wait=1`, body, { signal });
  const line = h("p", { class: "small soft" }, what);
  fill(place, h("div", { class: "card stack" }, line, h("progress", { "aria-label": what })));
  while (job.state === "waiting" || job.state === "running") {
    line.textContent = job.state === "waiting" ? `${what} · waiting for its turn` : what;
    await pause(600, signal);
    job = await get(`v1/jobs/${job.id}`, { signal });
  }
  fill(place);
  if (job.state !== "done") throw new ApiError(job.error?.status ?? 500, job.error?.type ?? "job", job.error?.message ?? `The job was ${job.state}.`);
  return job.result;
}
