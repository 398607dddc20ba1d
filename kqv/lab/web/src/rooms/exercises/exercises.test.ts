import { describe, expect, it } from "vitest";
import { backspace, indented, newLine, outdented, type Edit } from "./editing";
import { highlighted } from "./highlight";

const CODE = `import numpy as np  # arrays
def sigmoid(z):
    """σ(z) = 1/(1 + exp(−z))"""
    return 1.0 / (1 + np.exp(-z2)) if z is not None else "it's # none"
`;

describe("Python in colours", () => {
  const kinds = (kind: string) => highlighted(CODE).filter((piece) => piece.kind === kind).map((piece) => piece.text);
  it("loses no character", () => {
    for (const text of [CODE, "", '"""open', "'open\nx = 'a'", "x = 1.e-3_0j", "\t \n\n#"]) expect(highlighted(text).map((piece) => piece.text).join("")).toBe(text);
  });
  it("knows comments, strings, numbers, keywords and what is defined", () => {
    expect(kinds("comment")).toEqual(["# arrays"]);
    expect(kinds("string")).toEqual(['"""σ(z) = 1/(1 + exp(−z))"""', `"it's # none"`]);
    expect(kinds("number")).toEqual(["1.0", "1"]);
    expect(kinds("keyword")).toEqual(["import", "as", "def", "return", "if", "is", "not", "None", "else"]);
    expect(kinds("name")).toEqual(["sigmoid"]);
  });
});

describe("keys of the editor", () => {
  const applied = (text: string, edit: Edit | undefined) => (edit ? text.slice(0, edit.from) + edit.text + text.slice(edit.to) : text);
  it("indents to the next multiple of four, and several lines at once", () => {
    expect(applied("ab", indented("ab", 2, 2))).toBe("ab  ");
    const two = "a\nb\nc";
    const edit = indented(two, 0, 4);
    expect(applied(two, edit)).toBe("    a\n    b\nc");
    expect(applied(applied(two, edit), outdented(applied(two, edit), edit.start, edit.end))).toBe(two);
  });
  it("outdents by up to four spaces", () => {
    expect(applied("  a", outdented("  a", 3, 3))).toBe("a");
    expect(outdented("a", 1, 1)).toMatchObject({ start: 1, end: 1 });
  });
  it("begins a line under the one before, deeper after a colon", () => {
    expect(applied("    x = 1", newLine("    x = 1", 9, 9))).toBe("    x = 1\n    ");
    expect(applied("for l in x:  # all", newLine("for l in x:  # all", 18, 18))).toBe("for l in x:  # all\n    ");
  });
  it("goes back four spaces in the indentation, one elsewhere", () => {
    expect(applied("        ", backspace("        ", 8, 8))).toBe("    ");
    expect(applied("      ", backspace("      ", 6, 6))).toBe("    ");
    expect(backspace("   a", 4, 4)).toBeUndefined();
    expect(backspace("", 0, 0)).toBeUndefined();
  });
});
