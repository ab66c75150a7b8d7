/** Keys of stock's maps that events are read from: the daemon and its clients see the same. */

const STATUS_KEY = /^runtime\.members\.(\d+)\.status$/;
const CONNECTED_KEY = /^stats\.knet\.node(\d+)\.link(\d+)\.connected$/;

/** The node whose status the key holds (`joined`, `left`); `null`: another key. */
export function nodeOfStatusKey(key: string): number | null {
  const [, id] = STATUS_KEY.exec(key) ?? [];
  return id === undefined ? null : Number(id);
}

/** The link whose state the key holds; `null`: another key. */
export function linkOfKey(key: string): { readonly peerId: number; readonly link: number } | null {
  const [, id, link] = CONNECTED_KEY.exec(key) ?? [];
  return id === undefined || link === undefined ? null : { peerId: Number(id), link: Number(link) };
}

/** `r(0) ip(10.0.0.1) r(1) ip(10.0.1.1) ` → the address of the last link, as stock takes it. */
export function lastAddress(text: string): string | null {
  const all = [...text.matchAll(/ip\(([^)]*)\)/g)];
  return all.at(-1)?.[1] ?? null;
}
