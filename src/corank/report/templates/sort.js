"use strict";
/* Heads of tables become buttons: ascending, descending, as it was. What is missing stays last. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("en", { numeric: true });

  const compare = (one, other) => {
    if ("value" in one.dataset && "value" in other.dataset) return one.dataset.value - other.dataset.value;
    return words.compare(one.textContent, other.textContent);
  };

  const sorted = (column, sign) => {
    const isMissing = (row) => "missing" in row.cells[column].dataset;
    const present = original.filter((row) => !isMissing(row));
    present.sort((one, other) => sign * compare(one.cells[column], other.cells[column]));
    return present.concat(original.filter(isMissing));
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      const order = next === undefined ? "ascending" : next;
      if (order) head.setAttribute("aria-sort", order);
      body.append(...(order ? sorted(column, order === "ascending" ? 1 : -1) : original));
    });
  });

  if (table.caption) {
    const hint = document.createElement("span");
    hint.className = "unseen";
    hint.textContent = " The heads of the columns are buttons that sort.";
    table.caption.append(hint);
  }
}
