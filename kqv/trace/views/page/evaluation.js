// The arithmetic of a number, worked out from the stored numbers that it was made of, as the terminal shows it.

const TERMS = 6; // of a longer sum so many of the largest are written out
const TOLERANCE = 1e-5; // how far a number may be from its arithmetic, as a share of Σ|terms|

/** An operand of an operation: a named tensor, or a view of one; it reads elements by the view's own index. */
class Operand {
  constructor(view) {
    this.view = view;
    this.tensor = BY_NAME.get(view.tensor);
    this.numbers = this.tensor ? numbersOf(this.tensor, "forward") : null;
  }

  /** The index in the named tensor. */
  origin(index) {
    let position = this.view.offset;
    index.forEach((at, axis) => { position += at * this.view.strides[axis]; });
    const found = [];
    for (let axis = this.tensor.sizes.length - 1; axis >= 0; axis--) {
      found.unshift(position % this.tensor.sizes[axis]);
      position = Math.floor(position / this.tensor.sizes[axis]);
    }
    return found;
  }

  /** One element: its cell, and its number; undefined where the page does not hold it. */
  element(index) {
    const origin = this.origin(index);
    return { cell: () => cellText("forward", this.tensor, origin), meaning: () => meaningOf(this.tensor, origin), value: this.numbers.at(origin) };
  }

  /** The element for an index of the result, whose leading axes this operand may lack or have with one position. */
  broadcast(index) {
    const { sizes } = this.view;
    return this.element(sizes.map((size, axis) => (size === 1 ? 0 : index[index.length - sizes.length + axis])));
  }

  get isWhole() {
    return !!this.numbers && !this.numbers.isCut;
  }
}

function operandsOf(tensor) {
  tensor.operands ??= tensor.made.operands.map((view) => view && new Operand(view));
  return tensor.operands;
}

/** Each operation: the elements that one number takes, and the arithmetic with them. */
const OPERATIONS = {
  given: { take: () => [], work: () => ({ value: null, text: "", from: [], size: 0 }) },
  moved: { take: ([x], index) => [[x.element(index)]], work: ([[x]]) => plain(x.value, shown(x), [x]) },
  scale: { take: ([x], index) => [[x.element(index)]], work: ([[x]], { factor }) => plain(x.value * factor, `${shown(x)}·${signed(factor)}`, [x]) },
  add: { take: (operands, index) => [operands.map((operand) => operand.broadcast(index))], work: ([parts]) => sum(parts.map((part) => [part])) },
  multiply: { take: (operands, index) => [operands.map((operand) => operand.broadcast(index))], work: ([parts]) => sum([parts]) },
  mask: {
    take: ([x, allowed], index) => [[x.broadcast(index)], [allowed.broadcast(index)]],
    work: ([[x], [allowed]]) => (allowed.value ? plain(x.value, `${shown(x)} because allowed = 1`, [x, allowed]) : plain(-Infinity, "−∞ because allowed = 0", [allowed])),
  },
  softmax: {
    last: ([x], index) => [x.element([...index.slice(0, -1), x.view.sizes.at(-1) - 1])],
    take: ([x], index) => { const at = index.slice(); return [range(x.view.sizes.at(-1)).map((key) => { at[at.length - 1] = key; return x.element(at); }), [x.element(index)]]; },
    work: ([row, [own]]) => softmax(row, own),
  },
  matmul: {
    last: ([a, b], index) => product(a, b, index, a.view.sizes.at(-1) - 1),
    take: ([a, b], index) => range(a.view.sizes.at(-1)).map((inner) => product(a, b, index, inner)),
    work: (terms) => sum(terms),
  },
  linear: {
    last: ([x, weight], index) => [x.element([...index.slice(0, -1), weight.view.sizes[1] - 1]), weight.element([index.at(-1), weight.view.sizes[1] - 1])],
    take: ([x, weight, bias], index) => {
      const [lead, out] = [index.slice(0, -1), index.at(-1)];
      const terms = range(weight.view.sizes[1]).map((inner) => [x.element([...lead, inner]), weight.element([out, inner])]);
      return bias ? [...terms, [bias.element([out])]] : terms;
    },
    work: (terms, options, hasBias) => sum(terms, hasBias ? 1 : 0),
  },
};

/** The two factors of one term of a product of matrices, which may have leading axes in common. */
function product(a, b, index, inner) {
  const lead = (operand) => operand.view.sizes.slice(0, -2).map((size, axis, all) => (size === 1 ? 0 : index[index.length - 2 - all.length + axis]));
  return [a.element([...lead(a), index.at(-2), inner]), b.element([...lead(b), inner, index.at(-1)])];
}

/** Whether this page can tell the arithmetic of a number. */
function answers(tensor, phase, index) {
  if (DATA.cells[cellText(phase, tensor, index)]) return true;
  if (phase !== "forward" || !canWorkOut(tensor)) return false;
  const operands = operandsOf(tensor);
  if (operands.every((operand) => !operand || operand.isWhole)) return true;
  const last = OPERATIONS[tensor.made.operation].last?.(operands, index) ?? []; // what is cut off mostly stands last
  return last.every(({ value }) => value !== undefined) && elementsOf(tensor, index).flat().every(({ value }) => value !== undefined);
}

