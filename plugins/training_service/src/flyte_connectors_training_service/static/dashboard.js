/* The dashboard of one training: its state, curves and log, read once a second until it has ended. */
"use strict";

const POLL_MILLISECONDS = 1000;
const LOG_LINES_KEPT = 500;
const MOST_POINTS = 1000;
const NO_MEASURE = new Set(["epoch", "best_epoch", "ended_at"]);
const TITLES = { loss: "Log loss" };
const jobs = new URL("../", location).href;
const job = decodeURIComponent(location.pathname.split("/").at(-2));
const runs = new Map();
const charts = new Map();
let logOffset = 0;

const byId = (id) => document.getElementById(id);
const show = (id, text) => { byId(id).textContent = text; };

async function read(path) {
  const reply = await fetch(jobs + path, { cache: "no-store" });
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  return reply.json();
}

function showJob(state) {
  show("title", `Training ${state.job_id}`);
  document.title = `${state.status}: training ${state.job_id}`;
  show("status", state.status);
  byId("status").className = `phase ${state.status}`;
  show("message", state.message);
  byId("message").className = state.status === "failed" ? "bad failed" : state.status;
  byId("progress").max = state.epochs;
  byId("progress").value = state.epoch;
  show("epoch", `${state.epoch} of ${state.epochs}`);
  show("time", duration(state));
  show("dataset", state.spec.dataset_uri);
  show("label", state.spec.label);
  show("fraction", `${+(100 * state.spec.validation_fraction).toFixed(2)} % of the rows`);
  show("seed", state.spec.seed);
  if (state.results && !byId("results").querySelector("a")) {
    const link = document.createElement("a");
    link.href = `${jobs}${encodeURIComponent(job)}/results`;
    link.textContent = "download (skops)";
    byId("results").replaceChildren(link);
  }
}

function duration(state) {
  if (!state.started_at) return "not started";
  const seconds = Math.max(0, (state.ended_at ?? Date.now() / 1000) - state.started_at);
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/* The epoch that the service calls the best, else that of the lowest validation loss. */
function bestEpoch(run) {
  if (run.state?.best_epoch) return run.state.best_epoch;
  const measured = run.epochs.filter((epoch) => typeof epoch.validation_loss === "number");
  if (!measured.length) return null;
  return measured.reduce((best, epoch) => (epoch.validation_loss < best.validation_loss ? epoch : best)).epoch;
}

function points(epochs, name) {
  const step = Math.ceil(epochs.length / MOST_POINTS);
  return epochs
    .filter((epoch, index) => (epochs.length - 1 - index) % step === 0 && typeof epoch[name] === "number")
    .map((epoch) => [epoch.epoch, epoch[name]]);
}

function curvesOf(run, measure, suffix, dash) {
  return [[measure, "training", "--blue"], [`validation_${measure}`, "validation", "--orange"]]
    .map(([name, title, colour]) => ({ name: `${title}${suffix}`, colour, dash, points: points(run.epochs, name) }))
    .filter((curve) => curve.points.length);
}

function showCurves() {
  const own = runs.get(job), other = runs.get(byId("other").value);
  const names = new Set(own.epochs.flatMap((epoch) => Object.keys(epoch).filter((name) => typeof epoch[name] === "number")));
  const best = bestEpoch(own);
  show("best", best ?? "–");
  for (const measure of new Set([...names].map((name) => name.replace(/^validation_/, "")))) {
    if (NO_MEASURE.has(measure)) continue;
    if (!charts.has(measure)) {
      const card = document.createElement("section");
      card.className = "card";
      card.id = measure;
      byId("charts").append(card);
      charts.set(measure, new Chart(card));
    }
    const curves = curvesOf(own, measure, "");
    if (other) curves.push(...curvesOf(other, measure, ` of ${other.id}`, [6, 4]));
    const marks = best ? [{ x: best, text: `best: epoch ${best}` }] : [];
    charts.get(measure).show({ title: TITLES[measure] ?? measure, curves, marks, xLabel: "epoch", yLabel: measure.replaceAll("_", " ") });
  }
}

async function readRun(id) {
  if (!runs.has(id)) runs.set(id, { id, epochs: [], state: null });
  const run = runs.get(id);
  const path = encodeURIComponent(id);
  run.state = await read(path);
  const page = await read(`${path}/metrics?after=${run.epochs.length}`);
  run.epochs.push(...page.epochs);
  return run.state;
}

/* Answers whether the log is complete. */
async function showLog() {
  const page = await read(`${encodeURIComponent(job)}/logs?offset=${logOffset}`);
  const log = byId("log");
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 8;
  log.append(...page.lines.map((line) => {
    const element = document.createElement("div");
    element.className = "line";
    element.textContent = line;
    return element;
  }));
  while (log.childNodes.length > LOG_LINES_KEPT) log.firstChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
  logOffset = page.next_offset;
  return page.complete;
}

/* The other trainings, to compare with. */
async function showOthers() {
  const page = await read("?limit=200");
  const wanted = new URLSearchParams(location.search).get("with");
  for (const other of page.jobs.filter((each) => each.job_id !== job)) {
    const option = document.createElement("option");
    option.value = other.job_id;
    option.textContent = `${other.job_id} (${other.status}, ${other.epoch} of ${other.epochs} epochs)`;
    option.selected = other.job_id === wanted;
    byId("other").append(option);
  }
}

byId("other").addEventListener("change", async (event) => {
  const parameters = new URLSearchParams(event.target.value ? { with: event.target.value } : {});
  history.replaceState(null, "", `${location.pathname}?${parameters}`.replace(/\?$/, ""));
  if (event.target.value) await readRun(event.target.value);
  showCurves();
});

async function update() {
  let isOver = false;
  try {
    if (byId("other").length === 1) await showOthers();
    const state = await readRun(job);
    const other = byId("other").value;
    const isOtherOver = !other || (await readRun(other)).ended_at !== null;
    showJob(state);
    showCurves();
    const isLogComplete = await showLog();
    isOver = isLogComplete && state.ended_at !== null && isOtherOver;
    byId("connection").hidden = true;
  } catch {
    byId("connection").hidden = false;
  }
  if (!isOver) setTimeout(update, POLL_MILLISECONDS);
}

update();
