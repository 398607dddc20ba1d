// The text as tokens: choose one, and see what every head of every block attends to from there.

const BARS = 24; // keys of a head that are listed
const CARDS = 12; // heads that are shown first
const EXPECTED = 8; // tokens that may come next

/** The attention weights of one module for one text: reading them, and the strongest heads for a token. */
class Attending {
  constructor({ tensor, heading, heads, keys }, tokens) {
    Object.assign(this, { heading, heads, keys: keys ?? tokens, isOwn: !keys });
    this.tensor = BY_NAME.get(tensor);
    this.numbers = numbersOf(this.tensor, "forward");
    this.axis = this.tensor.sizes.length - 2;
  }

  index(head, query, key) {
    const lead = [];
    for (const size of this.tensor.sizes.slice(1, -2).reverse()) { lead.unshift(head % size); head = Math.floor(head / size); }
    return [0, ...lead, query, key];
  }

  weight(head, query, key) {
    return this.numbers.at(this.index(head, query, key));
  }

  /** The places of the queries and keys that the page holds. */
  get kept() {
    return this.numbers.kept.slice(-2);
  }

  holds(query) {
    return this.numbers.placeOf(this.axis, query) !== undefined;
  }

  row(head, query) {
    return range(this.kept[1]).map((place) => { const key = this.numbers.positionAt(this.axis + 1, place); return { key, value: this.weight(head, query, key) }; });
  }

  /** The key with the largest weight besides the first, itself and (unless nothing is left) the one before. */
  strongest(head, query) {
    const row = this.row(head, query);
    const skip = this.isOwn ? [0, query] : [];
    const others = row.filter(({ key }) => !skip.includes(key));
    return (others.length ? others : row).reduce((best, entry) => (entry.value > best.value ? entry : best));
  }
}

class Sentence {
  constructor(text, title) {
    this.text = text;
    this.attentions = text.attentions.map((attention) => new Attending(attention, text.tokens));
    this.query = text.start;
    this.thumbs = [];
    this.tokens = make("div", { class: "tokens", role: "group", "aria-label": "The text's tokens" }, ...this.tokenButtons());
    this.other = make("div", { class: "tokens other" });
    this.cards = make("div", { class: "cards" });
    this.head = make("div", { class: "head" });
    this.next = make("div", { class: "next" });
    this.grid = make("div", { class: "heads" });
    this.all = make("details", { class: "all-heads", ontoggle: () => this.fillGrid() }, make("summary", {}, `All ${this.countHeads().toLocaleString("en")} heads, ${text.attentions.every(({ heading }) => heading.startsWith("block ")) ? "block by block" : "layer by layer"}`), this.missing(), this.grid);
    this.element = make("section", { class: "text" }, make("h2", {}, title), make("p", { class: "hint" }, "Choose a token to see what it attends to. The darker a token's ground, the more the chosen head takes from it."), this.tokens, this.other, this.cards, make("div", { class: "asked" }, this.head, this.next), this.all);
    this.choose(this.query);
  }

  countHeads() {
    return this.attentions.reduce((count, { heads }) => count + heads, 0);
  }

  missing() {
    const left = this.text.all - new Set(this.text.attentions.map(({ tensor }) => /^(?:\w+\.)+?\d+/.exec(tensor)?.[0])).size;
    return left > 0 && this.attentions[0].isOwn ? make("p", { class: "cut" }, `There was no room on this page for the attention weights of ${left} more block${left > 1 ? "s" : ""}; ${DATA.command} --export DIR writes them.`) : "";
  }

  tokenButtons() {
    const { tokens, next } = this.text;
    this.buttons = tokens.map((token, query) => make("button", { type: "button", class: "token", disabled: this.attentions.every((attention) => !attention.holds(query)) && "", title: `token ${query}`, onclick: () => this.choose(query), onkeydown: (event) => this.step(event, query) }, make("bdi", {}, this.written(token))));
    const last = next ? [make("span", { class: "token ahead", title: "the model did not read this one: it is what should come after the last" }, make("bdi", {}, this.written(next)))] : [];
    return [...this.buttons, ...last];
  }

  written(token) {
    return foreign(token.replace(/^[␣ ]/, "") ? token.replace(/^[␣ ]/, "") : "␣");
  }

