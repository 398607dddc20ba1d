import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  plugins: [svelte()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the page's policy takes nothing from data: addresses but pictures
    modulePreload: { polyfill: false },
    target: "es2022",
  },
});
