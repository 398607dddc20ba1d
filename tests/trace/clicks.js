// Clicks on squares and bars of a page as people do, and reports what was promised and what came.

const report = { errors: [], clicks: [], told: 0, bars: [], tokens: [] };
addEventListener("error", (event) => report.errors.push(event.message));
let seed = 12345;
const random = (below) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor((seed / 2147483648) * below); };
const pause = () => new Promise((go) => setTimeout(go, 1));
const told = () => !!inspector.querySelector(".check") || /given: |moved here/.test(inspector.textContent);
async function arrived(cell) {
  for (let time = 0; time < 40 && inspector.querySelector("h2").textContent !== cell; time++) await pause();
}
function toldOf(tensor, phase, index) {
  const { told, missing } = workOut(tensor, phase, index);
  const evaluated = typeof told?.evaluated === "number" ? String(told.evaluated) : undefined; // JSON has no −∞
  return { evaluated, numbers: told && [told, ...told.parts].map((piece) => piece.numbers), missing };
}
async function click(map) {
  const [row, column] = [random(map.layout.rows), random(map.layout.columns)];
  const index = map.index(row, column);
  if (!index) return;
  const box = map.canvas.getBoundingClientRect();
  map.canvas.dispatchEvent(new MouseEvent("click", { bubbles: true, clientX: box.left + map.left + (column + 0.5) * map.wide, clientY: box.top + map.top + (row + 0.5) * map.high }));
  await arrived(map.numbers.cell(index));
  const { tensor, phase } = map.numbers;
  report.clicks.push({ cell: inspector.querySelector("h2").textContent, value: inspector.querySelector(".value")?.textContent, promised: map.answers(index), told: told(), bad: !!inspector.querySelector(".check.bad"), ...toldOf(tensor, phase, index), name: tensor.name, phase });
}
(async () => {
  try {
    for (const entry of cards.values()) {
      entry.fill();
      for (const map of entry.maps) { map.draw(); if (map.canvas) for (let time = DATA.tensors.length > 150 ? random(2) : 3; time > 0; time--) await click(map); }
    }
    const buttons = [...document.querySelectorAll(".tokens button")];
    for (const button of [buttons[0], buttons[4] ?? buttons[1], buttons.at(-1)]) {
      button.click();
      for (const row of document.querySelectorAll(".text .row")) {
        const before = inspector.querySelector("h2").textContent;
        row.click();
        for (let time = 0; time < 40 && inspector.querySelector("h2").textContent === before; time++) await pause();
        report.bars.push({ token: button.textContent, cell: inspector.querySelector("h2").textContent, value: inspector.querySelector(".value").textContent, bar: row.querySelector(".number").textContent, promised: !row.classList.contains("bare"), told: told(), bad: !!inspector.querySelector(".check.bad") });
      }
    }
    for (const details of document.querySelectorAll(".all-heads")) details.open = true;
    await pause();
    report.thumbs = document.querySelectorAll(".heads .thumb").length;
    report.tokens = [...document.querySelectorAll(".tokens .token")].map((token) => token.textContent);
    report.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  } catch (error) { report.errors.push(String(error.stack)); }
  finish(report);
})();
