/** Sentences in two languages: whole ones, and patterns with `{0}`, `{1}` for what stands in them; `{0!}` stays as it is. */

interface Pattern {
  english: RegExp;
  german: string;
  letters: number;
}

const HOLE = /\{(\d)(!?)\}/g;

export class Catalogue {
  private readonly patterns: Pattern[];

  constructor(private readonly sentences: Record<string, string>) {
    this.patterns = Object.entries(sentences)
      .filter(([english]) => /\{\d\}/.test(english))
      .map(([english, german]) => ({ english: pattern(english), german, letters: english.replace(HOLE, "").length }))
      .sort((one, other) => other.letters - one.letters); // the most telling first
  }

  /** A sentence in German, and what stands in it where that has German of its own; undefined where there is none. */
  german(english: string): string | undefined {
    if (Object.hasOwn(this.sentences, english)) return this.sentences[english];
    for (const one of this.patterns) {
      const found = one.english.exec(english);
      if (!found) continue;
      return one.german.replace(HOLE, (_, number: string, asItIs: string) => {
        const inside = found[Number(number) + 1] ?? "";
        return (asItIs ? undefined : this.german(inside)) ?? inside;
      });
    }
    return undefined;
  }
}

function pattern(english: string): RegExp {
  const parts = english.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("(.*?)")}$`, "su");
}
