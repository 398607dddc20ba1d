/** Light or dark, as the notebook around an element is. */

/** What each kind of notebook says of itself, where it does. */
function told(body: HTMLElement, root: HTMLElement): boolean | undefined {
  const jupyter = body.dataset["jpThemeLight"];
  if (jupyter !== undefined) return jupyter === "false";
  const kind = body.dataset["vscodeThemeKind"];
  if (kind !== undefined) return kind.includes("dark") || kind === "vscode-high-contrast";
  const names = [...body.classList, ...root.classList, root.getAttribute("theme") ?? "", root.dataset["theme"] ?? "", body.dataset["theme"] ?? ""];
  if (names.some((name) => name === "dark" || name === "dark-theme")) return true;
  if (names.some((name) => name === "light" || name === "light-theme")) return false;
  return undefined;
}

/** The first paper behind an element that is not clear, also out of shadow trees. */
function paper(element: Element): string | undefined {
  for (let at: Element | null = element; at; at = at.parentElement ?? (at.getRootNode() as ShadowRoot).host ?? null) {
    const colour = getComputedStyle(at).backgroundColor;
    const parts = colour.match(/[\d.]+/g) ?? [];
    if (parts.length >= 3 && (parts[3] === undefined || Number(parts[3]) > 0.5)) return colour;
  }
  return undefined;
}

export function isDark(element: Element): boolean {
  const known = told(document.body, document.documentElement);
  if (known !== undefined) return known;
  const [red = 255, green = 255, blue = 255] = paper(element)?.match(/[\d.]+/g)?.map(Number) ?? [];
  if (paper(element) !== undefined) return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Tell whenever the notebook's theme may have changed; gives what ends it. */
export function follow(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  const attributes = { attributes: true, attributeFilter: ["class", "style", "theme", "data-theme", "data-jp-theme-light", "data-vscode-theme-kind"] };
  observer.observe(document.body, attributes);
  observer.observe(document.documentElement, attributes);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", changed);
  };
}
