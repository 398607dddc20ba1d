// One number: its formula, its arithmetic, where its numbers came from, and the check.

const inspector = document.getElementById("inspector");
const PHASE_WORDS = { forward: "value", backward: "gradient", update: "after the update" };

/** Go to a cell; the browser's own "back" leads back from it. */
function goTo(cell) {
  const hash = `#${encodeURIComponent(cell)}`;
  if (location.hash === hash) inspect(cell);
  else location.hash = hash;
}

function inspect(cell) {
  const found = readCell(cell);
  const { told, missing } = found && !DATA.cells[cell] ? workOut(found.tensor, found.phase, found.index) : {};
  const stored = told ?? DATA.cells[cell];
  const numbers = found && numbersOf(found.tensor, found.phase);
  const value = stored ? stored.value : numbers?.at(found.index);
  inspector.classList.remove("empty");
  document.body.classList.add("inspecting");
  inspector.replaceChildren(
    bar(found),
    make("h2", {}, ...breakable(cell)),
    value === undefined ? make("p", { class: "hint" }, "This page does not hold this number.") : make("p", { class: "value" }, number(value)),
    line("meaning", (stored?.meaning && foreign(stored.meaning)) || (found ? meaningOf(found.tensor, found.index) : "")),
    ...(stored ? explained(stored) : unexplained(cell, found, missing)),
  );
  inspector.scrollTop = 0;
}

/** A cell's text that may break after its signs, not inside words. */
function breakable(text) {
  return text.split(/(?<=[.[_,/])/).flatMap((part, at) => (at ? [make("wbr"), part] : [part]));
}

function line(name, text) {
  return text ? make("p", { class: name }, text) : "";
}

/** Back, the same position in the other phases, and the way to its picture. */
function bar(found) {
  const buttons = [make("button", { type: "button", onclick: () => history.back() }, "← back")];
  if (found) {
    for (const [phase, words] of Object.entries(PHASE_WORDS)) {
      const there = found.tensor[FIELD[phase]];
      if (there || phase === found.phase) buttons.push(make("button", { type: "button", "aria-pressed": String(phase === found.phase), onclick: () => goTo(cellText(phase, found.tensor, found.index)) }, words));
    }
    buttons.push(make("button", { type: "button", onclick: () => showPicture(found) }, "show it in its tensor"));
  }
  buttons.push(make("button", { type: "button", class: "close", "aria-label": "close", onclick: closeInspector }, "✕"));
  return make("div", { class: "bar" }, ...buttons);
}

function closeInspector() {
  inspector.classList.add("empty");
  document.body.classList.remove("inspecting");
}

function explained(stored) {
  const title = [stored.symbol, stored.heading].filter(Boolean).join(" · ");
  const head = make("p", { class: "where" }, [title, stored.location].filter(Boolean).join(" · "));
  if (!stored.parts.length) return [head, ...arithmetic(stored, stored.tensors)];
  const sum = stored.parts.map((part) => bracketed(part.value)).join(" + ");
  return [
    head,
    ...block("formula", make("p", { class: "formula" }, stored.formula)),
    ...block("numbers", make("p", { class: "numbers" }, sum, make("b", {}, ` = ${number(stored.value)}`))),
    ...stored.parts.map((part, position) => make("div", { class: "part" }, make("h3", {}, `use ${position + 1}: ${part.heading}`), make("p", { class: "where" }, part.location), ...arithmetic(part, []))),
    check(stored),
  ];
}

function bracketed(value) {
  return typeof value === "number" && value < 0 ? `(${number(value)})` : number(value);
}

function block(title, ...content) {
  return [make("h4", {}, title), ...content];
}

function arithmetic(part, tensors) {
  const rows = [...block("formula", make("p", { class: "formula" }, part.formula))];
  if (part.numbers) rows.push(...block("numbers", make("p", { class: "numbers" }, part.numbers, make("b", {}, ` = ${number(part.value)}`))));
  if (part.where.length) rows.push(...block("where", ...part.where.map(([name, text]) => make("p", { class: "numbers" }, `${name} = ${text}`))));
  if (part.from.length) rows.push(...block("from", sourceList(part.from)));
  if (part["chosen by"].length) rows.push(...block("chosen by", sourceList(part["chosen by"])));
  if (tensors.length) rows.push(...block("from the whole of", make("p", { class: "numbers" }, tensors.join(", "))));
  return [...rows, check(part)];
}

function sourceList(sources) {
  const shown = sources.slice(0, 24).map((source) => {
    const found = readCell(source.cell);
    const value = source.value ?? (found && numbersOf(found.tensor, found.phase)?.at(found.index));
    const label = make("span", { class: "label" }, ...breakable(source.cell), source.meaning ? make("small", {}, ` ${foreign(source.meaning)}`) : "");
    const tells = DATA.cells[source.cell] || (found && answers(found.tensor, found.phase, found.index));
    const isHere = tells || (found && numbersOf(found.tensor, found.phase)?.at(found.index) !== undefined);
    return make("li", {}, make("button", { type: "button", class: tells ? "" : "bare", disabled: !isHere && "", title: isHere ? undefined : "not on this page", onclick: () => goTo(source.cell) }, make("span", { class: "number" }, value === undefined || value === null ? "" : number(value)), label));
  });
  return make("ul", { class: "from" }, ...shown);
}

function check(part) {
  if (!part.check) return "";
  return make("p", { class: part.agrees ? "check" : "check bad" }, make("b", {}, part.agrees ? "✓ agrees " : "✗ disagrees "), part.check);
}

/** What can be said of a number whose arithmetic the page does not hold, and how to get it. */
function unexplained(cell, found, missing) {
  const formulas = found ? { forward: [found.tensor.formula], backward: found.tensor["gradient formulas"].map(({ formula }) => formula), update: [found.tensor.update?.formula] }[found.phase].filter(Boolean) : [];
  const command = `${DATA.command} --cell '${cell}'`;
  const copy = make("button", { type: "button", class: "copy", onclick: () => navigator.clipboard?.writeText(command).then(() => { copy.textContent = "copied"; }) }, "copy");
  return [
    ...(formulas.length ? block("formula", ...formulas.map((formula) => make("p", { class: "formula" }, formula))) : []),
    make("p", { class: "hint", style: "margin-top:.8rem" }, `The number is recorded, but its arithmetic ${missing ? `takes ${missing} and more, which are` : "is"} not on this page. This shows it:`),
    make("pre", {}, foreign(command)),
    copy,
  ];
}

function emptyInspector() {
  inspector.classList.add("empty");
  inspector.replaceChildren(
    make("h2", {}, "Where does a number come from?"),
    make("p", { class: "hint", style: "margin-top:.5rem" }, "Click a number. Here you then see the formula, the arithmetic with its numbers, and every number that went into it; click one of those, and so walk back to the input, or from a gradient to the loss."),
  );
}
