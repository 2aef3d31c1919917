"use strict";
// Filters the gallery, and shows the images behind a cell of a confusion matrix. It reads numbers from data
// attributes and copies images; it never makes markup of text.
(() => {
  const form = document.getElementById("filter");
  const peek = document.getElementById("peek");
  const fields = form.elements;
  const cards = [...document.querySelectorAll(".card[data-said]")].map((node) => ({
    ...node.dataset,
    node,
    image: node.querySelector("img"),
    said: node.dataset.said.split(" "),
  }));

  const right = (card, series) => card.said[series] === card.label;

  function outcome(card, wanted, series, before) {
    const now = right(card, series);
    if (wanted === "right") return now;
    if (wanted === "wrong") return !now && card.said[series] !== "x";
    if (before < 0) return false; // the untuned model has no before
    return wanted === "mended" ? now && !right(card, before) : !now && right(card, before);
  }

  function apply() {
    const series = Number(fields.series.value);
    const before = Number(fields.series.selectedOptions[0].dataset.before);
    const same = ["label", "level", "type"].filter((name) => fields[name].value !== "");
    const answered = fields.answered.value;
    const wanted = fields.outcome.value;
    const active = same.length > 0 || answered !== "" || wanted !== "";
    let shown = 0;
    for (const card of cards) {
      const fits =
        same.every((name) => card[name] === fields[name].value) &&
        (answered === "" || card.said[series] === answered) &&
        (wanted === "" || outcome(card, wanted, series, before));
      card.node.hidden = !fits;
      shown += fits;
    }
    for (const shelf of document.querySelectorAll(".shelf")) {
      shelf.hidden = !shelf.querySelector(".card:not([hidden])");
      const more = shelf.querySelector("details.more");
      if (more) {
        more.open = active && Boolean(more.querySelector(".card:not([hidden])"));
        more.hidden = !more.querySelector(".card:not([hidden])");
      }
    }
    form.querySelector("output").textContent = `${shown} of ${cards.length} images`;
  }

  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  apply();

  const cell = (link) => link.dataset.cell.split(" "); // series, true label, answered

  function show(link) {
    const [series, label, answered] = cell(link);
    const behind = cards.filter((card) => card.label === label && card.said[series] === answered);
    peek.firstElementChild.textContent = `${link.getAttribute("aria-label")}. In the gallery: ${behind.length}.`;
    peek.lastElementChild.replaceChildren(...behind.slice(0, 12).map((card) => card.image.cloneNode()));
    peek.classList.toggle("top", link.getBoundingClientRect().top > window.innerHeight / 2); // not over the cell
    peek.hidden = false;
  }

  function hide() {
    peek.hidden = true;
  }

  function open(link) {
    const [series, label, answered] = cell(link);
    form.reset();
    fields.series.value = series;
    fields.label.value = label;
    fields.answered.value = answered;
    apply();
    hide();
    form.scrollIntoView();
    form.querySelector("output").focus({ preventScroll: true });
  }

  // One stop of the Tab key for a matrix; the arrow keys move inside it.
  function move(event, table) {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    let place = event.target.closest("td");
    do {
      const row = table.rows[place.parentElement.rowIndex + step[0]];
      place = row && row.cells[place.cellIndex + step[1]];
    } while (place && !place.querySelector("a"));
    if (!place) return;
    event.target.tabIndex = -1;
    place.querySelector("a").tabIndex = 0;
    place.querySelector("a").focus();
  }

  for (const table of document.querySelectorAll("table:has(a[data-cell])")) {
    table.querySelectorAll("a[data-cell]").forEach((link, i) => (link.tabIndex = i ? -1 : 0));
    table.addEventListener("keydown", (event) => move(event, table));
    table.addEventListener("pointerleave", hide);
    table.addEventListener("focusout", hide);
    for (const kind of ["pointerover", "focusin"]) {
      table.addEventListener(kind, (event) => {
        const link = event.target.closest("td")?.querySelector("a[data-cell]");
        if (link) show(link);
        else hide();
      });
    }
    table.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-cell]");
      if (!link) return;
      event.preventDefault();
      open(link);
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
