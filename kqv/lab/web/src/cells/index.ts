// Every number of a trace with the arithmetic that made it, worked out from recorded numbers.

export { Answers } from "./answers";
export { number } from "./numbers";
export { cellText, Missing } from "./operands";