/** Whether every number of a tensor that the page holds can be told. */
function answersAll(tensor, phase) {
  return DATA.everything || phase === "forward" && canWorkOut(tensor) && operandsOf(tensor).every((operand) => !operand || operand.isWhole);
}

function canWorkOut(tensor) {
  return !!tensor.made && operandsOf(tensor).every((operand) => !operand || operand.numbers);
}

function elementsOf(tensor, index) {
  return OPERATIONS[tensor.made.operation].take(operandsOf(tensor), index);
}

/** The explanation of a number in the form of the stored ones; null where the page lacks something that it needs. */
function workOut(tensor, phase, index) {
  if (phase !== "forward" || !canWorkOut(tensor)) return null;
  const value = numbersOf(tensor, "forward").at(index);
  const elements = elementsOf(tensor, index);
  if (value === undefined || elements.flat().some((element) => element.value === undefined)) return null;
  const found = OPERATIONS[tensor.made.operation].work(elements, tensor.made.options, !!operandsOf(tensor)[2]);
  const told = { moved: `the same number, moved here by ${tensor.origin}`, given: `given: ${{ parameter: "a weight", buffer: "a constant" }[tensor.kind] ?? "an input"} of the model, nothing in this pass computed it` };
  const sources = found.from.filter((element, place, all) => all.findIndex((other) => other.cell() === element.cell()) === place);
  return {
    value, symbol: tensor.symbol, meaning: meaningOf(tensor, index), heading: tensor.origin, location: tensor.location,
    formula: told[tensor.made.operation] ?? tensor.formula,
    numbers: found.text, where: found.where ?? [], parts: [], tensors: [], "chosen by": [],
    from: sources.map((element) => ({ cell: element.cell(), value: element.value, meaning: element.meaning() })),
    ...(found.value === null ? { check: "", agrees: true, evaluated: value } : checked(value, found)),
  };
}

/** The arithmetic in double precision beside the recorded number. */
function checked(value, { value: evaluated, size }) {
  const difference = evaluated === value ? 0 : Math.abs(evaluated - value);
  const allowed = TOLERANCE * size;
  const agrees = difference <= allowed || difference === 0;
  const exact = Number.isFinite(evaluated) ? String(Number(evaluated.toPrecision(9))).replaceAll("-", "−") : number(evaluated);
  return { agrees, evaluated, check: `in float64 ${exact} · ${agrees ? "differs by" : "DISAGREES by"} ${short(difference)}, allowed 1e−5·Σ|terms| = ${short(allowed)}` };
}

function plain(value, text, from) {
  return { value, text, from, size: Math.abs(value) };
}

function shown(element) {
  return number(element.value);
}

/** A number as a later part of a sum or product: a negative one in brackets. */
function signed(value) {
  return value < 0 ? `(${number(value)})` : number(value);
}

/** Σ of products: the largest terms in their order, the rest as one number; the last `apart` terms always stand there. */
function sum(terms, apart = 0) {
  const values = terms.map((factors) => factors.reduce((product, { value }) => product * value, 1));
  const chosen = largest(values, values.length <= TERMS + 1 ? values.length : TERMS);
  for (let last = values.length - apart; last < values.length; last++) chosen.add(last);
  const written = [...chosen].sort((a, b) => a - b);
  const texts = written.map((place, order) => {
    const text = terms[place].map((element, at) => (at ? signed(element.value) : shown(element))).join("·");
    return order && terms[place][0].value < 0 ? `(${text})` : text;
  });
  const rest = values.reduce((total, value, place) => (chosen.has(place) ? total : total + value), 0);
  if (written.length < values.length) texts.push(`[${values.length - written.length} more: ${number(rest)}]`);
  return {
    value: values.reduce((total, value) => total + value, 0), size: values.reduce((total, value) => total + Math.abs(value), 0),
    text: texts.join(" + "), from: written.flatMap((place) => terms[place]),
  };
}

function softmax(row, own) {
  const values = row.map(({ value }) => value);
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (most === -Infinity) return { value: 0, text: "0 because nothing is allowed", from: row.slice(0, TERMS), size: 0 };
  const powers = values.map((value) => Math.exp(value - most));
  const total = powers.reduce((a, b) => a + b, 0);
  const written = [...largest(powers, powers.length <= TERMS + 1 ? powers.length : TERMS)].sort((a, b) => a - b);
  const rest = powers.reduce((sumOfRest, power, place) => (written.includes(place) ? sumOfRest : sumOfRest + power), 0);
  const terms = written.map((place) => `exp(${number(values[place])} − ${signed(most)})`);
  if (written.length < powers.length) terms.push(`[${powers.length - written.length} more: ${number(rest)}]`);
  const value = Math.exp(own.value - most) / total;
  const reach = own.value === -Infinity ? 1 : 1 + Math.abs(own.value) + Math.abs(most); // a rounding of the exponent counts so often
  return {
    value, size: value * reach, text: `exp(${number(own.value)} − ${signed(most)})/${number(total)}`,
    where: [["max", `the largest of ${values.length} = ${number(most)}`], ["Σexp", `${terms.join(" + ")} = ${number(total)}`]],
    from: [own, ...written.map((place) => row[place])],
  };
}

/** The positions of so many of the largest numbers by size. */
function largest(values, count) {
  return new Set(values.map((value, place) => [Math.abs(value), place]).sort((a, b) => b[0] - a[0]).slice(0, count).map(([, place]) => place));
}
