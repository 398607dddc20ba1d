/** News of things that have names, such as runs: an answer may come after an event that was later. */

export interface News {
  name: string;
  state: string;
  /** When it held; of two the later is true. */
  told?: number;
}

function isOvertaken(news: News, known: News | undefined): boolean {
  return (known?.told ?? 0) > (news.told ?? Infinity);
}

/** What is known after one more piece of news; one that nobody knew comes first. */
export function after<One extends News>(known: One[], news: One): One[] {
  const before = known.find((one) => one.name === news.name);
  if (isOvertaken(news, before)) return known;
  if (news.state === "gone") return known.filter((one) => one !== before);
  if (!before) return [news, ...known];
  return known.map((one) => (one === before ? { ...before, ...news } : one));
}

/** What is known after everything was asked for: all that was found, but what was heard of it later. */
export function asked<One extends News>(known: One[], found: One[]): One[] {
  const heard = new Map(known.map((one) => [one.name, one]));
  return found.map((one) => (isOvertaken(one, heard.get(one.name)) ? (heard.get(one.name) as One) : one));
}
