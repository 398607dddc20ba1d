/** Addresses that lead back to the same view: `#/sentence?model=gpt-1&head=2`. */

export const ROOMS = ["start", "digits", "sentence", "tensors", "shapes", "training", "questions", "exercises", "adder"] as const;
export type Room = (typeof ROOMS)[number];

export interface Address {
  room: Room;
  query: Record<string, string>;
}

/** The room and the choices that stand in an address; an unknown room leads to the start. */
export function read(hash: string): Address {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const room = ROOMS.find((name) => name === path) ?? "start";
  return { room, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function href(room: Room, query: Record<string, string | number | undefined> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${room}${text ? `?${text}` : ""}`;
}

const state = $state<{ address: Address }>({ address: read(location.hash) });
addEventListener("hashchange", () => {
  state.address = read(location.hash);
});

export function address(): Address {
  return state.address;
}

export function go(room: Room, query: Record<string, string | number | undefined> = {}): void {
  location.hash = href(room, query);
}

/** Remember choices of the room that is shown in its address, without a further step of the browser's history. */
export function remember(query: Record<string, string | number | undefined>): void {
  const { room, query: old } = state.address;
  const merged = { ...old, ...query };
  history.replaceState(null, "", href(room, merged));
  state.address = read(location.hash);
}
