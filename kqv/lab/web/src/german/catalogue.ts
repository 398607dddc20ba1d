/**
 * Sentences in two languages: whole ones, and patterns with `{0}`, `{1}` for what stands in them. What stands there is put
 * into German too, where it has German of its own; `{0!}` stays as it is, and `{0,}` is a number with a decimal comma.
 */

interface Pattern {
  english: RegExp;
  german: string;
  /** How much it says by itself. */
  letters: number;
}

interface Found {
  pattern: Pattern;
  parts: string[];
}

const HOLE = /\{(\d)([!,]?)\}/g;
const NAMES = /^\S+(?:(?:,| and| or) \S+)+$/u; // context, heads and width
const GROUPED = /^\d{1,3}(?:,\d{3})+$/u; // 1,797
const WEAK = 5; // a pattern of fewer letters, as `{0} is {1}`, is about a name
const WORDS = /\p{L} \p{L}/u;
const NAME = /^(?:\S+|\/.*\/\S+)$/u; // a path may have spaces in its folders

export class Catalogue {
  private readonly patterns: Pattern[];

  constructor(private readonly sentences: Record<string, string>) {
    this.patterns = Object.entries(sentences)
      .filter(([english]) => /\{\d\}/.test(english))
      .map(([english, german]) => ({ english: pattern(english), german, letters: lettersOf(english.replace(HOLE, "")) }))
      .sort((one, other) => other.letters - one.letters); // the most telling first
  }

  /** A sentence in German; undefined where there is none. */
  german(english: string): string | undefined {
    if (Object.hasOwn(this.sentences, english)) return this.sentences[english];
    const found = this.find(english);
    const [named, rest] = afterName(english);
    if (rest !== undefined && this.telling(rest) > (found?.pattern.letters ?? 0)) return `${named}: ${this.german(rest)!}`;
    return found?.pattern.german.replace(HOLE, (_, number: string, how: string) => {
      const part = found.parts[Number(number)] ?? "";
      return how === "!" ? part : how === "," ? part.replace(".", ",") : this.part(part);
    });
  }

  private find(english: string): Found | undefined {
    for (const pattern of this.patterns) {
      const [, ...parts] = pattern.english.exec(english) ?? [];
      if (parts.length && (pattern.letters >= WEAK || !WORDS.test(parts[0]!))) return { pattern, parts };
    }
    return undefined;
  }

  /** How many letters of a sentence the catalogue knows; 0 where it has no German. */
  private telling(english: string): number {
    if (Object.hasOwn(this.sentences, english)) return lettersOf(english);
    const rest = afterName(english)[1];
    return Math.max(this.find(english)?.pattern.letters ?? 0, rest === undefined ? 0 : this.telling(rest));
  }

  /** What stands in a sentence: a sentence or several, names, or a number. */
  private part(english: string): string {
    if (!Object.hasOwn(this.sentences, english) && english.includes("; ")) {
      const all = english.split("; ").map((one) => this.german(one));
      if (all.every((one) => one !== undefined)) return all.join("; ");
    }
    return this.german(english) ?? germanNames(english);
  }
}

/** What a sentence is about, and the sentence: `a.txt: it is empty`. */
function afterName(english: string): [string, string | undefined] {
  const at = english.indexOf(": ");
  return at < 0 || !NAME.test(english.slice(0, at)) ? ["", undefined] : [english.slice(0, at), english.slice(at + 2)];
}

/** Names and numbers, as German joins and groups them. */
function germanNames(part: string): string {
  if (GROUPED.test(part)) return part.replaceAll(",", ".");
  return NAMES.test(part) ? part.replaceAll(" and ", " und ").replaceAll(" or ", " oder ") : part;
}

function lettersOf(text: string): number {
  return text.match(/\p{L}/gu)?.length ?? 0;
}

function pattern(english: string): RegExp {
  const parts = english.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("(.*?)")}$`, "su");
}
