import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryGroup {
  readonly path: string;
  readonly peakFile: string;
}

/** A control group with a limit on memory, of either version; `null` where none can be made. `rmdirSync` ends it. */
export function makeMemoryGroup(name: string, limitBytes: number): MemoryGroup | null {
  const first = '/sys/fs/cgroup/memory';
  const [parent, limit, peak] = existsSync(join(first, 'memory.limit_in_bytes'))
    ? [first, 'memory.limit_in_bytes', 'memory.max_usage_in_bytes']
    : ['/sys/fs/cgroup', 'memory.max', 'memory.peak'];
  const path = join(parent, name);
  try {
    mkdirSync(path);
    writeFileSync(join(path, limit), String(limitBytes));
    return { path, peakFile: join(path, peak) };
  } catch {
    if (existsSync(path)) rmdirSync(path);
    return null;
  }
}
