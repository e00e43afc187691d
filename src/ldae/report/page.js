// Sort a table by the column whose heading is pressed; numbers by value, empty cells last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[column];
      return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "–" || y === "–") return (x === "–") - (y === "–");
      const order = typeof x === "number" && typeof y === "number"
        ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return down ? -order : order;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.classList.add("sorted"); // repeated names are shown again
  }));
}

// Copy a text; where the browser does not let us, select it.
for (const button of document.querySelectorAll("button.copy")) {
  const text = document.getElementById(button.dataset.copies);
  button.addEventListener("click", () => navigator.clipboard.writeText(text.innerText).then(
    () => { button.textContent = "Copied"; },
    () => { getSelection().selectAllChildren(text); button.textContent = "Selected: now copy"; },
  ));
}

// Mark the section that is read.
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watch = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    const link = links.get(target.id);
    if (isIntersecting) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}, { rootMargin: "-15% 0px -75% 0px" });
for (const id of links.keys()) watch.observe(document.getElementById(id));
