// A tensor as a picture: one square for each number, read by pointing, or with the arrow keys.

const LIGHT = { negative: [33, 102, 172], zero: [247, 246, 243], positive: [190, 62, 24], odd: "#8a8f96", grid: "#00000010" };
const DARK = { negative: [88, 166, 240], zero: [32, 37, 43], positive: [244, 150, 96], odd: "#6d757e", grid: "#ffffff10" };
const darkness = matchMedia("(prefers-color-scheme: dark)");

function palette() {
  return darkness.matches ? DARK : LIGHT;
}

/** Blue for negative, orange for positive, as strong as the root of the number's share of the largest (`even`: as the
 * share itself). */
function colour(value, largest, gray, even) {
  const colours = palette();
  if (!Number.isFinite(value)) return colours.odd;
  if (gray) {
    const level = Math.round((darkness.matches ? value / largest : 1 - value / largest) * 235 + 12);
    return `rgb(${level} ${level} ${level})`;
  }
  const part = largest ? Math.min(1, Math.abs(value) / largest) : 0;
  const share = even ? part : Math.sqrt(part);
  const end = value < 0 ? colours.negative : colours.positive;
  return `rgb(${colours.zero.map((from, at) => Math.round(from + (end[at] - from) * share)).join(" ")})`;
}

/** All axes at once: the last one to the right, the others below each other. */
function stacked({ kept }) {
  const last = kept.length - 1;
  const position = (row, column) => {
    const places = [column];
    for (let axis = last - 1; axis >= 0; axis--) { places.unshift(row % kept[axis]); row = Math.floor(row / kept[axis]); }
    return places;
  };
  const rows = kept.slice(0, last).reduce((product, size) => product * size, 1);
  return { rows, columns: kept[last], leads: [], folded: false, position, axes: range(last + 1) };
}

/** Which two axes lie on the paper, and which are chosen by a list above it. */
function layoutOf(numbers, isStacked) {
  if (isStacked) return stacked(numbers);
  const { tensor, kept } = numbers;
  const last = kept.length - 1;
  const picture = DATA.picture;
  const foldable = ["in", "pixel"].includes(tensor.dimensions[last]) && picture && kept[last] === picture[0] * picture[1] && !numbers.isCut;
  if (foldable) return { rows: picture[0], columns: picture[1], leads: range(last), folded: true, position: (row, column) => [row * picture[1] + column], axes: [last] };
  if (last === 0 || (kept[last - 1] === 1 && kept[last] > 48)) {
    const columns = Math.min(kept[last], 48);
    return { rows: Math.ceil(kept[last] / columns), columns, leads: range(last), folded: kept[last] > columns, position: (row, column) => [row * columns + column], axes: [last] };
  }
  return { rows: kept[last - 1], columns: kept[last], leads: range(last - 1), folded: false, position: (row, column) => [row, column], axes: [last - 1, last] };
}

function isWide({ rows, columns }) {
  return columns > 64 || (columns > 24 && rows <= 16);
}

function range(count) {
  return [...Array(count).keys()];
}

class HeatMap {
  constructor(numbers, caption, summary, pick, isStacked = false) {
    this.numbers = numbers;
    this.pick = pick;
    this.isStacked = isStacked; // all of its axes are drawn, and its numbers are written into the squares
    this.layout = layoutOf(numbers, isStacked);
    this.lead = this.layout.leads.map(() => 0); // places of what is kept, as rows and columns are
    this.cursor = null;
    this.answersAll = answersAll(numbers.tensor, numbers.phase);
    this.known = new Map(); // which squares tell their arithmetic
    this.summary = summary ?? {};
    const ends = [this.summary.minimum ?? 0, this.summary.maximum ?? 0].map(Math.abs);
    this.even = numbers.phase === "forward" && numbers.tensor.origin === "softmax"; // shares of 1 are shown as they are
    this.largest = this.even ? 1 : Math.max(...ends);
    this.gray = numbers.phase === "forward" && numbers.tensor.dimensions.slice(-2).join() === "row,column" && (this.summary.minimum ?? -1) >= 0;
    this.canvas = make("canvas", { tabindex: 0, role: "application", "aria-label": `${caption} of ${numbers.tensor.name}: arrow keys move, Enter explains` });
    this.output = make("output", { "aria-live": "polite" });
    this.element = make("figure", { class: isWide(this.layout) ? "map wide" : "map" }, this.caption(caption), make("div", { class: "scroll" }, this.canvas), this.output, this.cutNote(), this.answerNote());
    this.listen();
  }

