/** What of a view goes into a file: what it shows and what is chosen, not the buttons that act on it. */

const CHOICE = "[aria-pressed], [data-saved], table *, ol *, ul *, [role=grid] *";
const NEVER = "[data-unsaved], nav, script, dialog, [popover], input[type=file], input[type=range], input[type=submit], label:has(input[type=file])";

/** Whether an element is left out. */
export function isLeftOut(element: Element): boolean {
  if (element.matches(NEVER)) return true;
  if (element.matches("button, a.button")) return !element.matches(CHOICE);
  return false;
}

/** Whether anything of it is seen; what a closed `<details>` holds is not. */
export function isSeen(style: CSSStyleDeclaration): boolean {
  return style.display !== "none" && style.visibility !== "hidden";
}

/** What stands in a field. */
export function fieldText(element: Element): string | undefined {
  if (element instanceof HTMLSelectElement) return element.selectedOptions[0]?.textContent?.trim() ?? "";
  if (element instanceof HTMLTextAreaElement) return element.value;
  if (!(element instanceof HTMLInputElement)) return undefined;
  if (element.type === "checkbox" || element.type === "radio") return element.checked ? "☑" : "☐";
  return element.value;
}

// eslint-disable-next-line no-control-regex
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** A text without the signs that XML cannot hold, which a token may have. */
export function writable(text: string): string {
  return text.replace(UNWRITABLE, "\ufffd");
}
