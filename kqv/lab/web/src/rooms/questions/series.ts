/** The learning curves of a question's variants, as they are drawn. */

import type { Series } from "../../components/curve";
import { bandOf, colour, pointsOf } from "../training/words";
import type { texts } from "./texts";

export interface Part {
  title: string;
  unit: string;
  logarithmic: boolean;
  lines: { label: string; colour: number; dash: number; band: boolean }[];
}

/** One line of a part from its numbers: epochs, values, and the lowest and highest over the seeds, one row each. */
export function seriesOf(rows: Float32Array, line: Part["lines"][number], of: Part, words: typeof texts.en | typeof texts.de): Series {
  const size = rows.length / 4;
  const row = (number: number) => rows.subarray(number * size, (number + 1) * size);
  const label = line.label || of.lines.find((one) => one.colour === line.colour)?.label || "";
  const name = line.dash ? words.dashed(label) : label;
  const drawn = { name, colour: colour(line.colour), dashed: line.dash > 0, faint: line.dash > 0, points: pointsOf(row(0), row(1)) };
  return line.band ? { ...drawn, band: bandOf(row(0), row(2), row(3)) } : drawn;
}