  caption(words) {
    const { tensor, kept } = this.numbers;
    const { axes, folded } = this.layout;
    const drawn = axes.length > 2 ? axes.filter((axis) => kept[axis] > 1 || axis === axes.at(-1)) : axes;
    const names = drawn.map((axis) => tensor.dimensions[axis] ?? `axis ${axis}`);
    const paper = names.length > 2 ? `${names.slice(0, -1).join(" · ")} ↓ ${names.at(-1)} →` : folded ? `${names[0]}, row by row` : names.length === 2 && kept[drawn[0]] > 1 ? `${names[0]} ↓ ${names[1]} →` : `${names.at(-1)} →`;
    const caption = make("figcaption", {}, make("b", {}, words), paper);
    this.selects = this.layout.leads.map((axis, at) => {
      const select = make("select", { "aria-label": tensor.dimensions[axis] ?? `axis ${axis}`, onchange: () => { this.lead[at] = Number(select.value); this.draw(); } });
      select.append(...range(kept[axis]).map((place) => make("option", { value: place }, `${this.numbers.positionAt(axis, place)}${this.word(axis, this.numbers.positionAt(axis, place))}`)));
      if (kept[axis] > 1) caption.append(make("label", {}, `${tensor.dimensions[axis] ?? `axis ${axis}`} `, select));
      return select;
    });
    this.scale = make("i");
    const { minimum, maximum } = this.summary;
    if (minimum !== null && minimum !== undefined) caption.append(make("span", { class: "scale", title: "the smallest and the largest number" }, short(minimum), this.scale, short(maximum)));
    return caption;
  }

  word(axis, position) {
    const { tensor } = this.numbers;
    const word = tensor["axis labels"][tensor.dimensions[axis]]?.[position];
    return word ? ` “${foreign(word)}”` : "";
  }

  /** Which squares tell where they came from; said before anybody clicks. */
  answerNote() {
    if (this.answersAll) return make("p", { class: "answers" }, "Each square tells its arithmetic.");
    const { tensor, phase } = this.numbers;
    const stored = Object.keys(DATA.cells).some((cell) => { const found = readCell(cell); return found && found.tensor === tensor && found.phase === phase; });
    const first = tensor.sizes.map((_, axis) => this.numbers.positionAt(axis, 0));
    return make("p", { class: "answers some" }, stored || this.answers(first) ? "Squares with a dot tell their arithmetic; the others are numbers only." : "Numbers only: their arithmetic takes numbers that are not on this page.");
  }

  cutNote() {
    const { tensor, kept, isCut } = this.numbers;
    if (!isCut) return "";
    const parts = kept.map((size, axis) => (size < tensor.sizes[axis] ? `${this.numbers.chosen[axis] ? "" : "the first "}${size} of ${tensor.sizes[axis].toLocaleString("en")} positions of ${tensor.dimensions[axis] ?? `axis ${axis}`}` : "")).filter(Boolean);
    return make("p", { class: "cut" }, `This page holds ${parts.join(" and ")}.`);
  }

  index(row, column) {
    const places = this.layout.position(row, column);
    const { axes, leads } = this.layout;
    if (axes.length === 1 && places[0] >= this.numbers.kept[axes[0]]) return null;
    const all = [...leads, ...axes];
    return [...this.lead, ...places].map((place, at) => this.numbers.positionAt(all[at], place));
  }

  /** Words along the two sides, where the trace has some and the squares are large enough. */
  sideWords() {
    const { axes, folded, rows, columns } = this.layout;
    const { tensor } = this.numbers;
    const words = (axis, count) => {
      const known = axis === undefined || count > 40 || folded ? undefined : tensor["axis labels"][tensor.dimensions[axis]];
      return known ? range(count).map((place) => readable(known[this.numbers.positionAt(axis, place)] ?? "")) : [];
    };
    if (this.isStacked) return [this.stackedWords(), words(axes.at(-1), columns)];
    return axes.length === 2 ? [words(axes[0], rows), words(axes[1], columns)] : [[], words(axes[0], columns)];
  }

