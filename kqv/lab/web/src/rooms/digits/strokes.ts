/** A drawing as strokes of a pen: drawn on a canvas, read as grey values, written into an address. */

export const SIDE = 280;
export const PEN = 22;
const GRID = 2; // pixels between the points that an address can name
const DIGIT = 36;

export type Point = [x: number, y: number];
export type Stroke = Point[];

/** Grey bytes; `inverted`: light on dark, where paper is light. */
export interface Picture {
  values: Float32Array;
  rows: number;
  columns: number;
  inverted: boolean;
}

/** Every stroke as pairs of two digits to the base 36 for each coordinate; strokes are parted by dots. */
export function write(strokes: Stroke[]): string {
  const coordinate = (value: number) => Math.round(Math.min(Math.max(value, 0), SIDE) / GRID).toString(DIGIT).padStart(2, "0");
  return strokes.map((stroke) => thinned(stroke).map(([x, y]) => coordinate(x) + coordinate(y)).join("")).join(".");
}

/** The strokes of an address; what is none is left out. */
export function read(text: string): Stroke[] {
  const strokes: Stroke[] = [];
  for (const part of text.split(".")) {
    const stroke: Stroke = [];
    for (const [point] of part.matchAll(/[0-9a-z]{4}/g)) {
      const [x, y] = [point.slice(0, 2), point.slice(2)].map((digits) => parseInt(digits, DIGIT) * GRID) as Point;
      if (x <= SIDE && y <= SIDE) stroke.push([x, y]);
    }
    if (stroke.length) strokes.push(stroke);
  }
  return strokes;
}

/** Without the points that lie less than the pen's width from the last one, which the eye does not miss. */
function thinned(stroke: Stroke, least = 7): Stroke {
  const kept: Stroke = [];
  stroke.forEach((point, number) => {
    const last = kept.at(-1);
    const far = !last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= least;
    if (far || number === stroke.length - 1) kept.push(point);
  });
  return kept;
}

export function draw(context: CanvasRenderingContext2D, strokes: Stroke[]): void {
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, SIDE, SIDE);
  context.strokeStyle = context.fillStyle = "#15171c";
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const [first, ...rest] = stroke;
    if (!first) continue;
    context.beginPath();
    context.moveTo(...first);
    // through the middles of neighbouring points, so that a quick hand draws a curve and not a polygon
    rest.forEach((point, number) => {
      const next = rest[number + 1];
      if (next) context.quadraticCurveTo(...point, (point[0] + next[0]) / 2, (point[1] + next[1]) / 2);
      else context.lineTo(...point);
    });
    if (!rest.length) context.lineTo(first[0], first[1] + 0.01);
    context.stroke();
  }
}

/** A picture that came from elsewhere lies on the paper: its bytes, row by row, as large as fits. */
export function lay(context: CanvasRenderingContext2D, { values, rows, columns, inverted }: Picture): void {
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, SIDE, SIDE);
  const image = context.createImageData(columns, rows);
  values.forEach((value, at) => image.data.set([0, 1, 2].map(() => (inverted ? 255 - value : value)).concat(255), 4 * at));
  const small = document.createElement("canvas");
  [small.width, small.height] = [columns, rows];
  small.getContext("2d")?.putImageData(image, 0, 0);
  const size = SIDE / Math.max(rows, columns);
  context.imageSmoothingEnabled = size < 1;
  context.drawImage(small, (SIDE - columns * size) / 2, (SIDE - rows * size) / 2, columns * size, rows * size);
}

/** Grey values from 0 (black) to 1 (white), row by row. */
export function grey(context: CanvasRenderingContext2D): Float32Array {
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const values = new Float32Array(SIDE * SIDE);
  for (let at = 0; at < values.length; at++) values[at] = (data[4 * at] ?? 255) / 255;
  return values;
}