  step(event, query) {
    const to = { ArrowLeft: query - 1, ArrowRight: query + 1, Home: 0, End: this.buttons.length - 1 }[event.key];
    if (to === undefined || !this.buttons[to] || this.buttons[to].disabled) return;
    event.preventDefault();
    this.buttons[to].focus();
    this.choose(to);
  }

  choose(query) {
    this.query = query;
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === query)));
    this.showCards();
    this.showNext();
    this.markThumbs();
  }

  /** Of each word that is attended to the head that gives it most, then the strongest of the others. */
  varied() {
    const found = this.attentions.filter((attention) => attention.holds(this.query)).flatMap((attention) => range(attention.heads).flatMap((head) => {
      const rests = (key) => attention.isOwn && (key === 0 || key === this.query);
      return attention.row(head, this.query).filter(({ value }) => value > 0).map(({ key, value }) => ({ attention, head, key, value, rests: rests(key) }));
    }));
    found.sort((a, b) => a.rests - b.rests || b.value - a.value);
    const chosen = new Map();
    const keep = (entry) => { const name = `${entry.attention.tensor.name} ${entry.head}`; if (!chosen.has(name) && chosen.size < CARDS) chosen.set(name, entry); };
    const seen = new Set();
    for (const entry of found) { const key = `${entry.attention.isOwn} ${entry.key}`; if (!entry.rests && !seen.has(key)) { seen.add(key); keep(entry); } }
    found.forEach(keep);
    return [...chosen.values()].sort((a, b) => b.value - a.value);
  }

  showCards() {
    const shown = this.varied();
    this.cardThumbs = [];
    this.cards.replaceChildren(...shown.map((entry) => this.card(entry)));
    const first = shown.find(({ key, rests, attention }) => !rests && (!attention.isOwn || key !== this.query - 1)) ?? shown[0];
    if (first) this.showHead(first.attention, first.head);
  }

  card({ attention, head, key, value }) {
    const thumb = this.thumb(attention, head);
    this.cardThumbs.push(thumb);
    thumb.element.append(make("span", { class: "words" }, make("small", {}, `${attention.heading}, head ${head}`), make("bdi", {}, readable(attention.keys[key])), make("b", {}, ` ${value.toFixed(2)}`)));
    thumb.element.classList.add("card");
    return thumb.element;
  }

  /** A small picture of one head; the row of the chosen token is framed. */
  thumb(attention, head) {
    const [rows, columns] = attention.kept;
    const canvas = make("canvas", { width: columns, height: rows, "aria-hidden": "true" });
    const mark = make("i", { class: "mark" });
    const element = make("button", { type: "button", class: "thumb", onclick: () => this.showHead(attention, head, true) }, make("span", { class: "picture" }, canvas, mark));
    const thumb = { attention, head, canvas, mark, element };
    this.paint(thumb);
    this.mark(thumb);
    return thumb;
  }

  paint({ attention, head, canvas }) {
    const [rows, columns] = attention.kept;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    const [none, full, unseen] = weightColours();
    for (let row = 0; row < rows; row++) {
      const query = attention.numbers.positionAt(attention.axis, row);
      for (let column = 0; column < columns; column++) {
        const key = attention.numbers.positionAt(attention.axis + 1, column);
        const weight = attention.weight(head, query, key);
        const colourOf = weight === 0 && attention.isOwn && key > query ? unseen : none.map((from, part) => Math.round(from + (full[part] - from) * weight));
        image.data.set([...colourOf, 255], 4 * (row * columns + column));
      }
    }
    context.putImageData(image, 0, 0);
  }

  mark({ attention, head, mark, element }) {
    const place = attention.numbers.placeOf(attention.axis, this.query);
    mark.hidden = place === undefined;
    if (place === undefined) return;
    const rows = attention.kept[0];
    Object.assign(mark.style, { top: `${(100 * place) / rows}%`, height: `${100 / rows}%` });
    const { key, value } = attention.strongest(head, this.query);
    element.style.setProperty("--strength", String(0.5 + 0.5 * Math.min(1, value * 1.5)));
    element.title = `${attention.heading}, head ${head}: ${readable(this.text.tokens[this.query])} → ${readable(attention.keys[key])} ${value.toFixed(2)}`;
    element.setAttribute("aria-label", element.title);
  }

  markThumbs() {
    for (const thumb of this.thumbs) this.mark(thumb);
  }

  fillGrid() {
    if (!this.all.open || this.thumbs.length) return;
    for (const attention of this.attentions) {
      const row = range(attention.heads).map((head) => this.thumb(attention, head));
      this.thumbs.push(...row);
      this.grid.append(make("div", { class: "layer" }, make("span", { class: "name" }, attention.heading), make("div", { class: "row-of-heads" }, ...row.map(({ element }) => element))));
    }
  }

  repaint() {
    for (const thumb of [...this.thumbs, ...this.cardThumbs]) this.paint(thumb);
    this.map?.draw();
    this.tint();
  }

  /** One head: its weights from the chosen token as bars, and its whole map. */
  showHead(attention, head, scroll = false) {
    this.shown = { attention, head };
    const token = readable(this.text.tokens[this.query]);
    for (const thumb of [...this.thumbs, ...this.cardThumbs]) thumb.element.setAttribute("aria-pressed", String(thumb.attention === attention && thumb.head === head));
    const row = attention.row(head, this.query).filter(({ key, value }) => !(value === 0 && attention.isOwn && key > this.query));
    const listed = row.length > BARS ? [...row].sort((a, b) => b.value - a.value).slice(0, BARS) : row;
    const bars = listed.map(({ key, value }) => {
      const index = attention.index(head, this.query, key);
      return make("li", {}, barRow(readable(attention.keys[key]), value, value, () => goTo(attention.numbers.cell(index)), answers(attention.tensor, "forward", index)));
    });
    this.map = new HeatMap(attention.numbers, "the whole head", attention.tensor.summary, goTo);
    this.map.element.classList.remove("wide");
    this.head.replaceChildren(
      make("h3", {}, `${attention.heading}, head ${head}: what “`, make("bdi", {}, token), "” attends to"),
      make("div", { class: "two" }, make("div", {}, make("ol", { class: "ranking" }, ...bars), make("p", { class: "hint" }, `${row.length > BARS ? `The largest ${BARS} of ${row.length} weights; all` : "The weights"} sum to 1. Click one to see the scores that made it.`)), this.map.element),
    );
    this.map.showIndex(attention.index(head, this.query, listed.reduce((a, b) => (b.value > a.value ? b : a)).key));
    this.tint();
    if (scroll) this.head.scrollIntoView({ block: "nearest" });
  }

  /** The tokens' ground by what the shown head takes from them. */
  tint() {
    const { attention, head } = this.shown ?? {};
    if (!attention) return;
    const weights = new Map(attention.row(head, this.query).map(({ key, value }) => [key, value]));
    const ground = (element, key) => { element.style.setProperty("--weight", `${Math.round(100 * (weights.get(key) ?? 0))}%`); element.classList.toggle("strong", (weights.get(key) ?? 0) > 0.55); };
    this.other.replaceChildren();
    if (attention.isOwn) this.buttons.forEach(ground);
    else {
      this.buttons.forEach((button) => ground(button, -1));
      this.other.append(make("small", {}, "it asks: "), ...attention.keys.map((token, key) => { const span = make("span", { class: "token" }, make("bdi", {}, this.written(token))); ground(span, key); return span; }));
    }
  }

  showNext() {
    const tensor = this.text.logits && BY_NAME.get(this.text.logits);
    const numbers = tensor && numbersOf(tensor, "forward");
    if (!numbers || numbers.placeOf(tensor.sizes.length - 2, this.query) === undefined) return this.next.replaceChildren();
    const lead = tensor.sizes.slice(0, -2).map(() => 0);
    const entries = rankedTokens(numbers, [...lead, this.query]).slice(0, EXPECTED);
    const token = readable(this.text.tokens[this.query]);
    this.next.replaceChildren(make("h3", {}, "What may come after “", make("bdi", {}, token), "”"), make("ol", { class: "ranking" }, ...rankedRows(numbers, entries, goTo)), make("p", { class: "hint" }, "The largest logits. Click one to see the products that it sums."));
  }
}

/** For no weight, a weight of 1, and where no query sees. */
function weightColours() {
  const { zero, positive } = palette();
  return [zero, positive, darkness.matches ? [22, 25, 29] : [236, 234, 228]];
}

const sentences = [];

function showTexts() {
  const home = document.getElementById("texts");
  DATA.texts.forEach((text, number) => {
    const sentence = new Sentence(text, DATA.texts.length > 1 ? `Text ${number + 1}` : "The text");
    sentences.push(sentence);
    home.append(sentence.element);
    sentence.map?.draw();
  });
}
