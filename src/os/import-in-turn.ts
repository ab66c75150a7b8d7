import { readFileSync } from 'node:fs';

/** With fewer descriptors than this, modules are not loaded side by side: Node.js opens the files of a whole level of imports at once. */
const DESCRIPTORS_FEW = 256;
const IMPORT = /^(?:import|export)\b[^'";]*?(?:from\s*)?'(\.[^']+)'/gm;

/**
 * Loads a module of ours. Where descriptors are few, what it imports comes first, one file after the other, so that the start needs no
 * more of them than the daemon does later.
 */
export async function importInTurn<T>(url: URL): Promise<T> {
  if (descriptorLimit() < DESCRIPTORS_FEW) await importAfterItsOwn(url, new Set());
  const loaded: unknown = await import(url.href);
  return loaded as T; // the caller names the module, and so knows its type
}

async function importAfterItsOwn(url: URL, seen: Set<string>): Promise<void> {
  if (seen.has(url.href)) return;
  seen.add(url.href);
  for (const match of readFileSync(url, 'utf8').matchAll(IMPORT)) {
    await importAfterItsOwn(new URL(match[1]!, url), seen);
  }
  await import(url.href);
}

function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
