/** Names of saved files, and how they reach the user. */

/** `kqv-sentence-pizza-attention-weights`: small letters, digits and hyphens, of the parts that are there. */
export function fileName(...parts: (string | undefined)[]): string {
  const name = parts
    .flatMap((part) => (part ?? "").toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").split(/[^\p{L}\p{N}.]+/u))
    .filter(Boolean)
    .join("-");
  return name.slice(0, 100).replace(/[-.]+$/, "") || "kqv";
}

export function keep(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
