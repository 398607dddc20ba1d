// Explains the cells of a trace with the page's own evaluator: node evaluating.js cells.js data.json answers.json
const { readFileSync, writeFileSync } = require("node:fs");

const [script, input, output] = process.argv.slice(2);
const Cells = new Function(`${readFileSync(script, "utf8")}\nreturn Cells;`)();

const plain = (key, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value);

function toldOf(data) {
  const tensors = new Map(data.tensors.map((tensor) => [tensor.name, tensor]));
  const decoded = new Map();

  function reader(phase, name) {
    const key = `${phase} ${name}`;
    if (!data.numbers[key]) return undefined;
    if (!decoded.has(key)) decoded.set(key, new Float64Array(Uint8Array.from(Buffer.from(data.numbers[key], "base64")).buffer));
    return (position) => decoded.get(key)[position];
  }

  const answers = new Cells.Answers(data.answers, (name) => tensors.get(name), { reader, isWhole: () => true });
  for (const { phase, name, index } of data.cells) if (!answers.explains(phase, name, index)) throw new Error(`cannot tell ${phase} ${name}[${index}]`);
  return data.cells.map(({ phase, name, index }) => answers.explain(phase, name, index));
}

writeFileSync(output, JSON.stringify(JSON.parse(readFileSync(input, "utf8")).map(toldOf), plain));
