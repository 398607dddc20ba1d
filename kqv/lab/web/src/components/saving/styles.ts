/** The page's style sheets as text, as far as a saved view needs them. */

/** Controls become elements of these names, so that they look the same and nobody takes them for ones that act. */
export const RENAMED = ["button", "a", "select", "input", "textarea", "canvas"];

const CONTROLS = new RegExp(`(?<![\\w.#:\\[-])(${RENAMED.join("|")})(?![\\w-])`, "g");

/** A selector for a saved view: `button[aria-pressed]` is `x-button[data-pressed]` there, a role `data-role`. */
export function renamed(selector: string): string {
  return selector.replace(CONTROLS, "x-$1").replace(/\[aria-(pressed|selected|expanded)/g, "[data-$1").replace(/\[role=/g, "[data-role=");
}

/** Whether a selector can be about elements with these classes: what Svelte writes for one component has its class. */
export function concerns(selector: string, classes: ReadonlySet<string>): boolean {
  const own = [...selector.matchAll(/\.(svelte-\w+)/g)].map(([, name]) => name as string);
  return !own.length || own.some((name) => classes.has(name));
}

export function styleText(root: Element): string {
  const classes = new Set([...root.querySelectorAll("*")].flatMap((one) => [...one.classList]));
  return [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => ruleText(rule, classes)).filter(Boolean).join("\n");
}

function ruleText(rule: CSSRule, classes: ReadonlySet<string>): string {
  if (rule instanceof CSSStyleRule) {
    if (!concerns(rule.selectorText, classes)) return "";
    const nested = [...rule.cssRules].map((one) => ruleText(one, classes)).join("");
    return `${renamed(rule.selectorText)}{${rule.style.cssText}${nested}}`;
  }
  if (rule instanceof CSSMediaRule) {
    const inside = [...rule.cssRules].map((one) => ruleText(one, classes)).filter(Boolean).join("\n");
    return inside && `@media ${rule.conditionText}{${inside}}`;
  }
  return rule instanceof CSSKeyframesRule ? "" : rule.cssText;
}
