import { expect, test } from "vitest";
import { Catalogue } from "./catalogue";
import { germanChange, germanPart } from "./parts";
import { errors, sentences } from "./sentences";

const catalogue = new Catalogue({ "no run {0}; it has: {1}": "kein Lauf {0}; es gibt: {1}", "no run {0}": "kein Lauf {0}", "σ(z) is missing": "σ(z) fehlt" });

test("a sentence is found whole, or with names in it, the most telling first", () => {
  expect(catalogue.german("σ(z) is missing")).toBe("σ(z) fehlt");
  expect(catalogue.german("no run 'x'; it has: a, b")).toBe("kein Lauf 'x'; es gibt: a, b");
  expect(catalogue.german("no run 'x'")).toBe("kein Lauf 'x'");
  expect(catalogue.german("something else")).toBeUndefined();
});

test("parts are put together: names, numbers, and what has German of its own", () => {
  const all = new Catalogue({
    "{0}; leave out {1}": "{0}; weglassen: {1}", "it reads text": "Er liest Text", "{0} of {1} tokens": "{0} von {1} Tokens", "{0} is not there": "{0} fehlt", "its file {0} is not there": "die Datei {0} fehlt", "tried: {0}": "versucht: {0}", "{0} times": "{0,}-mal",
  });
  expect(all.german("it reads text; leave out heads and width")).toBe("Er liest Text; weglassen: heads und width");
  expect(all.german("1,797 of 12,000,000 tokens")).toBe("1.797 von 12.000.000 Tokens");
  expect(all.german("a.txt: b: it reads text")).toBe("a.txt: b: Er liest Text");
  expect(all.german("a.txt: its file b is not there")).toBe("a.txt: die Datei b fehlt");
  expect(all.german("tried: a: b is not there; it reads text")).toBe("versucht: a: b fehlt; Er liest Text");
  expect(all.german("1.5 times")).toBe("1,5-mal");
  expect(all.german("a.txt: who knows")).toBeUndefined();
});

test("each error's own sentence is told apart from all others", () => {
  const all = new Catalogue(errors);
  const filled = (text: string) => text.replace(/\{(\d)[!,]?\}/g, (_, at: string) => `x${at}`);
  const found = Object.keys(errors).map((english) => all.german(filled(english)));
  expect(found).toEqual(Object.values(errors).map(filled));
}, 60_000);

test.each([
  ["you returned [4, 1] for δ; expected [out=3, 1]: it is transposed; is a .T too many, or missing, or are the factors of np.dot in the wrong order?", "zurück kam [4, 1] für δ; erwartet wird [out=3, 1]: Das ist transponiert; ist ein .T zu viel oder zu wenig, oder stehen die Faktoren von np.dot verkehrt herum?"],
  ["you returned [4, 1] for δ; expected a plain number: add everything up with np.sum(…)", "zurück kam [4, 1] für δ; erwartet wird eine bloße Zahl: mit np.sum(…) alles zusammenzählen"],
  ["the name aa is not defined, in line 3 of relu.py (a = aa + 1)", "der Name aa ist nicht definiert, in Zeile 3 von relu.py (a = aa + 1)"],
  ["a part is still to be written in line 4 of backprop.py (raise NotImplementedError)", "ein Teil ist noch zu schreiben in Zeile 4 von backprop.py (raise NotImplementedError)"],
  ["ZeroDivisionError: division by zero in line 4 of relu.py (return 1/0)", "ZeroDivisionError: division by zero in Zeile 4 von relu.py (return 1/0)"],
  ["there w is [out=3, in=4], a is [in=4, 1]", "dort: w ist [out=3, in=4], a ist [in=4, 1]"],
  ["Python's own words: TypeError: it is a number", "Pythons eigene Worte: TypeError: it is a number"],
  ["with z[0,0] = 0.5, z[1,0] = 2, and 3 more", "mit z[0,0] = 0.5, z[1,0] = 2 und 3 weiteren"],
  ["tested with ten classes", "geprüft mit: zehn Klassen"],
  ["update returned a list of 2; expected 2 things: return weights, biases", "update gab list mit 2 Einträgen zurück; erwartet werden 2 Dinge: return weights, biases"],
])("a finding is put together in German: %s", (english, german) => {
  expect(new Catalogue(sentences).german(english)).toBe(german);
});

test.each([
  ["without decoder block 1 cross-attention head 0", "ohne Decoder Block 1 Cross-Attention Kopf 0"],
  ["with the mean of block 5 feed-forward at “it”", "mit dem Mittelwert von Block 5 Feed-Forward bei „it“"],
  ["with block 5 head 3 as in 'the head, block by block'", "mit Block 5 Kopf 3 wie in 'the head, block by block'"],
  ["with “pizza” hidden from “it” in block 0 head 1", "mit „pizza“ verdeckt vor „it“ in Block 0 Kopf 1"],
])("a change of the pass is put together in German: %s", (english, german) => {
  expect(germanChange(english)).toBe(german);
});

test("a part in German keeps what it quotes", () => {
  expect(germanPart("source token “head position”")).toBe("Quelle Token „head position“");
});
