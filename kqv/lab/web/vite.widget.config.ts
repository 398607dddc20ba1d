// The views of a notebook as one module, which anywidget loads; its styles are in it, since they go into a shadow tree.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  plugins: [svelte({ compilerOptions: { css: "injected" } })],
  build: {
    outDir: "../static",
    emptyOutDir: false,
    target: "es2022",
    rollupOptions: {
      input: "src/notebook/widget.ts",
      preserveEntrySignatures: "exports-only",
      output: { format: "es", entryFileNames: "widget.js", codeSplitting: false },
    },
  },
});
