import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './host.ts';
import { must } from './process.ts';

const LIBRARIES = ['-lcpg', '-lsam', '-lcmap', '-lcfg', '-lquorum', '-lvotequorum', '-lqb', '-lpthread', '-lm'];
const built = new Map<string, Promise<string>>();

/** Compiles test/FOLDER/c/NAME.c, once for each version of its text. Returns the program's path. */
export function program(name: string, folder = 'interop'): Promise<string> {
  let path = built.get(`${folder}/${name}`);
  if (path === undefined) {
    path = compile(name, folder);
    built.set(`${folder}/${name}`, path);
  }
  return path;
}

async function compile(name: string, folder: string): Promise<string> {
  const source = join(ROOT, 'test', folder, 'c', `${name}.c`);
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
  const directory = join(ROOT, 'dist/test-programs');
  const target = join(directory, `${name}-${digest}`);
  if (existsSync(target)) return target;
  mkdirSync(directory, { recursive: true });
  const temporary = `${target}.${process.pid}`;
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-Wl,--as-needed'];
  await must('gcc', [...flags, '-o', temporary, source, ...LIBRARIES], { timeoutMs: 120_000 });
  renameSync(temporary, target);
  return target;
}
