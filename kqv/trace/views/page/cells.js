var Cells = (function(exports) {
	Object.defineProperty(exports, Symbol.toStringTag, { value: "Module" });
	// src/cells/numbers.ts
	/** Added to the scale of products and functions: single precision rounds results below its smallest normal number to zero. */
	var UNDERFLOW = 1e5 * 2 ** -126;
	/** A number with so many significant digits, as Python's format "g" writes it, with a minus sign. */
	function number(value, digits = 6) {
		return general(value, digits).replaceAll("-", "−").replace("inf", "∞");
	}
	function general(value, digits) {
		if (Number.isNaN(value)) return "nan";
		if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
		if (value === 0) return "0";
		const [mantissa, power] = value.toExponential(digits - 1).split("e");
		const exponent = Number(power);
		if (exponent >= -4 && exponent < digits) return stripped(value.toFixed(digits - 1 - exponent));
		return `${stripped(mantissa)}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
	}
	function stripped(text) {
		return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
	}
	/** The number that is printed with so many digits. */
	function rounded(value, digits) {
		return Number.isFinite(value) ? Number(value.toPrecision(digits)) : value;
	}
	/** A number in a remark: three significant digits. */
	function short(value) {
		return general(value, 3).replaceAll("-", "−");
	}
	function product(sizes) {
		return sizes.reduce((total, size) => total * size, 1);
	}
	function broadcastShape(...shapes) {
		const depth = Math.max(0, ...shapes.map((shape) => shape.length));
		const found = [];
		for (let axis = 0; axis < depth; axis++) {
			const sizes = shapes.map((shape) => shape[axis - depth + shape.length] ?? 1);
			found.push(sizes.find((size) => size !== 1) ?? 1);
		}
		return found;
	}
	/** The numbers repeated along the axes that they lack or have with one position. */
	function broadcast(values, shape, target) {
		const count = product(target);
		if (values.length === count) return values;
		const found = new Float64Array(count);
		if (values.length === 1) return found.fill(values[0]);
		const steps = new Array(target.length).fill(0);
		let step = 1;
		for (let axis = shape.length - 1; axis >= 0; axis--) {
			const size = shape[axis];
			if (size > 1) steps[axis + target.length - shape.length] = step;
			step *= size;
		}
		const at = new Array(target.length).fill(0);
		for (let flat = 0, from = 0; flat < count; flat++) {
			found[flat] = values[from];
			for (let axis = target.length - 1; axis >= 0; axis--) {
				from += steps[axis];
				if (++at[axis] < target[axis]) break;
				from -= steps[axis] * target[axis];
				at[axis] = 0;
			}
		}
		return found;
	}
	function unflatten(position, sizes) {
		const index = new Array(sizes.length);
		for (let axis = sizes.length - 1; axis >= 0; axis--) {
			index[axis] = position % sizes[axis];
			position = Math.floor(position / sizes[axis]);
		}
		return index;
	}
	function flatten(index, sizes) {
		return index.reduce((position, at, axis) => position * sizes[axis] + at, 0);
	}
	/** Σ in pairs, so that little is lost in long sums; `start` and `end` as of a slice. */
	function sum(values, start = 0, end = values.length) {
		if (end - start <= 64) {
			let total = 0;
			for (let at = start; at < end; at++) total += values[at];
			return total;
		}
		const middle = start + (end - start >> 1);
		return sum(values, start, middle) + sum(values, middle, end);
	}
	/** Σ of a few numbers, the rounding of each step added back. */
	function exactSum(values) {
		let total = 0;
		let lost = 0;
		for (const value of values) {
			const next = total + value;
			lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
			total = next;
		}
		return Number.isFinite(total) ? total + lost : total;
	}
	/** The positions of so many of the largest numbers, the largest first; NaN last, equal ones in their order. */
	function descending(values, most) {
		const order = [];
		const isBefore = (one, other) => one > other || Number.isNaN(other) && !Number.isNaN(one);
		for (let at = 0; at < values.length; at++) {
			if (order.length === most && !isBefore(values[at], values[order[most - 1]])) continue;
			let slot = order.length;
			while (slot > 0 && isBefore(values[at], values[order[slot - 1]])) slot--;
			order.splice(slot, 0, at);
			if (order.length > most) order.pop();
		}
		return order;
	}
	// src/cells/expression.ts
	var SIGNIFICANT = 6;
	var MOST_DIGITS = 17;
	/** What a text shows: how many terms of a sum, which elements, which intermediate results, with how many digits. */
	var Rendering = class {
		digits = SIGNIFICANT;
		sources = /* @__PURE__ */ new Map();
		named = /* @__PURE__ */ new Map();
		shown = /* @__PURE__ */ new Map();
		terms;
		constructor(terms = 6) {
			this.terms = terms;
		}
		/** The text with as many digits as it takes that the printed numbers give the value to `digits` significant ones. */
		textOf(expression, digits = SIGNIFICANT) {
			const value = expression.value();
			const unit = value && Number.isFinite(value) ? 10 ** (Math.floor(Math.log10(Math.abs(value))) - digits + 1) : 0;
			for (this.digits = digits; this.digits <= MOST_DIGITS; this.digits++) if (!(Math.abs(expression.printed(this) - value) > .5 * unit)) break;
			this.digits = Math.min(this.digits, MOST_DIGITS);
			return expression.text(this);
		}
		number(value) {
			return number(value, this.digits);
		}
		rounded(value) {
			return rounded(value, this.digits);
		}
		keep(key) {
			this.shown.set(key, Math.max(this.digits, this.shown.get(key) ?? 0));
		}
	};
	var Expression = class {
		keptValues;
		keptScale;
		keptThere;
		/** How tightly the outermost sign of the text binds: 0 words, 1 sum, 2 product, 3 power, 9 needs no brackets. */
		get strength() {
			return 9;
		}
		/** Whether single precision holds the numbers as they are: elements, chosen among or with another sign. */
		get isExact() {
			return false;
		}
		measured() {
			return this.values().map(Math.abs);
		}
		values() {
			return this.keptValues ??= this.evaluated();
		}
		/** The size that rounding errors are measured by. */
		scale() {
			return this.keptScale ??= this.measured();
		}
		/** The scale as a term of a larger sum: Σ|terms| also of what has none of its own. */
		summed() {
			return this.scale();
		}
		/** The expressions directly below. */
		parts() {
			return [];
		}
		/** Whether all numbers that it takes are there. */
		isThere() {
			return this.keptThere ??= this.looked();
		}
		looked() {
			return this.parts().every((part) => part.isThere());
		}
		value() {
			return this.values()[0];
		}
		/** What the text gives when its numbers are taken as they are printed. */
		printed(rendering) {
			return rendering.rounded(this.value());
		}
		get count() {
			return product(this.shape);
		}
	};
	function bracketed(part, strength, rendering) {
		const text = part.text(rendering);
		return part.strength < strength || text.startsWith("−") ? `(${text})` : text;
	}
	/** `a + b + (−c) + more`. */
	function sumText(parts, more, rendering) {
		return [...parts.map((part, at) => {
			if (at) return bracketed(part, 2, rendering);
			return part.strength >= 2 ? part.text(rendering) : `(${part.text(rendering)})`;
		}), ...more ? [more] : []].join(" + ") || "0";
	}
	/** error·factor, where nothing at all of an unbounded error is 0. */
	function times(error, factor) {
		return error === 0 || factor === 0 ? 0 : error * factor;
	}
	/** A part of a broadcast expression with `depth` axes, at an index of these. */
	function partAt(part, index, depth) {
		const missing = depth - part.shape.length;
		const own = index.length > missing ? index.slice(missing) : [];
		return part.at(own.map((position, axis) => part.shape[axis] === 1 ? 0 : position));
	}
	// src/cells/terms.ts
	var BASIC = {
		"+": (a, b) => a + b,
		"−": (a, b) => a - b,
		"·": (a, b) => a * b,
		"/": (a, b) => a / b
	};
	var Constant = class extends Expression {
		shape = [];
		constant;
		constructor(constant) {
			super();
			this.constant = constant;
		}
		get isExact() {
			return Math.fround(this.constant) === this.constant;
		}
		evaluated() {
			return Float64Array.of(this.constant);
		}
		at() {
			return this;
		}
		text(rendering) {
			return rendering.number(this.constant);
		}
	};
	var Negative = class Negative extends Expression {
		shape;
		content;
		constructor(content) {
			super();
			this.content = content;
			this.shape = content.shape;
		}
		get strength() {
			return 2;
		}
		get isExact() {
			return this.content.isExact;
		}
		parts() {
			return [this.content];
		}
		evaluated() {
			return this.content.values().map((value) => -value);
		}
		measured() {
			return this.content.scale();
		}
		at(index) {
			return index.length ? new Negative(this.content.at(index)) : this;
		}
		text(rendering) {
			return `−${bracketed(this.content, 2, rendering)}`;
		}
		printed(rendering) {
			return -this.content.printed(rendering);
		}
	};
	/** Sum, difference, product or quotient. */
	var Binary = class Binary extends Expression {
		shape;
		sign;
		left;
		right;
		constructor(sign, left, right) {
			super();
			this.sign = sign;
			this.left = left;
			this.right = right;
			this.shape = broadcastShape(left.shape, right.shape);
		}
		get strength() {
			return this.isSum ? 1 : 2;
		}
		get isSum() {
			return this.sign === "+" || this.sign === "−";
		}
		combined(left, right, how) {
			const a = broadcast(left, this.left.shape, this.shape);
			const b = broadcast(right, this.right.shape, this.shape);
			return a.map((value, at) => how(value, b[at], at));
		}
		parts() {
			return [this.left, this.right];
		}
		evaluated() {
			return this.combined(this.left.values(), this.right.values(), BASIC[this.sign]);
		}
		summed() {
			if (!this.isSum) return this.scale();
			return this.combined(this.left.summed(), this.right.summed(), (a, b) => a + b);
		}
		measured() {
			if (this.isSum) return this.left.isExact && this.right.isExact ? this.values().map(Math.abs) : this.summed();
			const left = broadcast(this.left.values(), this.left.shape, this.shape);
			const right = broadcast(this.right.values(), this.right.shape, this.shape);
			return this.combined(this.left.scale(), this.right.scale(), (leftScale, rightScale, at) => {
				const a = Math.abs(left[at]);
				const b = Math.abs(right[at]);
				if (this.sign === "·") return times(leftScale, b) + times(rightScale - b, a) + UNDERFLOW;
				return (leftScale + times(rightScale / b - 1, a)) / b + UNDERFLOW;
			});
		}
		at(index) {
			if (!index.length) return this;
			const depth = this.shape.length;
			return new Binary(this.sign, partAt(this.left, index, depth), partAt(this.right, index, depth));
		}
		text(rendering) {
			let left = this.left.text(rendering);
			if (this.left.strength < this.strength) left = `(${left})`;
			const right = bracketed(this.right, this.strength + (this.sign === "−" || this.sign === "/" ? 1 : 0), rendering);
			return this.isSum ? `${left} ${this.sign} ${right}` : `${left}${this.sign}${right}`;
		}
		printed(rendering) {
			return BASIC[this.sign](this.left.printed(rendering), this.right.printed(rendering));
		}
	};
	// src/cells/operands.ts
	/** A number that is needed and not there. */
	var Missing = class extends Error {
		cell;
		constructor(cell) {
			super(`${cell} is not here`);
			this.cell = cell;
		}
	};
	var PREFIX = {
		forward: "",
		backward: "grad:",
		update: "update:"
	};
	/** A cell as it is typed: `scores[query=3, key=1]`. */
	function cellText(phase, name, dimensions, index) {
		const named = dimensions.length === index.length;
		const positions = index.map((position, axis) => named ? `${dimensions[axis]}=${position}` : `${position}`);
		return PREFIX[phase] + name + (positions.length ? `[${positions.join(", ")}]` : "");
	}
	function unpacked(base64) {
		return new Int32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
	}
	var Operand = class {
		offset;
		axes;
		names;
		phase;
		host;
		which;
		at;
		readers;
		constructor(view, host) {
			this.host = host;
			this.names = view.tensors ?? [view.tensor];
			this.phase = view.phase ?? "forward";
			const sizes = view.sizes ?? host.about(this.names[0])?.sizes ?? [];
			const factors = view.factors ?? sizes.map((size) => [size]);
			let strides = view.strides ?? sizes.map((_, axis) => product(sizes.slice(axis + 1)));
			this.axes = factors.map((own) => {
				const joined = own.map((size, at) => ({
					size,
					stride: strides[at]
				}));
				strides = strides.slice(own.length);
				return joined;
			});
			this.offset = view.offset ?? 0;
			this.which = view.which ? unpacked(view.which) : null;
			this.at = view.at ? unpacked(view.at) : null;
			this.readers = this.names.map((name) => host.reader(this.phase, name));
		}
		/** The name of the element at `offset` + Σ stride·position. */
		label(inner) {
			const name = this.names[this.which?.[inner] ?? 0];
			const about = this.host.about(name);
			const position = this.at ? this.at[inner] : inner;
			return cellText(this.phase, name, about?.dimensions ?? [], unflatten(position, about?.sizes ?? []));
		}
		found(inner) {
			return this.readers[this.which?.[inner] ?? 0]?.(this.at ? this.at[inner] : inner);
		}
		has(inner) {
			return this.found(inner) !== void 0;
		}
		read(inner) {
			const value = this.found(inner);
			if (value === void 0) throw new Missing(this.label(inner));
			return value;
		}
		/** How far a position along an axis leads. */
		step(axis, position) {
			let total = 0;
			const joined = this.axes[axis];
			for (let at = joined.length - 1; at > 0; at--) {
				const { size, stride } = joined[at];
				total += position % size * stride;
				position = Math.floor(position / size);
			}
			return total + position * joined[0].stride;
		}
		inner(index) {
			return index.reduce((total, position, axis) => total + this.step(axis, position), this.offset);
		}
	};
	var Elements = class Elements extends Expression {
		shape;
		operand;
		inner;
		constructor(operand, inner, shape) {
			super();
			this.operand = operand;
			this.inner = inner;
			this.shape = shape;
		}
		get isExact() {
			return true;
		}
		evaluated() {
			return Float64Array.from(this.inner, (inner) => this.operand.read(inner));
		}
		looked() {
			const { inner, operand } = this;
			if (inner.length && !operand.has(inner[inner.length - 1])) return false;
			for (let at = 0; at < inner.length; at++) if (!operand.has(inner[at])) return false;
			return true;
		}
		at(index) {
			if (!index.length) return this;
			const rest = this.shape.slice(index.length);
			const start = flatten(index, this.shape.slice(0, index.length)) * product(rest);
			return new Elements(this.operand, this.inner.subarray(start, start + product(rest)), rest);
		}
		text(rendering) {
			const label = this.operand.label(this.inner[0]);
			rendering.sources.set(label, this.value());
			rendering.keep(label);
			return rendering.number(this.value());
		}
	};
	// src/cells/reductions.ts
	/** Over the last `axes` axes of an expression. */
	var Reduction = class Reduction extends Expression {
		shape;
		sign;
		terms;
		axes;
		reduced;
		found = /* @__PURE__ */ new Map();
		constructor(sign, terms, axes) {
			super();
			this.sign = sign;
			this.terms = terms;
			this.axes = axes;
			const kept = terms.shape.length - axes;
			this.shape = terms.shape.slice(0, kept);
			this.reduced = product(terms.shape.slice(kept));
		}
		get strength() {
			if (this.sign !== "Σ" || this.reduced === 0) return 9;
			return this.reduced > 1 ? 1 : this.terms.strength;
		}
		get isExact() {
			return this.sign === "argmax" || this.sign === "max" && this.terms.isExact;
		}
		parts() {
			return [this.terms];
		}
		rows(values, of) {
			return new Float64Array(this.count).map((_, at) => of(values.subarray(at * this.reduced, (at + 1) * this.reduced), at));
		}
		evaluated() {
			const values = this.terms.values();
			if (this.sign === "Σ") return this.rows(values, (row) => sum(row));
			return this.rows(values, (row) => this.sign === "max" ? row[largest(row)] : largest(row));
		}
		measured() {
			if (this.sign === "argmax") return this.values().map(Math.abs);
			const scales = this.terms.scale();
			if (this.sign === "Σ") return this.rows(scales, (row) => sum(row));
			return this.rows(this.terms.values(), (row, at) => scales[at * this.reduced + largest(row)]);
		}
		at(index) {
			return index.length ? new Reduction(this.sign, this.terms.at(index), this.axes) : this;
		}
		/** The largest terms with their positions, the sum of the rest, and how many that are. */
		shown(most) {
			let found = this.found.get(most);
			if (!found) this.found.set(most, found = this.chosen(most));
			return found;
		}
		chosen(most) {
			const values = this.terms.values();
			const positions = [...descending(this.sign === "Σ" ? values.map(Math.abs) : values, most)].sort((a, b) => a - b);
			const left = values.slice();
			for (const position of positions) left[position] = 0;
			const parts = positions.map((position) => this.terms.at(unflatten(position, this.terms.shape)));
			return {
				positions,
				parts,
				rest: sum(left),
				more: values.length - parts.length
			};
		}
		printed(rendering) {
			const { positions, parts, rest, more } = this.shown(rendering.terms);
			const values = parts.map((part) => part.printed(rendering));
			if (this.sign === "Σ") return exactSum(more ? [...values, rendering.rounded(rest)] : values);
			const at = largest(values);
			return this.sign === "max" ? values[at] : positions[at];
		}
		text(rendering) {
			const { positions, parts, rest, more } = this.shown(rendering.terms);
			if (this.sign === "Σ") {
				if (parts.length === 1 && !more) return parts[0].text(rendering);
				return sumText(parts, more ? `[${more} more: ${rendering.number(rest)}]` : "", rendering);
			}
			let texts = parts.map((part) => part.text(rendering));
			if (this.sign === "argmax") texts = texts.map((text, at) => `${positions[at]}: ${text}`);
			return `${this.sign}(${texts.join(", ")}${more ? `, … ${more} smaller` : ""})`;
		}
	};
	/** The position of the largest: the first of several, and the first NaN before all. */
	function largest(values) {
		let found = 0;
		for (let at = 0; at < values.length; at++) {
			if (Number.isNaN(values[at])) return at;
			if (values[at] > values[found]) found = at;
		}
		return found;
	}
	/** Sum of separate expressions, each with arithmetic of its own. */
	var Total = class extends Expression {
		shape = [];
		summands;
		constructor(summands) {
			super();
			this.summands = summands;
		}
		get strength() {
			if (this.summands.length > 1) return 1;
			return this.summands[0]?.strength ?? 9;
		}
		parts() {
			return this.summands;
		}
		evaluated() {
			return Float64Array.of(exactSum(this.summands.map((part) => part.value())));
		}
		measured() {
			return Float64Array.of(exactSum(this.summands.map((part) => part.scale()[0])));
		}
		at() {
			return this;
		}
		shown(most) {
			const values = this.summands.map((part) => part.value());
			const chosen = new Set(descending(values.map(Math.abs), most));
			const rest = values.filter((_, at) => !chosen.has(at));
			return {
				parts: this.summands.filter((_, at) => chosen.has(at)),
				rest: exactSum(rest),
				more: rest.length
			};
		}
		printed(rendering) {
			const { parts, rest, more } = this.shown(rendering.terms);
			const values = parts.map((part) => part.printed(rendering));
			return sum(more ? [...values, rendering.rounded(rest)] : values);
		}
		text(rendering) {
			if (this.summands.length === 1) return this.summands[0].text(rendering);
			const { parts, rest, more } = this.shown(rendering.terms);
			return sumText(parts, more ? `[${more} more: ${rendering.number(rest)}]` : "", rendering);
		}
	};
	// src/cells/functions.ts
	/** Gauss' error function: the series of its terms that are all positive. */
	function erf(value) {
		if (Number.isNaN(value)) return NaN;
		const size = Math.abs(value);
		if (size > 6) return Math.sign(value);
		let term = size;
		let total = size;
		for (let count = 1; term > total * 1e-17; count++) {
			term *= 2 * size * size / (2 * count + 1);
			total += term;
		}
		return Math.sign(value) * (2 / Math.sqrt(Math.PI)) * Math.exp(-size * size) * total;
	}
	var FUNCTIONS = {
		exp: {
			of: Math.exp,
			slope: Math.exp
		},
		log: {
			of: Math.log,
			slope: (a) => 1 / a
		},
		log1p: {
			of: Math.log1p,
			slope: (a) => 1 / (1 + a)
		},
		"√": {
			of: Math.sqrt,
			slope: (a) => .5 / Math.sqrt(a)
		},
		tanh: {
			of: Math.tanh,
			slope: (a) => 1 - Math.tanh(a) ** 2
		},
		erf: {
			of: erf,
			slope: (a) => 2 / Math.sqrt(Math.PI) * Math.exp(-(a ** 2))
		},
		sin: {
			of: Math.sin,
			slope: Math.cos
		},
		cos: {
			of: Math.cos,
			slope: Math.sin
		},
		σ: {
			of: (a) => .5 * (1 + Math.tanh(.5 * a)),
			slope: (a) => .25 * (1 - Math.tanh(.5 * a) ** 2)
		},
		"|·|": {
			of: Math.abs,
			slope: () => 1
		},
		sgn: {
			of: Math.sign,
			slope: () => 0
		}
	};
	// src/cells/powers.ts
	/** A function of one number, at each position. */
	var Function = class Function extends Expression {
		shape;
		sign;
		argument;
		constructor(sign, argument) {
			super();
			this.sign = sign;
			this.argument = argument;
			this.shape = argument.shape;
		}
		parts() {
			return [this.argument];
		}
		evaluated() {
			return this.argument.values().map(FUNCTIONS[this.sign].of);
		}
		measured() {
			const [values, scales, { slope }] = [
				this.argument.values(),
				this.argument.scale(),
				FUNCTIONS[this.sign]
			];
			return this.values().map((value, at) => Math.abs(value) + times(scales[at], Math.abs(slope(values[at]))) + UNDERFLOW);
		}
		at(index) {
			return index.length ? new Function(this.sign, this.argument.at(index)) : this;
		}
		text(rendering) {
			const inside = this.argument.text(rendering);
			return this.sign === "|·|" ? `|${inside}|` : `${this.sign}(${inside})`;
		}
		printed(rendering) {
			return FUNCTIONS[this.sign].of(this.argument.printed(rendering));
		}
	};
	/** A constant power. */
	var Power = class Power extends Expression {
		shape;
		base;
		exponent;
		constructor(base, exponent) {
			super();
			this.base = base;
			this.exponent = exponent;
			this.shape = base.shape;
		}
		get strength() {
			return 3;
		}
		parts() {
			return [this.base];
		}
		evaluated() {
			return this.base.values().map((value) => value ** this.exponent);
		}
		measured() {
			const scales = this.base.scale();
			return this.base.values().map((value, at) => {
				const size = Math.abs(value);
				const slope = this.exponent * size ** (this.exponent - 1);
				return size ** this.exponent + times(scales[at] - size, Math.abs(slope)) + UNDERFLOW;
			});
		}
		at(index) {
			return index.length ? new Power(this.base.at(index), this.exponent) : this;
		}
		text(rendering) {
			const raised = [...String(this.exponent)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(digit)]).join("");
			return bracketed(this.base, 4, rendering) + raised;
		}
		printed(rendering) {
			return this.base.printed(rendering) ** this.exponent;
		}
	};
	// src/cells/structure.ts
	/** An intermediate result with a symbol of its own; shown as its number, its arithmetic on a line of its own. */
	var Named = class Named extends Expression {
		shape;
		symbol;
		meaning;
		constructor(symbol, meaning) {
			super();
			this.symbol = symbol;
			this.meaning = meaning;
			this.shape = meaning.shape;
		}
		get isExact() {
			return this.meaning.isExact;
		}
		parts() {
			return [this.meaning];
		}
		evaluated() {
			return this.meaning.values();
		}
		measured() {
			return this.meaning.scale();
		}
		summed() {
			return this.meaning.summed();
		}
		at(index) {
			return index.length ? new Named(this.symbol, this.meaning.at(index)) : this;
		}
		text(rendering) {
			const value = this.value();
			const key = `${this.symbol}\n${value}`;
			if (!rendering.named.has(key)) rendering.named.set(key, {
				symbol: this.symbol,
				value,
				meaning: this.meaning
			});
			rendering.keep(key);
			return rendering.number(value);
		}
	};
	/** The same numbers with a last axis of size one behind them, so that they broadcast along rows. */
	var Column = class Column extends Expression {
		shape;
		content;
		constructor(content) {
			super();
			this.content = content;
			this.shape = [...content.shape, 1];
		}
		get strength() {
			return this.content.strength;
		}
		get isExact() {
			return this.content.isExact;
		}
		parts() {
			return [this.content];
		}
		evaluated() {
			return this.content.values();
		}
		measured() {
			return this.content.scale();
		}
		summed() {
			return this.content.summed();
		}
		at(index) {
			const depth = this.content.shape.length;
			const inner = this.content.at(index.slice(0, depth));
			return index.length > depth ? inner : new Column(inner);
		}
		text(rendering) {
			return this.content.text(rendering);
		}
		printed(rendering) {
			return this.content.printed(rendering);
		}
	};
	/** `chosen` where the condition's number is above zero, else `other`. */
	var Choice = class Choice extends Expression {
		shape;
		condition;
		chosen;
		other;
		name;
		constructor(condition, chosen, other, name = "") {
			super();
			this.condition = condition;
			this.chosen = chosen;
			this.other = other;
			this.name = name;
			this.shape = broadcastShape(condition.shape, chosen.shape, other.shape);
		}
		get strength() {
			return 0;
		}
		get isExact() {
			return this.chosen.isExact && this.other.isExact;
		}
		looked() {
			if (!this.condition.isThere()) return false;
			return this.shape.length ? this.chosen.isThere() && this.other.isThere() : this.taken.isThere();
		}
		decided(of) {
			const conditions = broadcast(this.condition.values(), this.condition.shape, this.shape);
			if (conditions.length === 1) return of(conditions[0] > 0 ? this.chosen : this.other);
			const chosen = broadcast(of(this.chosen), this.chosen.shape, this.shape);
			const other = broadcast(of(this.other), this.other.shape, this.shape);
			return conditions.map((condition, at) => condition > 0 ? chosen[at] : other[at]);
		}
		evaluated() {
			return this.decided((part) => part.values());
		}
		measured() {
			return this.decided((part) => part.scale());
		}
		at(index) {
			if (!index.length) return this;
			const depth = this.shape.length;
			const [condition, chosen, other] = [
				this.condition,
				this.chosen,
				this.other
			].map((part) => partAt(part, index, depth));
			return new Choice(condition, chosen, other, this.name);
		}
		get taken() {
			return this.condition.value() > 0 ? this.chosen : this.other;
		}
		text(rendering) {
			const chosen = this.taken.text(rendering);
			const condition = this.condition.text(rendering);
			if (this.name) return `${chosen} because ${this.name} = ${condition}`;
			return `${chosen} because ${condition} ${this.condition.value() > 0 ? "> 0" : "≤ 0"}`;
		}
		printed(rendering) {
			return this.taken.printed(rendering);
		}
	};
	// src/cells/trees.ts
	var WORDS = {
		"∞": Infinity,
		"−∞": -Infinity,
		NaN: NaN
	};
	var SIGNS = {
		"+": (a, b) => a + b,
		"-": (a, b) => a - b,
		"*": (a, b) => a * b,
		"//": (a, b) => Math.floor(a / b),
		"%": (a, b) => (a % b + b) % b,
		min: Math.min,
		max: Math.max,
		">=": (a, b) => Number(a >= b),
		"=": (a, b) => Number(a === b),
		"<": (a, b) => Number(a < b)
	};
	function plain(value) {
		return typeof value === "string" ? WORDS[value] : value;
	}
	/** A tree at one index; `consulted` names the whole numbers that decided what is computed. */
	var Closing = class {
		consulted = /* @__PURE__ */ new Set();
		tree;
		operands;
		index;
		variables = /* @__PURE__ */ new Map();
		built = /* @__PURE__ */ new Map();
		lists = /* @__PURE__ */ new Map();
		axes = [];
		candidate = 0;
		constructor(tree, operands, index) {
			this.tree = tree;
			this.operands = operands;
			this.index = index;
		}
		expression() {
			return this.node(this.tree.nodes.length - 1);
		}
		node(number) {
			let found = this.built.get(number);
			if (!found) this.built.set(number, found = this.made(this.tree.nodes[number]));
			return found;
		}
		made([kind, ...given]) {
			const [a, b, c] = given;
			switch (kind) {
				case "number": return new Constant(plain(a));
				case "fixed": return this.fixed(given);
				case "elements": return this.elements(given);
				case "negative": return new Negative(this.node(a));
				case "function": return new Function(given[0], this.node(b));
				case "power": return new Power(this.node(a), b);
				case "over": return new Reduction(given[0], this.node(b), c);
				case "total": return new Total(given[0].map((part) => this.node(part)));
				case "each": return this.each(given);
				case "named": return new Named(given[0], this.node(b));
				case "column": return new Column(this.node(a));
				case "choice": return new Choice(this.node(a), this.node(b), this.node(c), given[3]);
				case "when": return this.node(this.form(given[0]) ? b : c);
				default: return new Binary(kind, this.node(a), this.node(b));
			}
		}
		fixed([table, position, times]) {
			const found = Array.isArray(table) ? plain(table[this.form(position)]) : this.form(times);
			return new Constant(Array.isArray(table) ? found * this.form(times) : found);
		}
		each([variable, count, test, term]) {
			const terms = [];
			const outer = this.built;
			for (let position = 0; position < count; position++) {
				this.variables.set(variable, position);
				this.built = /* @__PURE__ */ new Map();
				if (this.form(test)) terms.push(this.node(term));
			}
			this.variables.delete(variable);
			this.built = outer;
			return new Total(terms);
		}
		elements([slot, positions, counts]) {
			const operand = this.operands[slot];
			const shape = counts.map((count) => this.form(count));
			let base = operand.offset;
			const along = shape.map((size) => new Float64Array(size));
			const together = [];
			positions.forEach((form, axis) => {
				const used = axesOf(form);
				if (!used.size) base += operand.step(axis, this.form(form));
				else if (used.size > 1) together.push([form, axis]);
				else {
					const own = [...used][0];
					const at = new Array(shape.length).fill(0);
					for (let position = 0; position < shape[own]; position++) {
						at[own] = position;
						along[own][position] += operand.step(axis, this.formAt(form, at));
					}
				}
			});
			return new Elements(operand, this.inner(operand, shape, base, along, together), shape);
		}
		inner(operand, shape, base, along, together) {
			const found = new Int32Array(product(shape));
			const at = new Array(shape.length).fill(0);
			for (let flat = 0; flat < found.length; flat++) {
				let inner = base;
				for (let axis = 0; axis < shape.length; axis++) inner += along[axis][at[axis]];
				for (const [form, axis] of together) inner += operand.step(axis, this.formAt(form, at));
				found[flat] = inner;
				for (let axis = shape.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
			}
			return found;
		}
		formAt(form, axes) {
			this.axes = axes;
			return this.form(form);
		}
		/** The number of a calculation, or whether a test is passed. */
		form(form) {
			if (typeof form !== "object") return plain(form);
			const [kind, a, b] = form;
			switch (kind) {
				case "i": return this.index[a];
				case "a": return this.axes[a];
				case "r": return this.candidate;
				case "v": return this.variables.get(a);
				case "at":
				case "look": return this.looked(kind, a, b);
				case "list": return this.list(a)[this.form(b)];
				case "count": return this.list(a).length;
				case "table": return a[this.form(b)];
				case "and": return Number(this.form(a) && this.form(b));
				case "not": return Number(!this.form(a));
				case "nan": return Number(Number.isNaN(this.node(a).value()));
				case "value=": return Number(this.node(a).value() === this.node(b).value());
				case "value>": return Number(this.node(a).value() > this.node(b).value());
				default: return SIGNS[kind](this.form(a), this.form(b));
			}
		}
		looked(kind, slot, positions) {
			const operand = this.operands[slot];
			const inner = operand.inner(positions.map((position) => this.form(position)));
			if (kind === "at") this.consulted.add(operand.label(inner));
			return operand.read(inner);
		}
		/** The positions that pass the test of a list. */
		list(number) {
			const key = `${number}|${[...this.variables.values()].join()}`;
			let found = this.lists.get(key);
			if (!found) {
				const [count, test, told] = this.tree.lists[number];
				const [candidate, kept] = [this.candidate, []];
				for (this.candidate = 0; this.candidate < count; this.candidate++) if (this.form(test)) kept.push(this.candidate);
				for (this.candidate of told === null ? [] : kept) this.form(told);
				this.candidate = candidate;
				this.lists.set(key, found = kept);
			}
			return found;
		}
	};
	/** The axes whose positions a calculation takes. */
	function axesOf(form, found = /* @__PURE__ */ new Set()) {
		if (!Array.isArray(form)) return found;
		if (form[0] === "a") found.add(form[1]);
		else for (const part of form) axesOf(part, found);
		return found;
	}
	// src/cells/answers.ts
	var TOLERANCE = 1e-5;
	var CANCELLED = 1e3;
	var Answers = class {
		data;
		host;
		operands = /* @__PURE__ */ new WeakMap();
		tensor;
		constructor(data, tensor, numbers) {
			this.data = data;
			this.tensor = tensor;
			this.host = {
				about: (name) => tensor(name) ?? data.others[name],
				reader: numbers.reader,
				isWhole: numbers.isWhole
			};
		}
		/** Whether all numbers of a tensor can be explained, since all tensors that they take are whole. */
		explainsAll(phase, name) {
			const told = this.data.tensors[name];
			if (!told) return false;
			if (phase === "backward") return !!told.backward && told.backward.uses.every((use) => this.isSupplied(use));
			const own = phase === "forward" ? told.forward : told.update;
			return !!own && this.isSupplied(own);
		}
		isSupplied(told) {
			if (told.unknown !== void 0) return false;
			const isBehind = (way) => way.hidden === void 0 ? this.host.isWhole("backward", way.to) : this.data.hidden[way.hidden].every((use) => this.isSupplied(use));
			return (told.operands ?? []).flatMap((view) => (view.tensors ?? [view.tensor]).map((name) => [view.phase ?? "forward", name])).every(([phase, name]) => this.host.isWhole(phase, name)) && (told.ways ?? []).every(isBehind);
		}
		/** Whether one number can be explained: all numbers that it takes are there. */
		explains(phase, name, index) {
			const [told, about] = [this.data.tensors[name], this.tensor(name)];
			if (!told || !about || this.host.reader(phase, name)?.(flatten(index, about.sizes)) === void 0) return false;
			try {
				if (phase === "backward") return !!told.backward && !!this.uses(told.backward.uses, index, about.sizes)?.every((part) => part.expression?.isThere() ?? true);
				const found = phase === "forward" ? told.forward && this.made(told.forward, about, index) : told.update && this.updated(told.update, about, index);
				return !!found && (found.expression?.isThere() ?? true);
			} catch (missing) {
				if (missing instanceof Missing) return false;
				throw missing;
			}
		}
		/** The explanation of one number; null where the trace does not know it. Throws `Missing` for a number that is needed
		* and not there. */
		explain(phase, name, index) {
			const [told, about] = [this.data.tensors[name], this.tensor(name)];
			if (!told || !about) return null;
			const value = this.host.reader(phase, name)?.(flatten(index, about.sizes));
			if (value === void 0) return null;
			if (phase === "backward") return told.backward ? this.gradient(told.backward, about, index, value) : null;
			const found = phase === "forward" ? told.forward && this.made(told.forward, about, index) : told.update && this.updated(told.update, about, index);
			if (!found) return null;
			return {
				...written({
					...found,
					value
				}),
				parts: [],
				tensors: found.tensors ?? []
			};
		}
		text(number) {
			return number === void 0 ? "" : this.data.texts[number];
		}
		made(told, about, index) {
			if (told.unknown !== void 0) return null;
			const found = {
				value: null,
				heading: about.origin,
				formula: about.formula,
				location: about.location,
				expression: null,
				share: TOLERANCE,
				consulted: []
			};
			if (told.given !== void 0) return {
				...found,
				heading: "given",
				location: about["named at"],
				formula: `given: ${this.text(told.given)}, nothing in this pass computed it`
			};
			if (told.whole) return {
				...found,
				formula: `computed by PyTorch's ${this.text(told.formula)}, whose formula is not known here`,
				tensors: told.whole
			};
			if (told.moved) found.formula = `the same number, moved here by ${told.moved}`;
			return {
				...found,
				...this.closed(told, index)
			};
		}
		updated(told, about, index) {
			if (told.unknown !== void 0) return null;
			const found = {
				value: null,
				heading: about.update?.rule ?? "",
				formula: this.text(told.formula),
				location: this.text(told.location),
				expression: null,
				share: TOLERANCE,
				consulted: []
			};
			if (told.whole) return {
				...found,
				heading: found.formula,
				formula: `computed by ${found.formula}, whose formula is not known here`
			};
			return {
				...found,
				...this.closed(told, index)
			};
		}
		closed(told, index) {
			const views = told.operands;
			let operands = this.operands.get(views);
			if (!operands) this.operands.set(views, operands = views.map((view) => new Operand(view, this.host)));
			const closing = new Closing(this.data.trees[told.tree], operands, index);
			return {
				expression: closing.expression(),
				share: told.share ?? TOLERANCE,
				consulted: [.../* @__PURE__ */ new Set([...told.told ?? [], ...closing.consulted])]
			};
		}
		gradient(told, about, index, value) {
			const parts = this.uses(told.uses, index, about.sizes);
			if (!parts) return null;
			if (!parts.length) return {
				...written(start(value, told.used, about)),
				parts: [],
				tensors: []
			};
			if (parts.length === 1) return {
				...written({
					...parts[0],
					value
				}),
				parts: [],
				tensors: []
			};
			const formula = parts.map((part) => `∂C/∂(${part.heading})`).join(" + ");
			const known = parts.every((part) => part.expression);
			return {
				...written({
					value,
					heading: `sum of ${parts.length} uses`,
					location: about.location,
					formula: [...formula].length > 200 ? `the sum of what ${parts.length} uses contribute` : formula,
					expression: known ? new Total(parts.map((part) => part.expression)) : null,
					share: Math.max(...parts.map((part) => part.share)),
					consulted: []
				}, false),
				parts: parts.map((part) => written(part)),
				tensors: []
			};
		}
		/** What each use of an element adds to its gradient; null where one cannot be told. */
		uses(uses, index, sizes) {
			const found = [];
			for (const use of uses) {
				const parts = use.ways ? this.moved(use, flatten(index, sizes)) : this.used(use, index);
				if (!parts) return null;
				found.push(...parts);
			}
			return found;
		}
		used(use, index) {
			if (use.unknown !== void 0) return null;
			const found = {
				value: null,
				heading: use.use ?? use.foreign,
				formula: this.text(use.formula),
				location: this.text(use.location)
			};
			if (use.foreign) return [{
				...found,
				value: NaN,
				expression: null,
				share: TOLERANCE,
				consulted: []
			}];
			return [{
				...found,
				...this.closed(use, index)
			}];
		}
		moved(use, position) {
			const found = [];
			for (const way of use.ways) for (const where of destinations(way, position)) {
				if (way.hidden !== void 0) {
					const behind = this.uses(this.data.hidden[way.hidden], where, way.whole);
					if (!behind) return null;
					found.push(...behind);
					continue;
				}
				const operand = new Operand({
					tensor: way.to,
					phase: "backward"
				}, this.host);
				const expression = new Elements(operand, Int32Array.of(operand.inner(where)), []);
				found.push({
					value: null,
					heading: `moved to ${way.to}`,
					location: this.text(use.location),
					expression,
					share: use.share ?? TOLERANCE,
					formula: `the gradient of the element that ${use.moved} moved to ${way.to}`,
					consulted: []
				});
			}
			return found;
		}
	};
	/** Where an element went by a movement, as indices of its output. */
	function destinations(way, position) {
		if (way.from !== void 0) {
			const [from, to] = [unpacked(way.from), unpacked(way.at)];
			return [...to].filter((_, at) => from[at] === position).map((flat) => unflatten(flat, way.whole));
		}
		const axes = way.sizes.map((_, axis) => axis).sort((a, b) => Math.abs(way.strides[b]) - Math.abs(way.strides[a]));
		const found = [];
		const index = new Array(axes.length).fill(0);
		const reach = (from, sign) => axes.slice(from).reduce((total, axis) => total + Math.max(0, sign * way.strides[axis] * (way.sizes[axis] - 1)), 0);
		const search = (depth, rest) => {
			if (depth === axes.length) {
				if (rest === 0) found.push(index.map((at, axis) => at + way.start[axis]));
				return;
			}
			const axis = axes[depth];
			for (let at = 0; at < way.sizes[axis]; at++) {
				const left = rest - at * way.strides[axis];
				if (left > reach(depth + 1, 1) || left < -reach(depth + 1, -1)) continue;
				index[axis] = at;
				search(depth + 1, left);
			}
		};
		search(0, position - way.offset);
		return found.sort((a, b) => a.reduce((order, at, axis) => order || at - b[axis], 0));
	}
	function start(value, used, about) {
		const found = {
			value,
			expression: new Constant(value),
			share: TOLERANCE,
			consulted: []
		};
		if (value === 0 && used) return {
			...found,
			heading: "unused",
			formula: "no use of this element leads to the loss",
			location: about["named at"]
		};
		const formula = value === 1 ? "∂C/∂C = 1: the backward pass starts here" : "the backward pass starts here, with this number";
		return {
			...found,
			heading: "start",
			formula,
			location: about.location
		};
	}
	/** A piece with its numbers as text, and the check; `shown` is false where its parts show the numbers. */
	function written({ value, heading, formula, location, expression, share, consulted }, shown = true) {
		const evaluated = expression ? expression.value() : null;
		const recorded = value ?? Math.fround(evaluated);
		const scale = expression ? expression.scale()[0] : 0;
		const rendering = new Rendering();
		return {
			value: recorded,
			heading,
			formula,
			location,
			numbers: expression && shown ? rendering.textOf(expression) : "",
			where: intermediate(rendering),
			from: [...rendering.sources].map(([cell, found]) => ({
				cell,
				value: found
			})),
			"chosen by": consulted.slice(0, 12),
			evaluated,
			scale,
			...check(recorded, evaluated, scale, share)
		};
	}
	/** Each intermediate result: its symbol and number, and its arithmetic; of many with one symbol the first alone. */
	function intermediate(rendering) {
		const found = /* @__PURE__ */ new Map();
		const counts = /* @__PURE__ */ new Map();
		for (const [key, { symbol, value, meaning }] of rendering.named) {
			counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
			if (found.has(symbol)) continue;
			const digits = rendering.shown.get(key);
			found.set(symbol, `${rendering.textOf(meaning, digits)} = ${number(value, digits)}`);
		}
		return [...found].map(([symbol, text]) => {
			const more = counts.get(symbol) - 1;
			return [symbol, more ? `${text} (and ${more} like it)` : text];
		});
	}
	/** The arithmetic in double precision beside the recorded number. */
	function check(value, evaluated, scale, share) {
		if (evaluated === null) return {
			check: "",
			agrees: true
		};
		const difference = evaluated === value ? 0 : Math.abs(evaluated - value);
		const agrees = difference <= share * scale || difference === 0;
		const told = share === TOLERANCE ? "1e−5" : short(share);
		let text = `in float64 ${number(evaluated, 9)} · ${agrees ? "differs by" : "DISAGREES by"} ${short(difference)}, allowed ${told}·Σ|terms| = ${short(share * scale)}`;
		if (CANCELLED * Math.max(Math.abs(value), UNDERFLOW) < scale && scale < Infinity) text += `; beside Σ|terms| = ${short(scale)} it is small, so that few of its digits are certain`;
		return {
			check: text,
			agrees
		};
	}
	exports.Answers = Answers;
	exports.Missing = Missing;
	exports.cellText = cellText;
	exports.number = number;
	return exports;
})({});
