/* The list of jobs: read again every few seconds while the page is visible. */
"use strict";

const SECONDS = 3;
const PHASE_COLOURS = { SUCCEEDED: "--green", RUNNING: "--blue", FAILED: "--red", QUEUED: "--orange", ABORTED: "--grey", CREATED: "--violet" };
const byId = (id) => document.getElementById(id);
let chart = null;

function showCounts() {
  const counts = JSON.parse(byId("counts").textContent);
  if (counts.length < 2) return;
  const names = [...new Set(counts.flatMap(([, by]) => Object.keys(by)))].sort();
  byId("counts-card").hidden = false;
  chart ??= new Chart(byId("counts-chart"));
  const curves = names.map((name) => ({ name: name.toLowerCase(), colour: PHASE_COLOURS[name], points: counts.map(([at, by]) => [at, by[name] ?? 0]) }));
  chart.show({ title: "", curves, isTime: true, isStepped: true, isWhole: true, xLabel: "time", yLabel: "jobs" });
}

async function refresh() {
  if (!document.hidden) {
    try {
      const reply = await fetch(location);
      if (!reply.ok) throw new Error(reply.status);
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      if (!page.getElementById("table")) { location.reload(); return; }
      const focused = document.activeElement?.closest("#table a")?.getAttribute("href");
      const left = byId("table").querySelector(".scroll")?.scrollLeft ?? 0;
      for (const id of ["table", "number"]) byId(id).replaceChildren(...page.getElementById(id).childNodes);
      byId("table").querySelector(".scroll")?.scrollTo(left, 0);
      if (focused) byId("table").querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      byId("connection").hidden = true;
      showCounts();
    } catch {
      byId("connection").hidden = false;
    }
  }
  setTimeout(refresh, 1000 * SECONDS);
}

showCounts();
setTimeout(refresh, 1000 * SECONDS);
