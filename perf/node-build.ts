import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../test/interop/lab/host.ts';
import { must } from '../test/interop/lab/process.ts';

const DIRECTORIES = ['bin', 'scripts', 'dist/bundle', 'dist/src', 'dist/workers'];
const INSTALL_MS = 300_000;

export interface NodeBuild {
  /** A checkout whose daemons run on that Node.js; `undefined`: this one. */
  readonly build?: string;
  readonly version: string;
}

/**
 * This build on another Node.js: a path, or a version that npm has (`24`). It is a copy with code caches of its own, as a package makes
 * them on the machine where it is installed.
 */
export async function nodeBuild(name: string): Promise<NodeBuild> {
  if (name === '') return { version: process.version };
  const node = name.includes('/') ? name : await installed(name);
  const version = (await must(node, ['--version'])).trim();
  const build = join(ROOT, 'dist/node', version);
  rmSync(build, { recursive: true, force: true });
  mkdirSync(join(build, 'dist'), { recursive: true });
  for (const directory of DIRECTORIES)
    if (existsSync(join(ROOT, directory))) cpSync(join(ROOT, directory), join(build, directory), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(build, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(build, 'node_modules'));
  for (const script of ['interpreter', 'caches']) await must(node, [join(build, 'scripts', `${script}.mjs`)]);
  return { build, version };
}

async function installed(version: string): Promise<string> {
  const command = ['exec', '--yes', `--package=node@${version}`, '--', 'node', '-p', 'process.execPath'];
  return (await must('npm', command, { timeoutMs: INSTALL_MS })).trim();
}
