"use strict";
// Sorting by any column and filtering by text, on rows that are already in the page.
(() => {
  const compare = (x, y) => {
    if (x === null || y === null) return (x === null) - (y === null);  // what is missing comes last, both ways
    return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
  };

  const sort = async (table, heads, column) => {
    const payloads = await scalingData("payloads");
    const head = heads[column], up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const raw = payloads[table.dataset.rows].cells[column], body = table.tBodies[0];
    const rows = [...body.rows].sort((p, q) => {
      const [x, y] = [raw[p.dataset.i], raw[q.dataset.i]];
      const order = compare(x, y);
      return (x === null || y === null || up ? order : -order) || p.dataset.i - q.dataset.i;
    });
    body.append(...rows);
  };

  const filter = (input, table, count) => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
  };

  for (const table of document.querySelectorAll("table[data-rows]")) {
    [...table.tBodies[0].rows].forEach((row, i) => { row.dataset.i = i; });
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      head.dataset.head = button.textContent;  // for print: a heading repeated on a page shows no button
      button.addEventListener("click", () => sort(table, heads, column));
    });
  }
  for (const box of document.querySelectorAll(".filter")) {
    const input = box.querySelector("input"), count = box.querySelector("span");
    const table = document.querySelector(`table[data-rows="${CSS.escape(box.dataset.of)}"]`);
    if (!table) continue;
    box.hidden = false;
    input.addEventListener("input", () => filter(input, table, count));
  }
})();
