/** What the room shows, for the head of a saved file. */

export interface View {
  /** The model or the run. */
  model?: string | undefined;
  /** What it was given: a sentence, a sum, a picture. */
  input?: string | undefined;
  /** The trace that the view is of, once it is asked for; it has a page of its own, whose numbers answer. */
  trace?: (() => Promise<string> | string) | undefined;
  /** The word of a text that the view is about. */
  word?: string | undefined;
}

let now = $state.raw<View>({});

export function view(): View {
  return now;
}

/** To be called where a room begins; what it gives is followed as long as the room is there. */
export function shows(what: () => View): void {
  $effect(() => {
    now = what();
  });
  $effect(() => () => (now = {}));
}
