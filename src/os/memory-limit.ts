import { readFileSync } from 'node:fs';

/** Where the files of one machine begin; tests have their own. */
export interface MemoryFiles {
  read(path: string): string;
}

const REAL: MemoryFiles = { read: (path) => readFileSync(path, 'latin1') };

let known: number | null = null;

/** Memory that this process may use at most, in bytes: the machine's, or less if one of its control groups has a limit. Asked once. */
export function memoryLimitBytes(): number {
  known ??= readMemoryLimit(REAL);
  return known;
}

/**
 * What a budget of `bytes` is on a machine, or in a control group, that is small: at most `share` of its memory. A daemon that takes what
 * it has been planned for would be killed there.
 */
export const withinMemory = (bytes: number, share: number, limit: number = memoryLimitBytes()): number =>
  Math.min(bytes, Math.floor(limit * share));

export function readMemoryLimit(files: MemoryFiles): number {
  const total = Number(/^MemTotal:\s+(\d+) kB$/m.exec(read(files, '/proc/meminfo'))?.[1] ?? Number.NaN) * 1024;
  const limits = [total];
  for (const line of read(files, '/proc/self/cgroup').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const unified = line.startsWith('0::');
    if (!unified && !controllers.split(',').includes('memory')) continue;
    const [mount, file] = unified
      ? ['/sys/fs/cgroup', 'memory.max']
      : ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'];
    // A group has at most what those above it have. In a namespace of its own the path may lead nowhere, and the mount is the group.
    for (let at = path === '/' ? '' : path; ; at = at.slice(0, at.lastIndexOf('/'))) {
      limits.push(Number.parseInt(read(files, `${mount}${at}/${file}`), 10)); // 'max': no number
      if (at === '') break;
    }
  }
  return Math.min(...limits.filter((limit) => limit > 0), Number.MAX_SAFE_INTEGER);
}

function read(files: MemoryFiles, path: string): string {
  try {
    return files.read(path);
  } catch {
    return '';
  }
}
