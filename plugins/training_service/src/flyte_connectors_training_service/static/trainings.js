/* The list of trainings, newest first; two of them can be compared. */
"use strict";

const POLL_MILLISECONDS = 3000;
const byId = (id) => document.getElementById(id);

function cell(text, kind = "") {
  const element = document.createElement("td");
  element.className = kind;
  element.append(text);
  return element;
}

function row(job) {
  const element = document.createElement("tr");
  const link = document.createElement("a"), status = document.createElement("span");
  link.href = `jobs/${encodeURIComponent(job.job_id)}/dashboard`;
  link.textContent = job.job_id;
  status.className = `phase ${job.status}`;
  status.textContent = job.status;
  const loss = job.metrics?.validation_loss;
  element.append(
    cell(link),
    cell(status),
    cell(`${job.epoch} of ${job.epochs}`, "number"),
    cell(typeof loss === "number" ? loss.toFixed(4) : "–", "number"),
    cell(job.spec.dataset_uri, "more wide"),
    cell(job.started_at ? new Date(1000 * job.started_at).toLocaleString("en-GB") : "–", "more nowrap"),
  );
  return element;
}

function choose(select, jobs, index) {
  if (select.length === jobs.length) return;
  const chosen = select.value;
  select.replaceChildren(...jobs.map((job) => new Option(job.job_id, job.job_id)));
  if (chosen) select.value = chosen;
  else select.selectedIndex = index;
}

async function update() {
  try {
    const reply = await fetch("jobs?limit=200", { cache: "no-store" });
    if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
    const { jobs } = await reply.json();
    byId("number").textContent = jobs.length === 200 ? "the last 200" : jobs.length;
    byId("none").textContent = "There is no training so far.";
    byId("none").hidden = jobs.length > 0;
    byId("table").hidden = !jobs.length;
    byId("compare").hidden = jobs.length < 2;
    if (!byId("rows").contains(document.activeElement)) byId("rows").replaceChildren(...jobs.map(row));
    choose(byId("one"), jobs, 0);
    choose(byId("two"), jobs, 1);
    byId("connection").hidden = true;
  } catch {
    byId("connection").hidden = false;
  }
  setTimeout(update, POLL_MILLISECONDS);
}

byId("compare").addEventListener("submit", (event) => {
  event.preventDefault();
  const parameters = new URLSearchParams({ with: byId("two").value });
  location.href = `jobs/${encodeURIComponent(byId("one").value)}/dashboard?${parameters}`;
});

update();
