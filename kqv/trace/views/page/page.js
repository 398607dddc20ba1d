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
  const positions = [tensor.location, tensor["named at"] !== tensor.location && tensor["named at"] ? `named at ${tensor["named at"]}` : ""].filter(Boolean).join(" · ");
  const maps = make("div", { class: "maps" });
  const element = make(
    "article", { class: "tensor", id: `tensor-${DATA.tensors.indexOf(tensor)}` },
    make("h3", {}, make("span", {}, own), tensor.symbol ? make("span", { class: "symbol" }, tensor.symbol) : "", dimensionChips(tensor)),
    make("p", { class: "made" }, make("span", { class: "by" }, tensor.kind === "parameter" ? "a weight" : tensor.origin), make("span", { class: "formula" }, tensor.formula), options.length ? make("span", { class: "by" }, ` with ${options.join(", ")}`) : ""),
    ...tensor["gradient formulas"].map(({ use, formula }) => make("p", { class: "made gradient-formula" }, make("span", { class: "by" }, `as ${use}`), formula)),
    tensor.update ? make("p", { class: "made gradient-formula" }, make("span", { class: "by" }, `updated by ${tensor.update.rule}`), tensor.update.formula) : "",
    make("p", { class: "where" }, [positions, ...numbersLine(tensor), tensor.aliases.length ? `also ${tensor.aliases.join(", ")}` : "", tensor.meaning].filter(Boolean).join(" · ")),
    maps,
  );
  const entry = { tensor, element, maps: [], fill: () => fill(entry, maps) };
  cards.set(tensor.name, entry);
  return entry;
}

/** Draw a card's pictures; done when it first comes into view. */
function fill(entry, position) {
  if (entry.filled) return;
  entry.filled = true;
  const { tensor } = entry;
  const phases = [["forward", "value", tensor.summary], ["backward", "gradient ∂C", tensor["gradient summary"]], ["update", "after the update", tensor.update?.summary]];
  for (const [phase, words, summary] of phases) {
    const numbers = numbersOf(tensor, phase);
    if (!numbers || !numbers.data.length) continue;
    if (tensor.undrawn.includes(FIELD[phase])) {
      position.append(make("p", { class: "cut" }, `${words}: ${counted(numbers.data.length, "number")} that others' arithmetic takes; they are not drawn, since their own takes numbers that are not on this page.`));
      continue;
    }
    if (numbers.data.length === 1) {
      const index = tensor.sizes.map(() => 0);
      const word = meaningOf(tensor, index);
      position.append(make("figure", { class: "map" }, make("figcaption", {}, make("b", {}, words)), make("button", { type: "button", class: "single", onclick: () => goTo(numbers.cell(index)) }, number(numbers.data[0])), word ? ` ${word}` : ""));
      continue;
    }
    const isRanked = tensor.dimensions.at(-1) === "vocab" && numbers.chosen.at(-1);
    const map = isRanked ? new Ranking(numbers, words, goTo) : new HeatMap(numbers, words, summary, goTo, DATA.everything);
    entry.maps.push(map);
    position.append(map.element);
    map.draw();
  }
}

function showPicture({ tensor, phase, index }) {
  const entry = cards.get(tensor.name);
  if (matchMedia("(max-width: 1020px)").matches) closeInspector();
  for (let around = entry.element.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  entry.fill();
  entry.maps.find((map) => map.numbers.phase === phase)?.showIndex(index);
  entry.element.scrollIntoView({ block: "start" });
  entry.element.classList.remove("found");
  void entry.element.offsetWidth;
  entry.element.classList.add("found");
}

const BLOCK = /^((?:\w+\.)+?\d+)(?:\.|$)/;

/** Tensors in their order, those of one module together and the modules of one block; weights come last. */
function groups() {
  const found = [];
  const activations = DATA.tensors.filter(({ kind }) => kind === "activation");
  const ordered = [...activations, ...DATA.tensors.filter(({ kind }) => kind !== "activation")];
  const nested = new Set(activations.filter(({ module }) => BLOCK.exec(module)?.[0].endsWith(".")).map(({ module }) => BLOCK.exec(module)[1]));
  for (const tensor of ordered) {
    const title = tensor.kind === "activation" ? tensor.module || "around the model" : "weights";
    const block = tensor.kind === "activation" && nested.has(BLOCK.exec(tensor.module)?.[1]) ? BLOCK.exec(tensor.module)[1] : "";
    if (found.at(-1)?.title !== title) found.push({ title, block, tensors: [] });
    found.at(-1).tensors.push(tensor);
  }
  return found;
}

function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function folding(title, note, isOpen, ...content) {
  return make("details", { class: "module", open: isOpen && "" }, make("summary", {}, make("span", { class: "path" }, title), make("small", {}, note)), ...content);
}

function build() {
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { watcher.unobserve(target); [...cards.values()].find((entry) => entry.element === target).fill(); }
  }, { rootMargin: "600px" });
  const isOpen = !DATA.texts.length || DATA.everything;
  const home = document.getElementById("tensors");
  const whole = new Set(DATA.blocks.whole);
  const others = DATA.blocks.all.filter((block) => !whole.has(block));
  const blocks = new Map();
  const rest = folding(`the other ${counted(others.length, "block")}`, "attention weights only", false, restNote(others));
  for (const { title, block, tensors } of groups()) {
    const entries = tensors.map(card);
    const details = folding(title, counted(tensors.length, "tensor"), isOpen || !!block, make("div", { class: "tensors" }, ...entries.map((entry) => entry.element)));
    for (const entry of entries) watcher.observe(entry.element);
    if (!block) { home.append(details); continue; }
    if (!blocks.has(block)) {
      blocks.set(block, folding(block, "", isOpen));
      (whole.has(block) ? home : rest).append(blocks.get(block));
      if (others.length && block === DATA.blocks.whole.at(-1)) home.append(rest);
    }
    blocks.get(block).classList.add("block");
    blocks.get(block).append(details);
  }
  for (const [block, details] of blocks) details.querySelector("small").textContent = whole.has(block) ? counted(details.querySelectorAll(".tensor").length, "tensor") : "attention weights only";
}

