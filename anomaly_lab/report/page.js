"use strict";
// What every page needs: folded tables and sorting. No library is used.

const byId = (id) => document.getElementById(id);

// ---- a link to a folded table opens it
function unfold(hash) {
  const folded = byId(hash.slice(1))?.querySelector("details");
  if (folded) folded.open = true;
}
document.querySelectorAll("nav a").forEach((link) => link.addEventListener("click", () => unfold(link.hash)));
window.addEventListener("hashchange", () => unfold(location.hash));
unfold(location.hash);

// ---- a click on a heading sorts its table: ascending, then descending; gaps come last
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      const values = new Map(rows.map((row) => [row, row.cells[column].dataset.value]));
      const numeric = [...values.values()].every((v) => v === "" || !Number.isNaN(Number(v)));
      rows.sort((a, b) => {
        const [x, y] = [values.get(a), values.get(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
