// What a position says of a large vocabulary: the tokens with the largest numbers, as bars.

const LISTED = 12;

class Ranking {
  constructor(numbers, caption, pick) {
    this.numbers = numbers;
    this.pick = pick;
    const { tensor, kept } = numbers;
    this.axis = tensor.dimensions.length - 1;
    this.lead = tensor.sizes.slice(0, -1).map((size, axis) => numbers.positionAt(axis, kept[axis] - 1));
    this.count = LISTED;
    this.list = make("ol", { class: "ranking" });
    this.more = make("button", { type: "button", class: "more", onclick: () => { this.count += 20; this.draw(); } }, "more");
    this.note = make("p", { class: "cut" }, `This page holds ${kept[this.axis]} of ${tensor.sizes[this.axis].toLocaleString("en")} tokens: those with the largest numbers at some position.`);
    this.element = make("figure", { class: "map wide" }, this.caption(caption), this.list, this.more, this.note);
  }

  caption(words) {
    const { tensor, kept } = this.numbers;
    const caption = make("figcaption", {}, make("b", {}, words), "largest first");
    this.selects = this.lead.map((position, axis) => {
      const known = tensor["axis labels"][tensor.dimensions[axis]];
      const select = make("select", { "aria-label": tensor.dimensions[axis], onchange: () => { this.lead[axis] = Number(select.value); this.draw(); } });
      for (const place of range(kept[axis])) {
        const at = this.numbers.positionAt(axis, place);
        select.append(make("option", { value: at }, known?.[at] ? `${at} “${foreign(known[at])}”` : at));
      }
      select.value = position;
      if (kept[axis] > 1) caption.append(make("label", {}, `after ${tensor.dimensions[axis]} `, select));
      return select;
    });
    return caption;
  }

  draw() {
    const entries = rankedTokens(this.numbers, this.lead);
    this.list.replaceChildren(...rankedRows(this.numbers, entries.slice(0, this.count), this.pick));
    this.more.hidden = this.count >= entries.length;
  }

  showIndex(index) {
    this.lead = index.slice(0, -1);
    this.selects.forEach((select, axis) => { select.value = index[axis]; });
    const entries = rankedTokens(this.numbers, this.lead);
    this.count = Math.max(this.count, entries.findIndex((entry) => entry.token === index.at(-1)) + 1);
    this.draw();
  }
}

/** The tokens that the page holds numbers of, largest first. */
function rankedTokens(numbers, lead) {
  const axis = lead.length;
  const entries = range(numbers.kept[axis]).map((place) => { const token = numbers.positionAt(axis, place); const index = [...lead, token]; return { token, index, value: numbers.at(index) }; });
  return entries.filter(({ value }) => value !== undefined).sort((a, b) => (numbers.phase === "forward" ? b.value - a.value : Math.abs(b.value) - Math.abs(a.value)));
}

function rankedRows(numbers, entries, pick) {
  const most = Math.max(...entries.map(({ value }) => Math.abs(value)), 1e-30);
  const words = numbers.tensor["axis labels"].vocab;
  return entries.map(({ token, index, value }) => {
    const word = words?.[token] === undefined ? `token ${token}` : foreign(words[token]);
    return make("li", {}, barRow(word, value, Math.abs(value) / most, () => pick(numbers.cell(index)), answers(numbers.tensor, numbers.phase, index)));
  });
}

/** A word, a bar and a number; a button where the number tells its arithmetic, and also where it only is one. */
function barRow(word, value, share, onclick, tells) {
  const bar = make("span", { class: "bar-room" }, make("span", { class: value < 0 ? "bar-fill below" : "bar-fill" }));
  bar.firstChild.style.width = `${Math.max(0, Math.min(100, 100 * share))}%`;
  return make("button", { type: "button", class: tells ? "row" : "row bare", title: tells ? undefined : "number only: its arithmetic is not on this page", onclick }, make("span", { class: "word" }, make("bdi", {}, word)), bar, make("span", { class: "number" }, short(value)));
}
