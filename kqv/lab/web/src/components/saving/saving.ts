/** Saving what is shown: a picture, or the whole view; each file says where it came from. */

import { bytes } from "../../api";
import { language, t } from "../../texts.svelte";
import { descriptionOf } from "./described";
import { fileName, keep } from "./files";
import { pageOf } from "./page";
import { pictureOf, pngOf, textOfPicture } from "./picture";
import { texts } from "./texts";
import { view } from "./view.svelte";

export type Kind = "svg" | "png";

export const version = () => document.querySelector<HTMLMetaElement>('meta[name="kqv-version"]')?.content ?? "";
/** What leads back to the view that is shown. */
export const addressNow = () => `${location.origin}${location.pathname}${location.hash}`;

const room = () => /^#\/(\w+)/.exec(location.hash)?.[1];
const heading = () => document.querySelector("#room h1")?.textContent?.trim() ?? "";

function nameOf(...parts: (string | undefined)[]): string {
  return fileName("kqv", room(), view().model, ...parts);
}

/** Save an element as it is seen. */
export async function savePicture(element: Element, label: string, kind: Kind): Promise<void> {
  const date = new Intl.DateTimeFormat(language(), { dateStyle: "long" }).format(new Date());
  const svg = pictureOf(element, [label, view().model].filter(Boolean).join(" · "), t(texts).of(addressNow(), version(), date));
  keep(kind === "svg" ? new Blob([textOfPicture(svg)], { type: "image/svg+xml" }) : await pngOf(svg), `${nameOf(label === heading() ? "" : label)}.${kind}`);
}

/** What draws its numbers only once it is seen hears this before a whole view is saved. */
export const SAVING = "kqv-saving";
const MOST_WAITING = 8000; // milliseconds

/** Once everything that a view shows further down is there too. */
async function complete(root: Element): Promise<void> {
  dispatchEvent(new Event(SAVING));
  const end = Date.now() + MOST_WAITING;
  do await new Promise((go) => setTimeout(go, 60));
  while (Date.now() < end && [...root.querySelectorAll("[data-heat-map]")].some((map) => !descriptionOf(map)));
}

/** Save the whole view as a page of its own. */
export async function savePage(root: Element): Promise<void> {
  await complete(root);
  const words = t(texts);
  const { model, input } = view();
  const about = ([[words.model, model], [words.input, input]] as const).filter((one): one is readonly [string, string] => Boolean(one[1]));
  const text = pageOf(root, {
    title: [heading(), model, "kqv lab"].filter(Boolean).join(" · "), address: addressNow(), version: version(), date: new Date(), about: about.map(([name, said]) => [name, said]),
  });
  keep(new Blob([text], { type: "text/html" }), `${nameOf()}.html`);
}

/** Save the whole view as one picture. */
export async function saveWhole(root: Element, kind: Kind): Promise<void> {
  await complete(root);
  await savePicture(root, heading(), kind);
}

/** Save the page of the whole trace, which the server writes: the same as `kqv trace --html`. */
export async function saveTrace(trace: string, word: string | undefined): Promise<void> {
  keep(new Blob([await bytes(`traces/${trace}/page`, undefined, { word })], { type: "text/html" }), `${nameOf("trace")}.html`);
}

export interface Picture {
  element: Element;
  label: string;
}

/** The pictures of a view, in their order; those of the same name are numbered. */
export function picturesIn(root: Element): Picture[] {
  const found = [...root.querySelectorAll<HTMLElement>("[data-picture]")].filter((element) => element.checkVisibility());
  const counts = new Map<string, number>();
  return found.map((element) => {
    const label = element.dataset["picture"] ?? "";
    const count = (counts.get(label) ?? 0) + 1;
    counts.set(label, count);
    return { element, label: count === 1 ? label : `${label} (${count})` };
  });
}
