// The page: modules that can be folded, a card for each tensor, and where to begin.

const cards = new Map();

function dimensionChips(tensor) {
  if (!tensor.sizes.length) return make("span", { class: "dimensions" }, make("span", {}, "one number"));
  const chips = tensor.sizes.map((size, axis) => {
    const name = tensor.dimensions[axis];
    return make("span", { title: name ? `${name}: ${DATA.dimensions[name] ?? ""}` : "nobody named this axis" }, name ? `${name} ` : "", make("b", {}, String(size)));
  });
  return make("span", { class: "dimensions" }, ...chips);
}

function numbersLine(tensor) {
  const { summary } = tensor;
  const parts = [];
  if (!summary) parts.push("changed in place since it was recorded: the numbers are lost");
  else if (!summary.count) parts.push("empty");
  else if (summary.mean !== null && summary.count > 1) parts.push(`mean ${short(summary.mean)}`);
  for (const [name, sign] of [["minus_infinity", "−∞"], ["plus_infinity", "∞"], ["not_a_number", "NaN"]]) if (summary?.[name]) parts.push(`${summary[name]} × ${sign}`);
  const gradient = tensor["gradient summary"];
  if (gradient?.rms !== null && gradient?.rms !== undefined && gradient.count > 1) parts.push(`gradient rms ${short(gradient.rms)}`);
  return parts;
}

function card(tensor) {
  const own = tensor.kind === "activation" && tensor.module ? tensor.name.slice(tensor.module.length + 1) : tensor.name;
  const options = Object.entries(tensor.options).map(([name, value]) => `${name} = ${typeof value === "number" ? number(value) : value}`);
  const places = [tensor.location, tensor["named at"] !== tensor.location && tensor["named at"] ? `named at ${tensor["named at"]}` : ""].filter(Boolean).join(" · ");
  const maps = make("div", { class: "maps" });
  const element = make(
    "article", { class: "tensor", id: `tensor-${DATA.tensors.indexOf(tensor)}` },
    make("h3", {}, make("span", {}, own), tensor.symbol ? make("span", { class: "symbol" }, tensor.symbol) : "", dimensionChips(tensor)),
    make("p", { class: "made" }, make("span", { class: "by" }, tensor.kind === "parameter" ? "a weight" : tensor.origin), make("span", { class: "formula" }, tensor.formula), options.length ? make("span", { class: "by" }, ` with ${options.join(", ")}`) : ""),
    ...tensor["gradient formulas"].map(({ use, formula }) => make("p", { class: "made gradient-formula" }, make("span", { class: "by" }, `as ${use}`), formula)),
    tensor.update ? make("p", { class: "made gradient-formula" }, make("span", { class: "by" }, `updated by ${tensor.update.rule}`), tensor.update.formula) : "",
    make("p", { class: "where" }, [places, ...numbersLine(tensor), tensor.aliases.length ? `also ${tensor.aliases.join(", ")}` : "", tensor.meaning].filter(Boolean).join(" · ")),
    maps,
  );
  const entry = { tensor, element, maps: [], fill: () => fill(entry, maps) };
  cards.set(tensor.name, entry);
  return entry;
}

/** Draw a card's pictures; done when it first comes into view. */
function fill(entry, place) {
  if (entry.filled) return;
  entry.filled = true;
  const { tensor } = entry;
  const phases = [["forward", "value", tensor.summary], ["backward", "gradient ∂C", tensor["gradient summary"]], ["update", "after the update", tensor.update?.summary]];
  for (const [phase, words, summary] of phases) {
    const numbers = numbersOf(tensor, phase);
    if (!numbers || !numbers.data.length) continue;
    if (numbers.data.length === 1) {
      const index = tensor.sizes.map(() => 0);
      const word = meaningOf(tensor, index);
      place.append(make("figure", { class: "map" }, make("figcaption", {}, make("b", {}, words)), make("button", { type: "button", class: "single", onclick: () => goTo(numbers.cell(index)) }, number(numbers.data[0])), word ? ` ${word}` : ""));
      continue;
    }
    const map = new HeatMap(numbers, words, summary, goTo);
    entry.maps.push(map);
    place.append(map.element);
    map.draw();
  }
}

