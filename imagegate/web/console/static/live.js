"use strict";
// New decisions appear at the top as they are made. Without this script the page reloads every five seconds.
const table = document.getElementById("decisions");
const state = document.getElementById("live");
const pause = document.getElementById("pause");
const chosen = table.dataset; // the filter: the same as decision_rows.Filter
const most = Number(chosen.most);
const reloadAfterMs = 5000;
const waiting = []; // rows that came while the view was paused
let paused = false;

function isChosen(row) {
  return (!chosen.verdict || chosen.verdict === row.verdict) && (!chosen.plugin || chosen.plugin === row.plugin)
    && (!chosen.namespace || chosen.namespace === row.namespace) && (!chosen.image || row.images.includes(chosen.image));
}

// Text that a narrow column may break at the marks of image names; never markup: others choose the names.
function breakable(text) {
  const made = document.createDocumentFragment();
  for (const [number, part] of text.split(/(?<=[/@,=])(?=\S)|(?<=[.:])(?=[A-Za-z])|(?<=sha256:)/).entries()) {
    if (number) made.append(document.createElement("wbr"));
    made.append(part);
  }
  return made;
}

function cell(label, name, ...content) {
  const made = document.createElement("td");
  made.dataset.label = label;
  made.className = name;
  made.append(...content);
  return made;
}

function line(row) {
  const made = document.createElement("tr");
  made.dataset.id = row.id;
  made.className = "new";
  const link = document.createElement("a");
  link.href = chosen.page + row.key;
  link.textContent = row.time;
  link.ariaLabel = `${row.time} ${row.plugin} ${row.verdict}`; // many rows have one time
  const badge = document.createElement("span");
  badge.className = "badge " + row.verdict;
  badge.textContent = row.verdict;
  made.append(cell("Time", "time", link), cell("Verdict", "short", badge), cell("Plug-in", "short", row.plugin));
  made.append(cell("Namespace", "name", breakable(row.namespace)), cell("What", "name", breakable(row.what)));
  made.append(cell("User", "name rest", breakable(row.user)), cell("Why", "wide", breakable(row.why)));
  return made;
}

function show(rows) {
  const known = new Set(Array.from(table.rows, (each) => each.dataset.id));
  for (const row of rows) {
    if (known.has(row.id) || !isChosen(row)) continue;
    table.querySelector(".none")?.remove();
    table.prepend(line(row));
  }
  while (table.rows.length > most) table.rows[table.rows.length - 1].remove();
}

function say() {
  state.textContent = paused ? `paused, ${waiting.length} new` : "live";
}

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
  if (!paused) show(waiting.splice(0));
  say();
});

const source = new EventSource(chosen.live);
source.addEventListener("open", say);
source.addEventListener("decisions", (event) => {
  const rows = JSON.parse(event.data);
  if (!paused) return show(rows);
  waiting.push(...rows.filter(isChosen));
  waiting.splice(0, waiting.length - most); // older ones would not be shown
  say();
});
source.addEventListener("policies", () => { if (!paused) location.reload(); });
source.addEventListener("error", () => {
  state.textContent = "not live";
  // Refused (too many live views): the browser does not try again.
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), reloadAfterMs);
});
