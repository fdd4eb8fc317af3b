// A click on a column's head sorts its table; another one sorts it the other way round.
"use strict";
for (const head of document.querySelectorAll("th")) {
  head.querySelector("button").addEventListener("click", () => {
    const table = head.closest("table");
    const place = [...head.parentNode.children].indexOf(head);
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const numeric = head.classList.contains("n");
    const key = (row) => {
      const cell = row.children[place];
      return numeric ? parseFloat(cell.dataset.v) : cell.textContent.trim();
    };
    const compare = (a, b) => {
      const [one, other] = [key(a), key(b)];
      if (numeric) {
        // Blank cells stay at the end, whichever way.
        if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
        return falling ? other - one : one - other;
      }
      return falling ? other.localeCompare(one) : one.localeCompare(other);
    };
    const body = table.tBodies[0];
    for (const row of [...body.rows].sort(compare)) body.append(row);
  });
}