  /** Beside each row of a picture of all axes: the words of the token, else the position, along each axis. */
  stackedWords() {
    const { axes, rows, position } = this.layout;
    const { tensor, kept } = this.numbers;
    const named = axes.slice(0, -1).filter((axis) => kept[axis] > 1);
    return range(rows).map((row) => named.map((axis) => readable(tensor["axis labels"][tensor.dimensions[axis]]?.[position(row, 0)[axis]] ?? `${position(row, 0)[axis]}`)).join(" "));
  }

  answers(index) {
    if (this.answersAll) return true;
    const key = index.join();
    if (!this.known.has(key)) this.known.set(key, answers(this.numbers.tensor, this.numbers.phase, index));
    return this.known.get(key);
  }

  draw() {
    const { rows, columns } = this.layout;
    const [rowWords, columnWords] = this.sideWords();
    const room = Math.min(720, Math.max(220, (this.element.clientWidth || 560) - 4));
    const most = rowWords.length || columnWords.length ? 20 : rows * columns <= 64 ? 26 : 16;
    const context = this.canvas.getContext("2d");
    context.font = "12px system-ui, sans-serif";
    const width = (words) => Math.min(110, Math.max(0, ...words.map((word) => context.measureText(word).width)) + (words.length ? 8 : 0));
    this.left = width(rowWords);
    this.top = width(columnWords);
    const fitting = Math.min(most, Math.floor((room - this.left) / columns), Math.max(5, Math.floor(420 / rows)));
    const least = (words) => (words.length ? 14 : 3); // words need room, if the tensor has to be scrolled for it
    this.wide = Math.max(least(columnWords), fitting);
    this.high = Math.max(least(rowWords), fitting);
    if (this.isStacked) [this.wide, this.high] = [37, 15];
    this.size = Math.min(this.wide, this.high);
    const density = window.devicePixelRatio || 1;
    const [w, h] = [this.left + columns * this.wide + 1, this.top + rows * this.high + 1];
    Object.assign(this.canvas, { width: w * density, height: h * density });
    Object.assign(this.canvas.style, { width: `${w}px`, height: `${h}px` });
    context.scale(density, density);
    this.paintWords(context, rowWords, columnWords);
    this.paintSquares(context, rows, columns);
    const colours = palette();
    const rgb = (parts) => `rgb(${parts.join(" ")})`;
    this.scale.style.background = this.gray ? `linear-gradient(90deg, ${colour(0, 1, true)}, ${colour(1, 1, true)})` : this.gradientBar(colours, rgb);
  }

  gradientBar(colours, rgb) {
    const stops = [this.summary.minimum ?? 0, this.summary.maximum ?? 0];
    const parts = range(9).map((step) => colour(stops[0] + ((stops[1] - stops[0]) * step) / 8, this.largest, false, this.even));
    return this.largest ? `linear-gradient(90deg, ${parts.join(", ")})` : rgb(colours.zero);
  }

  paintWords(context, rowWords, columnWords) {
    context.fillStyle = getComputedStyle(document.body).color;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    rowWords.forEach((word, row) => context.fillText(word, this.left - 5, this.top + (row + 0.5) * this.high, this.left - 6));
    context.textAlign = "left";
    columnWords.forEach((word, column) => {
      context.save();
      context.translate(this.left + (column + 0.5) * this.wide, this.top - 4);
      context.rotate(-Math.PI / 2);
      context.fillText(word, 0, 0, this.top - 6);
      context.restore();
    });
  }

