"use strict";
// The recorded numbers: decoding, places and names of cells, and how a number is written.

const DATA = JSON.parse(document.getElementById("data").textContent);
const PREFIX = { forward: "", backward: "grad:", update: "update:" };
const FIELD = { forward: "value", backward: "gradient", update: "update" };
const BY_NAME = new Map();
for (const tensor of DATA.tensors) for (const name of [tensor.name, ...tensor.aliases]) BY_NAME.set(name, tensor);

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
  }

  /** The number at a place; undefined where the page does not hold it. */
  at(index) {
    let place = 0;
    for (let axis = 0; axis < index.length; axis++) {
      if (index[axis] >= this.kept[axis]) return undefined;
      place = place * this.kept[axis] + index[axis];
    }
    return this.data[place];
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
  const places = index.map((place, axis) => (named ? `${tensor.dimensions[axis]}=${place}` : `${place}`));
  return PREFIX[phase] + tensor.name + (places.length ? `[${places.join(", ")}]` : "");
}

/** Phase, tensor and place of a cell's text; null for what is not a tensor of this page. */
function readCell(text) {
  const found = /^(?:(grad|update):)?([^[\]]+)(?:\[([^\]]*)\])?$/.exec(text);
  const tensor = found && BY_NAME.get(found[2]);
  if (!tensor) return null;
  const phase = { grad: "backward", update: "update" }[found[1]] ?? "forward";
  const index = found[3] ? found[3].split(",").map((place) => Number(place.split("=").pop())) : [];
  return index.length === tensor.sizes.length && index.every((place, axis) => place < tensor.sizes[axis]) ? { phase, tensor, index } : null;
}

/** What a place stands for, in the words that the trace was given. */
function meaningOf(tensor, index) {
  if (tensor.labels.length) {
    let place = 0;
    index.forEach((at, axis) => { place = place * tensor.sizes[axis] + at; });
    return `“${tensor.labels[place]}”`;
  }
  const words = tensor.dimensions.map((name, axis) => {
    const word = tensor["axis labels"][name]?.[index[axis]];
    return word ? `${name} “${word}”` : "";
  });
  return words.filter(Boolean).join(", ");
}
