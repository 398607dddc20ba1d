/** The entry of `widget.js`, which anywidget loads: a view in a shadow tree, so that no style leaves it or comes in. */

import { defineWidget } from "@anywidget/svelte";
import type { Initialize, Render } from "@anywidget/types";
import sheet from "../app.css?inline";
import type { Shared } from "./model";
import Widget from "./Widget.svelte";

interface Parts {
  initialize: Initialize<Shared>;
  render: Render<Shared>;
}

export default (): Parts => {
  const inner = (defineWidget<Shared>(Widget) as () => Parts)();
  return {
    initialize: inner.initialize,
    render(given) {
      const root = given.el.shadowRoot ?? given.el.attachShadow({ mode: "open" });
      const style = document.createElement("style");
      style.textContent = sheet;
      const page = document.createElement("div");
      page.className = "page";
      root.replaceChildren(style, page);
      keepKeys(given.el);
      return inner.render({ ...given, el: page });
    },
  };
};

/** Arrows and letters that are pressed in a view are its own: a notebook would choose or delete cells with them. */
function keepKeys(element: HTMLElement): void {
  element.dataset["lmSuppressShortcuts"] = "true";
  for (const kind of ["keydown", "keypress", "keyup"] as const)
    element.addEventListener(kind, (event) => {
      if (!event.ctrlKey && !event.metaKey && event.key !== "Escape") event.stopPropagation();
    });
}