function restNote(blocks) {
  const names = blocks.length > 6 ? `${blocks.slice(0, 3).join(", ")} … ${blocks.at(-1)}` : blocks.join(", ");
  return make("p", { class: "cut" }, `${names} have the same tensors as the blocks above, with other numbers. To keep this page readable it holds only their attention weights; all of their numbers are written by `, make("code", {}, `${DATA.command} --export DIR`), ".");
}

function introduce() {
  const activations = DATA.tensors.filter((tensor) => tensor.kind === "activation").length;
  const gradients = DATA.tensors.some((tensor) => tensor.gradient);
  const updates = DATA.tensors.some((tensor) => tensor.update);
  document.getElementById("title").textContent = `${DATA.model ?? "Operations"}, number by number`;
  document.getElementById("lead").append(
    `One pass through the model: ${activations} tensors forward${gradients ? ", their gradients backward" : ""}${updates ? ", and the update of the weights" : ""}, recorded while it ran in ${DATA.training ? "training" : "evaluation"} mode. `,
    make("b", {}, DATA.everything ? "All of its numbers are below; click one to see the arithmetic that made it." : "Each square and each bar is one number; click it to see where it came from."),
    `${DATA.everything ? "" : " Where a number cannot tell, it says so beforehand."} Blue is negative, orange positive, and the stronger, the further from zero.`,
  );
  const starts = document.getElementById("starts");
  for (const { cell, words } of DATA.starts) starts.append(make("button", { type: "button", onclick: () => goTo(cell) }, make("small", {}, foreign(words)), make("code", {}, ...breakable(cell), ` = ${number(valueOf(cell) ?? "?")}`)));
  document.getElementById("foot").textContent = `Every number on this page is an element of a tensor that was recorded, or arithmetic with such elements. A square's colour shows the root of its size as a share of the largest (of attention weights the weight itself); struck-out squares are −∞ or no number.`;
}

function valueOf(cell) {
  const found = readCell(cell);
  return DATA.cells[cell]?.value ?? (found && numbersOf(found.tensor, found.phase)?.at(found.index));
}

function filter() {
  const wanted = document.getElementById("find").value.trim().toLowerCase();
  for (const { tensor, element } of cards.values()) element.hidden = !!wanted && ![tensor.name, tensor.symbol, tensor.origin, ...tensor.aliases].some((text) => text.toLowerCase().includes(wanted));
  for (const details of document.querySelectorAll(".module")) if (wanted && details.querySelector(".tensor:not([hidden])")) details.open = true;
  for (const details of document.querySelectorAll(".module")) details.hidden = [...details.querySelectorAll(".tensor")].every((element) => element.hidden);
}

function followHash() {
  const cell = decodeURIComponent(location.hash.slice(1));
  if (cell && (readCell(cell) || DATA.cells[cell])) inspect(cell);
  else emptyInspector();
}

introduce();
showTexts();
build();
if (DATA.everything) { document.body.classList.add("everything"); for (const entry of cards.values()) entry.fill(); }
followHash();
addEventListener("hashchange", followHash);
document.getElementById("find").addEventListener("input", filter);
for (const [id, open] of [["unfold", true], ["fold", false]]) document.getElementById(id).addEventListener("click", () => { for (const details of document.querySelectorAll(".module")) details.open = open; });
const redraw = () => { for (const entry of cards.values()) for (const map of entry.maps) map.draw(); for (const sentence of sentences) sentence.repaint(); };
darkness.addEventListener("change", redraw);
let resized;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(redraw, 150); });
