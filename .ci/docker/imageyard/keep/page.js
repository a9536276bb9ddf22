"use strict";
// The table's rows are values in the page. What is searched and sorted are the values; elements are made for the rows
// that are shown, and every text gets into them as text.
(() => {
  const { first, rows } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const body = document.querySelector("#images tbody");
  const blank = byId("row").content.querySelector("tr");
  const headers = [...document.querySelectorAll("#images thead button")];
  const lists = [...document.querySelectorAll("select[data-only]")];
  const collator = new Intl.Collator("en", { numeric: true });
  const SORTED_AT_FIRST = 3; // by age
  let column = SORTED_AT_FIRST, down = false, shown = first, found = rows, words = "";

  const searched = rows.map((row) => [row.image, row.repository, ...row.tags, row.digest, row.class, row.left, row.why,
    ...row.sizes, ...row.made, row.checks, row.revoked].join("\n").toLowerCase());
  rows.forEach((row, at) => {
    row.at = at;
    row.short = row.digest.slice(0, 19);
    row.pull = row.digest.match(/^sha(256|512):[0-9a-f]+$/) ? `docker pull ${row.repository}@${row.digest}` : "";
  });
  const texts = { 0: (row) => row.image, 1: (row) => row.tags[0] ?? null, 5: (row) => row.made[0] };
  const key = (row) => (texts[column] ?? ((one) => one.sort[column]))(row);

  // Values that are not known come last, however the column is sorted.
  function compare(one, other) {
    const a = key(one), b = key(other);
    if (a === null || b === null) return (a === null) - (b === null) || one.at - other.at;
    const order = typeof a === "number" ? a - b : collator.compare(a, b);
    return (down ? -order : order) || one.at - other.at;
  }

  const orders = new Map();
  function ordered() {
    const name = `${column} ${down}`;
    if (!orders.has(name)) orders.set(name, [...rows].sort(compare));
    return orders.get(name);
  }

  function matches(row, terms, chosen) {
    return chosen.every(([key, value]) => [].concat(row.only[key] ?? row[key]).includes(value))
      && terms.every((term) => searched[row.at].includes(term));
  }

  function fill(row) {
    const made = blank.cloneNode(true);
    for (const element of made.querySelectorAll("[data-f]")) {
      const value = row[element.dataset.f];
      switch (element.dataset.f) {
        case "tags": case "sizes": case "made":
          element.append(...value.map((text) => {
            const line = document.createElement(element.dataset.f === "tags" ? "code" : "span");
            line.textContent = text;
            return line;
          }));
          break;
        case "more_tags":
          element.textContent = value ? `and ${value} more` : "";
          break;
        case "revoked":
          element.textContent = value ? `revoked: ${value}` : "";
          break;
        default:
          element.textContent = value;
      }
    }
    if (row.history) made.querySelector(".name").href = `#${row.history}`;
    made.querySelector("[data-f=checks]").dataset.state = row.only.checks;
    made.querySelector(".copy").setAttribute("aria-label", `Copy the pull command of ${row.image} ${row.tags[0] ?? ""}`);
    return made;
  }

  function tell() {
    const some = Math.min(shown, found.length);
    const count = found.length === rows.length ? `${rows.length} images` : `${found.length} of ${rows.length} images`;
    byId("count").textContent = some < found.length ? `${count}, the first ${some} are shown` : count;
    byId("more").hidden = some >= found.length;
  }

  function draw() {
    const terms = words.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = lists.filter((list) => list.value).map((list) => [list.dataset.only, list.value]);
    found = ordered().filter((row) => matches(row, terms, chosen));
    shown = first;
    body.replaceChildren(...found.slice(0, shown).map(fill));
    tell();
  }

  function sort(next, isDown) {
    column = next;
    down = isDown;
    headers.forEach((button) => {
      const mine = Number(button.dataset.column) === column;
      button.parentElement.setAttribute("aria-sort", mine ? (down ? "descending" : "ascending") : "none");
    });
    byId("sort").value = String(column);
    draw();
  }

  // The clipboard is open to pages that came by HTTPS; elsewhere the older way is the only one.
  async function copy(button) {
    const code = button.parentElement.querySelector(".pull");
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    byId("said").textContent = done ? `copied: ${code.textContent}` : "the browser did not copy: the command is selected";
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  function open(anchor) {
    const target = anchor && document.getElementById(anchor);
    const details = target && target.closest("details");
    if (details) {
      details.open = true;
      target.focus();
      target.scrollIntoView();
    }
  }

  byId("words").addEventListener("input", (event) => { words = event.target.value; draw(); });
  lists.forEach((list) => list.addEventListener("change", draw));
  headers.forEach((button) => button.addEventListener("click", () => {
    const next = Number(button.dataset.column);
    sort(next, next === column && !down);
  }));
  byId("sort").addEventListener("change", (event) => sort(Number(event.target.value), false));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("controls").addEventListener("reset", () => setTimeout(() => { words = ""; sort(SORTED_AT_FIRST, false); }));
  byId("more").addEventListener("click", () => {
    const more = found.slice(shown, shown + first).map(fill);
    body.append(...more);
    shown += first;
    tell();
    if (byId("more").hidden) byId("count").focus();
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) copy(button);
  });
  addEventListener("hashchange", () => open(location.hash.slice(1)));
  byId("controls").hidden = false;
  tell();
  open(location.hash.slice(1));
})();
