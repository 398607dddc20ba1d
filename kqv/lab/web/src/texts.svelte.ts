/** The language of all that is shown. Each room has its texts in both; a missing one fails the type check. */

export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** One text: words, or words that are made of numbers and names. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Text = string | ((...given: any[]) => string);
/** `export const texts = { en, de } satisfies Translated<typeof en>`: German has exactly the texts that English has. */
export type Translated<Texts extends Record<string, Text>> = { en: Texts; de: { [Name in keyof Texts]: Texts[Name] extends string ? string : Texts[Name] } };

const state = $state<{ language: Language }>({ language: "en" });

export function language(): Language {
  return state.language;
}

export function speak(chosen: Language): void {
  state.language = chosen;
}

/** The texts of a room in the page's language; to be called where it is drawn, so that a switch draws it anew. */
export function t<Texts extends Record<string, Text>>(texts: Translated<Texts>): Texts {
  return (state.language === "de" ? texts.de : texts.en) as Texts;
}

/** A number as it is written in the page's language. */
export function written(value: number, digits = 4): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
    return value.toExponential(Math.max(digits - 1, 0)).replace("-", "−").replace("-", "−").replace("e+", "e").replace(".", state.language === "de" ? "," : ".");
  }
  return new Intl.NumberFormat(state.language, { maximumSignificantDigits: digits, useGrouping: size >= 1e4 }).format(value).replace("-", "−");
}
