import { afterEach, expect, it, vi } from "vitest";
import { follow, isDark } from "./theme";

const system = (dark: boolean) => vi.stubGlobal("matchMedia", () => ({ matches: dark, addEventListener: () => undefined, removeEventListener: () => undefined }));

afterEach(() => {
  for (const element of [document.body, document.documentElement]) for (const { name } of [...element.attributes]) element.removeAttribute(name);
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

function output(paper = ""): HTMLElement {
  const around = document.createElement("div");
  around.style.backgroundColor = paper;
  const element = document.createElement("div");
  around.append(element);
  document.body.append(around);
  return element;
}

it("follows what each kind of notebook says of itself", () => {
  system(false);
  const element = output("rgb(255, 255, 255)");
  for (const [target, name, dark, light] of [
    [document.body, "data-jp-theme-light", "false", "true"], [document.body, "data-vscode-theme-kind", "vscode-dark", "vscode-light"],
    [document.documentElement, "theme", "dark", "light"], [document.body, "class", "dark dark-theme", "light"],
  ] as const) {
    target.setAttribute(name, dark);
    expect(isDark(element), name).toBe(true);
    target.setAttribute(name, light);
    expect(isDark(element), name).toBe(false);
    target.removeAttribute(name);
  }
});

it("else looks at the paper behind, through shadow trees, else at the system", () => {
  system(false);
  expect(isDark(output("rgb(20, 20, 24)"))).toBe(true);
  const inner = document.createElement("div");
  output("rgb(20, 20, 24)").attachShadow({ mode: "open" }).append(inner);
  expect(isDark(inner)).toBe(true);
  expect(isDark(output("rgba(0, 0, 0, 0)"))).toBe(false);
  system(true);
  expect(isDark(output("rgba(0, 0, 0, 0)"))).toBe(true);
});

it("tells of a change until it is ended", async () => {
  system(false);
  let told = 0;
  const end = follow(() => told++);
  document.body.setAttribute("data-jp-theme-light", "false");
  await Promise.resolve();
  expect(told).toBe(1);
  end();
  document.body.setAttribute("data-jp-theme-light", "true");
  await Promise.resolve();
  expect(told).toBe(1);
});