function showPicture({ tensor, phase, index }) {
  const entry = cards.get(tensor.name);
  if (matchMedia("(max-width: 1020px)").matches) closeInspector();
  entry.element.closest("details").open = true;
  entry.fill();
  entry.maps.find((map) => map.numbers.phase === phase)?.showIndex(index);
  entry.element.scrollIntoView({ block: "start" });
  entry.element.classList.remove("found");
  void entry.element.offsetWidth;
  entry.element.classList.add("found");
}

/** Tensors in their order, those of one module together; weights come last. */
function groups() {
  const found = [];
  const ordered = [...DATA.tensors.filter((tensor) => tensor.kind === "activation"), ...DATA.tensors.filter((tensor) => tensor.kind !== "activation")];
  for (const tensor of ordered) {
    const title = tensor.kind === "activation" ? tensor.module || "around the model" : "weights";
    if (found.at(-1)?.title !== title) found.push({ title, tensors: [] });
    found.at(-1).tensors.push(tensor);
  }
  return found;
}

function build() {
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { watcher.unobserve(target); [...cards.values()].find((entry) => entry.element === target).fill(); }
  }, { rootMargin: "600px" });
  for (const { title, tensors } of groups()) {
    const entries = tensors.map(card);
    const count = `${tensors.length} tensor${tensors.length === 1 ? "" : "s"}`;
    const details = make("details", { class: "module", open: "" }, make("summary", {}, make("span", { class: "path" }, title), make("small", {}, count)), ...entries.map((entry) => entry.element));
    document.getElementById("tensors").append(details);
    for (const entry of entries) watcher.observe(entry.element);
  }
}

function introduce() {
  const activations = DATA.tensors.filter((tensor) => tensor.kind === "activation").length;
  const gradients = DATA.tensors.some((tensor) => tensor.gradient);
  const updates = DATA.tensors.some((tensor) => tensor.update);
  document.getElementById("title").textContent = `${DATA.model ?? "Operations"}, number by number`;
  document.getElementById("lead").append(
    `One pass through the model: ${activations} tensors forward${gradients ? ", their gradients backward" : ""}${updates ? ", and the update of the weights" : ""}, recorded while it ran in ${DATA.training ? "training" : "evaluation"} mode. `,
    make("b", {}, "Each square is one number; click it to see where it came from."),
    " Blue is negative, orange positive, and the stronger, the further from zero.",
  );
  const starts = document.getElementById("starts");
  for (const { cell, words } of DATA.starts) starts.append(make("button", { type: "button", onclick: () => goTo(cell) }, make("small", {}, words), make("code", {}, `${cell} = ${number(DATA.cells[cell]?.value ?? "?")}`)));
  document.getElementById("foot").textContent = `Every number on this page is an element of a tensor that was recorded, or arithmetic with such elements. The page holds the arithmetic of ${Object.keys(DATA.cells).length} cells. A square's colour shows the root of its size as a share of the largest; struck-out squares are −∞ or no number.`;
}

function filter() {
  const wanted = document.getElementById("find").value.trim().toLowerCase();
  for (const { tensor, element } of cards.values()) element.hidden = !!wanted && ![tensor.name, tensor.symbol, tensor.origin, ...tensor.aliases].some((text) => text.toLowerCase().includes(wanted));
  for (const details of document.querySelectorAll(".module")) details.hidden = [...details.querySelectorAll(".tensor")].every((element) => element.hidden);
}

function followHash() {
  const cell = decodeURIComponent(location.hash.slice(1));
  if (cell && (readCell(cell) || DATA.cells[cell])) inspect(cell);
  else emptyInspector();
}

introduce();
build();
followHash();
addEventListener("hashchange", followHash);
document.getElementById("find").addEventListener("input", filter);
for (const [id, open] of [["unfold", true], ["fold", false]]) document.getElementById(id).addEventListener("click", () => { for (const details of document.querySelectorAll(".module")) details.open = open; });
const redraw = () => { for (const entry of cards.values()) for (const map of entry.maps) map.draw(); };
darkness.addEventListener("change", redraw);
let resized;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(redraw, 150); });
