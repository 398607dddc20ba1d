/** The page's one stream of events: what happens on the server, by topic. */

type Hear = (data: unknown) => void;

const listeners = new Map<string, Set<Hear>>();
let source: EventSource | undefined;

function told(event: MessageEvent<string>): void {
  const data: unknown = JSON.parse(event.data);
  for (const hear of listeners.get(event.type) ?? []) hear(data);
}

function connect(): EventSource {
  const opened = new EventSource("./api/events");
  for (const topic of listeners.keys()) opened.addEventListener(topic, told as EventListener);
  return opened;
}

/**
 * Hear of a topic, such as `training.metrics`; gives what ends it, as an `$effect` wants it. The topic `missed` says that
 * events were lost, and `open` that the stream is there again: ask anew for what is shown.
 */
export function listen(topic: string, hear: Hear): () => void {
  const first = !listeners.has(topic);
  const heard = listeners.get(topic) ?? new Set<Hear>();
  listeners.set(topic, heard.add(hear));
  if (!source) source = connect();
  else if (first && topic !== "open") source.addEventListener(topic, told as EventListener);
  const again = () => hear(undefined);
  if (topic === "open") source.addEventListener("open", again);
  return () => {
    heard.delete(hear);
    if (topic === "open") source?.removeEventListener("open", again);
  };
}
