/** The parts of a model, and what is changed of them, in German; Python says them in English (`kqv/why`). */

import { Catalogue } from "./catalogue";
import { changes, words } from "./parts.json";

const known: Record<string, string> = words;
const WORD = /“.*”|[^\s“]+/gsu;

/** A part in German: `block 5 head 3`, `token “it”`; what is quoted stays. */
export function germanPart(part: string): string {
  return part.replace(WORD, (word) => (word.startsWith("“") ? `„${word.slice(1, -1)}“` : (known[word] ?? word)));
}

class Changes extends Catalogue {
  override german(english: string): string | undefined {
    return super.german(english) ?? germanPart(english); // in the holes stand parts
  }
}
const patterns = new Changes(changes);

/** A change in German: `without block 5 head 3 at “it”`. */
export function germanChange(change: string): string {
  const at = /^(.*) at “([^“]*)”$/su.exec(change);
  return at ? `${germanChange(at[1]!)} bei „${at[2]}“` : patterns.german(change)!;
}
