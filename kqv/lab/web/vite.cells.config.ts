// The evaluator of a trace's arithmetic as one plain script, for pages that are a file of their own (kqv trace --html).
// What it builds is kept beside that page, so that writing one needs no Node: npm run cells.
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    lib: { entry: "src/cells/index.ts", formats: ["iife"], name: "Cells", fileName: () => "cells.js" },
    outDir: "../../trace/views/page",
    emptyOutDir: false,
    minify: false,
    target: "es2022",
  },
});
