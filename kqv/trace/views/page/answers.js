// The arithmetic of a number, worked out from the recorded numbers by the evaluator (cells.js), or stored with the page.

/** The numbers that an optimizer remembered, by the names that they have in an update. */
const REMEMBERED = new Map(Object.entries(DATA.remembered).map(([name, stored]) => {
  if ("all" in stored) return [name, { isCut: false, reader: () => stored.all }];
  const { sizes, dimensions } = DATA.answers.others[name];
  return [name, new Numbers({ name, sizes, dimensions, update: stored }, "update")];
}));

function heldNumbers(phase, name) {
  const tensor = BY_NAME.get(name);
  return (tensor && numbersOf(tensor, phase)) ?? (phase === "update" ? REMEMBERED.get(name) : undefined);
}

const ANSWERS = new Cells.Answers(DATA.answers, (name) => BY_NAME.get(name), {
  reader: (phase, name) => { const numbers = heldNumbers(phase, name); return numbers && ((position) => numbers.reader(position)); },
  isWhole: (phase, name) => heldNumbers(phase, name)?.isCut === false,
});

/** Whether this page can tell the arithmetic of a number. */
function answers(tensor, phase, index) {
  return cellText(phase, tensor, index) in DATA.cells || ANSWERS.explains(phase, tensor.name, index);
}

/** Whether every number of a tensor that the page holds can be told. */
function answersAll(tensor, phase) {
  return ANSWERS.explainsAll(phase, tensor.name);
}

/** The explanation of a number in the form of the stored ones; or which number it takes that is not here. */
function workOut(tensor, phase, index) {
  let found;
  try {
    found = ANSWERS.explain(phase, tensor.name, index);
  } catch (missing) {
    if (!(missing instanceof Cells.Missing)) throw missing;
    return { missing: missing.cell };
  }
  if (!found) return {};
  for (const piece of [found, ...found.parts]) {
    piece.from = piece.from.map((source) => ({ ...source, meaning: meaningOfCell(source.cell) }));
    piece["chosen by"] = piece["chosen by"].map((cell) => ({ cell, meaning: meaningOfCell(cell) }));
  }
  return { told: { ...found, symbol: tensor.symbol, meaning: meaningOf(tensor, index) } };
}

function meaningOfCell(cell) {
  const found = readCell(cell);
  return found ? meaningOf(found.tensor, found.index) : "";
}
