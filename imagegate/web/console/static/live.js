"use strict";
// New decisions appear at the top as they are made. Without this script the page reloads every five seconds.
const table = document.getElementById("decisions");
const state = document.getElementById("live");
const most = Number(table.dataset.most);
const reloadAfterMs = 5000;

function cell(text, name) {
  const made = document.createElement("td");
  made.textContent = text; // never markup: names of images and users are chosen by others
  if (name) made.className = name;
  return made;
}

function line(row) {
  const made = document.createElement("tr");
  made.dataset.id = row.id;
  made.append(cell(row.time), cell(row.verdict, row.verdict), cell(row.plugin), cell(row.namespace));
  made.append(cell(row.what), cell(row.user), cell(row.detail));
  const last = cell("");
  if (row.image) {
    const link = document.createElement("a");
    link.href = table.dataset.explain + "?" + new URLSearchParams({ image: row.image, namespace: row.namespace });
    link.textContent = "explain";
    last.append(link);
  }
  made.append(last);
  return made;
}

function show(rows) {
  const known = new Set(Array.from(table.rows, (each) => each.dataset.id));
  for (const row of rows) {
    if (known.has(row.id)) continue;
    table.querySelector(".none")?.remove();
    table.prepend(line(row));
  }
  while (table.rows.length > most) table.rows[table.rows.length - 1].remove();
}

const source = new EventSource(table.dataset.live);
source.addEventListener("open", () => { state.textContent = "live"; });
source.addEventListener("decisions", (event) => show(JSON.parse(event.data)));
source.addEventListener("policies", () => location.reload());
source.addEventListener("error", () => {
  state.textContent = "not live";
  // Refused (too many live views): the browser does not try again.
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), reloadAfterMs);
});
