/* The page of one job: state, log and curves, as the server sends them. */
"use strict";

const job = document.getElementById("job").dataset;
const byId = (id) => document.getElementById(id);
const log = new LogView(byId("log"), byId("earlier"));
const charts = new Map();
const EARLIER_LINES = 500;
const LONGEST_WAIT = 10_000;
let source = null, wait = 500, isOver = false, timer = null;

function url(rest, parameters = {}) {
  const query = new URLSearchParams(job.version);
  for (const [name, value] of Object.entries(parameters)) if (value !== null) query.set(name, value);
  return `${job.path}${rest}?${query}`;
}

/* Events: one stream while the page is visible. A browser has few connections for each server. */
function listen() {
  clearTimeout(timer);
  source?.close();
  if (isOver || document.hidden) return;
  source = new EventSource(url("/events", { next: log.next }));
  const on = (name, handle) => source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  source.onopen = () => { wait = 500; byId("connection").hidden = true; };
  source.onerror = () => {
    source.close();
    byId("connection").hidden = false;
    timer = setTimeout(listen, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  };
  on("state", showState);
  on("log", ({ first, lines }) => showLines(first, lines));
  on("curves", showCurves);
  on("end", () => {
    source.close();
    if (!byId("error").textContent) isOver = true;
    else timer = setTimeout(listen, LONGEST_WAIT);
    if (byId("log-empty")) byId("log-empty").textContent = byId("log-note").textContent || "The log is empty.";
  });
}

function showState(state) {
  const name = (state.phase ?? "").toLowerCase();
  const phase = byId("phase");
  const text = name.replaceAll("_", " ") || "unknown";
  if (phase.textContent !== text) phase.textContent = text;
  phase.className = `phase ${name.replaceAll("_", "-")}`;
  byId("message").textContent = state.message ?? "";
  byId("error").textContent = state.error ?? "";
  byId("log-note").textContent = state.log_note ?? "";
  document.title = `${text}: ${document.querySelector("h1").textContent}`;
  if (byId("cancel")) byId("cancel").hidden = Boolean(state.ended);
  const hasProgress = typeof state.progress === "number";
  byId("progress-row").hidden = !hasProgress;
  if (hasProgress) {
    byId("progress").value = state.progress;
    byId("percent").textContent = `${Math.round(100 * state.progress)} %`;
  }
  values("outputs", state.outputs ?? []);
  values("info", state.info ?? []);
  byId("links-card").hidden = !(state.links ?? []).length;
  byId("links").replaceChildren(...(state.links ?? []).map(link));
}

function values(id, entries) {
  byId(`${id}-card`).hidden = !entries.length;
  byId(id).replaceChildren(...entries.map(({ name, value }) => {
    const row = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    text.className = "mono";
    row.append(term, text);
    return row;
  }));
}

function link({ name, uri }) {
  const item = document.createElement("li");
  if (uri) {
    const anchor = document.createElement("a");
    anchor.href = uri;
    anchor.rel = "noreferrer";
    anchor.textContent = name;
    item.append(anchor);
  } else item.textContent = name;
  return item;
}

function showLines(first, lines) {
  if (!lines.length && byId("log-empty")) byId("log-empty").textContent = "No lines so far.";
  if (!log.follows && byId("log").childElementCount > LINES_KEPT) log.elsewhere = true;  // until it follows again
  if (log.elsewhere) return;
  log.append(first, lines);
}

function showCurves(found) {
  for (const chart of found) {
    if (!charts.has(chart.title)) {
      const card = document.createElement("section");
      card.className = "card";
      byId("charts").append(card);
      charts.set(chart.title, new Chart(card));
    }
    charts.get(chart.title).show({ ...chart, isTime: true, xLabel: "time", yLabel: chart.unit || chart.title.replaceAll("_", " ") });
  }
}

async function read(parameters) {
  const reply = await fetch(url("/log", parameters));
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  return reply.json();
}

byId("earlier").addEventListener("click", async () => {
  follow(false);
  const from = Math.max(log.first - EARLIER_LINES, 0);
  const page = await read({ from, lines: log.first - from });
  log.prepend(from, page.lines);
});

function follow(isOn) {
  log.follows = isOn;
  byId("follow").setAttribute("aria-pressed", isOn);
  if (!isOn) return;
  if (log.elsewhere) {  // the lines around a match are shown: back to the end
    log.elsewhere = false;
    log.next = null;
    byId("log").replaceChildren();
    isOver = false;
    listen();
  }
  log.toEnd();
}
log.onfollow = follow;
byId("follow").addEventListener("click", () => follow(!log.follows));
for (const name of ["times", "wrap"]) {
  byId(name).addEventListener("click", () => {
    const isOn = byId("log").classList.toggle(name);
    byId(name).setAttribute("aria-pressed", isOn);
    if (log.follows) log.toEnd();
  });
}

byId("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = byId("wanted").value;
  const list = byId("matches");
  list.hidden = !wanted;
  if (!wanted) return;
  list.textContent = "Searching…";
  try {
    const { matches, is_whole: isWhole } = await read({ search: wanted });
    const rows = matches.map(([number, , , text]) => {
      const row = document.createElement("button"), at = document.createElement("b");
      at.textContent = (number + 1).toLocaleString("en");
      row.append(at, text.slice(0, 300));
      row.addEventListener("click", () => show(number));
      return row;
    });
    const note = document.createElement("p");
    note.className = "faint";
    note.textContent = matches.length ? `${isWhole ? "" : "The first "}${matches.length} matching lines` : "No line matches.";
    list.replaceChildren(note, ...rows);
  } catch (error) {
    list.textContent = `The log can't be searched now: ${error.message}`;
  }
});

async function show(number) {
  const from = Math.max(number - EARLIER_LINES / 2, 0);
  const page = await read({ from, lines: EARLIER_LINES });
  follow(false);
  log.elsewhere = true;
  log.replace(from, page.lines);
  log.mark(number);
}

byId("cancel")?.addEventListener("click", () => byId("sure").showModal());
byId("copy")?.addEventListener("click", async () => {
  const text = byId("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // plain HTTP of another machine: no clipboard
    getSelection().selectAllChildren(byId("command"));
    document.execCommand("copy");
  }
  byId("copy").textContent = "Copied";
});

document.addEventListener("visibilitychange", listen);
listen();
