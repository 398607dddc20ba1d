import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { begin } from "./language";

begin();

const target = document.getElementById("app");
if (target) mount(App, { target });
