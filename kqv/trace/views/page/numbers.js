"use strict";
// The recorded numbers: decoding, positions and names of cells, and how a number is written.

const DATA = JSON.parse(document.getElementById("data").textContent);
const PREFIX = { forward: "", backward: "grad:", update: "update:" };
const FIELD = { forward: "value", backward: "gradient", update: "update" };
const BY_NAME = new Map();
for (const tensor of DATA.tensors) {
  for (const name of [tensor.name, ...tensor.aliases]) BY_NAME.set(name, tensor);
  // the words of a dimension are the number of a list that tensors share, or words for some positions alone
  for (const [name, words] of Object.entries(tensor["axis labels"])) if (typeof words === "number") tensor["axis labels"][name] = DATA.words[words];
}
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\uffff]/g;

/** A text of somebody else's: what cannot be seen, or turns the writing around, as its code. */
function foreign(text) {
  return text.replace(UNSEEN, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A token as one reads it: without the space before it, unless it is nothing else. */
function readable(token) {
  return foreign(token.replace(/^[␣ ]+/, "") || token.replace(/ /g, "␣"));
}

/** Make an element; everything from the data becomes text, never markup. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

/** Six significant digits, as in the terminal. */
function number(value) {
  if (typeof value === "string") return value;
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(6)))));
  let text;
  if (exponent < -4 || exponent >= 6) {
    const [digits, power] = value.toExponential(5).split("e");
    text = `${trimmed(digits)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  } else text = trimmed(value.toFixed(Math.min(20, 5 - exponent)));
  return text.replaceAll("-", "−");
}

function short(value) {
  return typeof value === "number" ? number(Number(value.toPrecision(3))) : value;
}

/** A number in at most six signs: `.12`, `−3.4e−5`. */
function tiny(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || value === 0 || Number.isInteger(value)) return short(value);
  const text = size < 0.001 ? value.toExponential(0) : size < 1 ? value.toFixed(3).replace("0.", ".") : size < 100 ? value.toFixed(size < 10 ? 2 : 1) : value.toFixed(0);
  return text.replaceAll("-", "−");
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** The numbers of a tensor in one phase: its value, its gradient, or its value after the update. */
class Numbers {
  constructor(tensor, phase) {
    this.tensor = tensor;
    this.phase = phase;
    const stored = tensor[FIELD[phase]];
    this.kept = stored.kept;
    const bytes = Uint8Array.from(atob(stored.data), (letter) => letter.charCodeAt(0));
    this.data = new Float32Array(bytes.buffer);
    this.isCut = this.kept.some((size, axis) => size < tensor.sizes[axis]);
    this.chosen = tensor.sizes.map((size, axis) => stored.at?.[axis] ?? null);
    this.places = this.chosen.map((positions) => positions && new Map(positions.map((position, place) => [position, place])));
  }

  /** The position that stands at a place of what is kept of an axis, and the other way round. */
  positionAt(axis, place) {
    return this.chosen[axis] ? this.chosen[axis][place] : place;
  }

  placeOf(axis, position) {
    if (this.places[axis]) return this.places[axis].get(position);
    return position < this.kept[axis] ? position : undefined;
  }

  /** The number at a position; undefined where the page does not hold it. */
  at(index) {
    let position = 0;
    for (let axis = 0; axis < index.length; axis++) {
      const place = this.placeOf(axis, index[axis]);
      if (place === undefined) return undefined;
      position = position * this.kept[axis] + place;
    }
    return this.data[position];
  }

  /** The same by the position counted row by row. */
  reader(position) {
    return this.isCut ? this.at(this.unflattened(position)) : this.data[position];
  }

  unflattened(position) {
    const { sizes } = this.tensor;
    const index = new Array(sizes.length);
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      index[axis] = position % sizes[axis];
      position = Math.floor(position / sizes[axis]);
    }
    return index;
  }

  cell(index) {
    return cellText(this.phase, this.tensor, index);
  }
}

const decoded = new Map();
function numbersOf(tensor, phase) {
  if (!tensor[FIELD[phase]]) return null;
  const key = `${phase} ${tensor.name}`;
  if (!decoded.has(key)) decoded.set(key, new Numbers(tensor, phase));
  return decoded.get(key);
}

/** A cell as it is typed: `scores[query=3, key=1]`. */
function cellText(phase, tensor, index) {
  const named = tensor.dimensions.length === index.length;
  const positions = index.map((position, axis) => (named ? `${tensor.dimensions[axis]}=${position}` : `${position}`));
  return PREFIX[phase] + tensor.name + (positions.length ? `[${positions.join(", ")}]` : "");
}

/** Phase, tensor and position of a cell's text; null for what is not a tensor of this page. */
function readCell(text) {
  const found = /^(?:(grad|update):)?([^[\]]+)(?:\[([^\]]*)\])?$/.exec(text);
  const tensor = found && BY_NAME.get(found[2]);
  if (!tensor) return null;
  const phase = { grad: "backward", update: "update" }[found[1]] ?? "forward";
  const index = found[3] ? found[3].split(",").map((position) => Number(position.split("=").pop())) : [];
  return index.length === tensor.sizes.length && index.every((position, axis) => position < tensor.sizes[axis]) ? { phase, tensor, index } : null;
}

/** What a position stands for, in the words that the trace was given. */
function meaningOf(tensor, index) {
  if (tensor.labels.length) {
    let position = 0;
    index.forEach((at, axis) => { position = position * tensor.sizes[axis] + at; });
    return `“${foreign(tensor.labels[position])}”`;
  }
  const words = tensor.dimensions.map((name, axis) => {
    const word = tensor["axis labels"][name]?.[index[axis]];
    return word ? `${name} “${foreign(word)}”` : "";
  });
  return words.filter(Boolean).join(", ");
}