  paintSquares(context, rows, columns) {
    const gap = this.size >= 8 ? 1 : 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const index = this.index(row, column);
        if (!index) continue;
        const value = this.numbers.at(index);
        const [x, y] = [this.left + column * this.wide, this.top + row * this.high];
        context.fillStyle = colour(value, this.largest, this.gray, this.even);
        context.fillRect(x, y, this.wide - gap, this.high - gap);
        if (this.isStacked) { this.paintNumber(context, x, y, value); continue; }
        if (!Number.isFinite(value) && this.size >= 6) this.paintOdd(context, x, y, this.wide - gap, this.high - gap);
        if (!this.answersAll && this.size >= 5 && this.answers(index)) this.paintDot(context, x, y, this.wide - gap, this.high - gap, value);
      }
    }
    if (this.cursor) {
      context.strokeStyle = getComputedStyle(document.body).color;
      context.lineWidth = 2;
      context.strokeRect(this.left + this.cursor[1] * this.wide - 0.5, this.top + this.cursor[0] * this.high - 0.5, this.wide, this.high);
    }
  }

  /** The number itself, as short as it can be read. */
  paintNumber(context, x, y, value) {
    const isStrong = Math.abs(value) / (this.largest || 1) > 0.35;
    context.fillStyle = isStrong === darkness.matches ? "#14171b" : isStrong ? "#ffffff" : getComputedStyle(document.body).color;
    context.font = "9px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.fillText(tiny(value), x + (this.wide - 1) / 2, y + this.high / 2, this.wide - 2);
  }

  /** A stroke through what is no finite number: −∞ of a masked score. */
  paintOdd(context, x, y, wide, high) {
    context.strokeStyle = palette() === DARK ? "#14171b" : "#fbfaf7";
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x + 1, y + high - 1);
    context.lineTo(x + wide - 1, y + 1);
    context.stroke();
  }

  /** A dot where the page holds the arithmetic. */
  paintDot(context, x, y, wide, high, value) {
    const strong = Math.abs(value) / (this.largest || 1) > 0.3;
    context.fillStyle = strong && !darkness.matches ? "#ffffffb0" : darkness.matches ? (strong ? "#00000090" : "#ffffff70") : "#00000060";
    context.beginPath();
    context.arc(x + wide / 2, y + high / 2, Math.min(1.8, wide / 5), 0, 7);
    context.fill();
  }

  show(row, column) {
    const index = this.index(row, column);
    if (!index) return;
    this.cursor = [row, column];
    const word = meaningOf(this.numbers.tensor, index);
    this.output.replaceChildren(...breakable(this.numbers.cell(index)), " = ", make("b", {}, number(this.numbers.at(index))), word ? `  ${word}` : "", this.answers(index) ? "" : " · number only");
    this.canvas.style.cursor = this.answers(index) ? "pointer" : "default";
    this.draw();
  }

  /** Bring a position into view, also on another page of the leading dimensions. */
  showIndex(index) {
    const { axes, leads, folded, columns } = this.layout;
    const places = index.map((position, axis) => this.numbers.placeOf(axis, position));
    if (places.includes(undefined)) return;
    leads.forEach((axis, at) => { this.lead[at] = places[axis]; this.selects[at].value = places[axis]; });
    const positions = axes.map((axis) => places[axis]);
    if (this.isStacked) this.show(positions.slice(0, -1).reduce((row, place, axis) => row * this.numbers.kept[axis] + place, 0), positions.at(-1));
    else if (positions.length === 2) this.show(positions[0], positions[1]);
    else this.show(folded ? Math.floor(positions[0] / columns) : 0, positions[0] % columns);
  }

  listen() {
    const spot = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [Math.floor((event.clientY - box.top - this.top) / this.high), Math.floor((event.clientX - box.left - this.left) / this.wide)];
    };
    const inside = ([row, column]) => row >= 0 && column >= 0 && row < this.layout.rows && column < this.layout.columns;
    this.canvas.addEventListener("pointermove", (event) => { const at = spot(event); if (inside(at) && `${at}` !== `${this.cursor}`) this.show(...at); });
    this.canvas.addEventListener("click", (event) => { const at = spot(event); if (inside(at)) { this.show(...at); this.choose(); } });
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step) {
        const from = this.cursor ?? [-step[0], -step[1]].map((part) => Math.min(0, part));
        const to = [from[0] + step[0], from[1] + step[1]];
        if (inside(to)) this.show(...to);
        event.preventDefault();
      } else if (event.key === "Enter" || event.key === " ") { this.choose(); event.preventDefault(); }
    });
  }

  choose() {
    const index = this.cursor && this.index(...this.cursor);
    if (index) this.pick(this.numbers.cell(index));
  }
}
