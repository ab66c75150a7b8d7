import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Lab } from '../interop/lab/lab.ts';
import type { LabNode } from '../interop/lab/node.ts';
import type { Running, RunResult } from '../interop/lab/process.ts';
import { program } from '../interop/lab/programs.ts';

/** An ordinary user who may use the daemon (`uidgid { uid: 65534 }`), one who may too, and one who may not. */
export const GRANTED = 65534;
export const GRANTED_TOO = 65533;
export const STRANGER = 12345;
/** The section of the configuration that makes them so. */
export const GRANTS = [`uidgid {\n  uid: ${GRANTED}\n}`, `uidgid {\n  uid: ${GRANTED_TOO}\n}`];

/** A local user of one node with a program to attack it. */
export class Attacker {
  private constructor(
    readonly node: LabNode,
    readonly uid: number,
    private readonly path: string,
  ) {}

  /** `name` is a program of test/security/c. */
  static async on(node: LabNode, uid: number, name = 'ipc'): Promise<Attacker> {
    const built = await program(name, 'security');
    const copy = join(node.space.directory, 'run', basename(built)); // the checkout may be closed to others
    if (!existsSync(copy)) copyFileSync(built, copy);
    chmodSync(copy, 0o755);
    return new Attacker(node, uid, `/run/${basename(built)}`);
  }

  start(...args: readonly string[]): Running {
    return this.node.space.start('nice', this.command(args));
  }

  run(...args: readonly string[]): Promise<RunResult> {
    return this.node.space.run('nice', this.command(args), { timeoutMs: 60_000 });
  }

  shell(script: string): Promise<RunResult> {
    return this.node.space.run('setpriv', [...this.as(), 'sh', '-c', script]);
  }

  private as(): string[] {
    return [`--reuid=${this.uid}`, `--regid=${this.uid}`, '--clear-groups'];
  }

  /** Root goes before the flooding processes, as he may: it is to be seen how long the daemon makes him wait. */
  private command(args: readonly string[]): string[] {
    return ['-n', this.uid === 0 ? '-20' : '0', 'setpriv', ...this.as(), this.path, ...args];
  }
}

/** Milliseconds until root's tool has its response; null: it did not get one. */
export async function rootServedMs(node: LabNode): Promise<number | null> {
  const startMs = performance.now();
  const { code } = await node.tool('corosync-cmapctl', '-g', 'totem.version');
  return code === 0 ? performance.now() - startMs : null;
}

/** What a daemon may grow in a flood of connections, handshakes or requests (docs/operations.md, "Limits of local users"). */
export const FLOOD_GROWTH_MIB_MAX = 256;

/** Memory of a node's daemon. */
export const residentMiB = (node: LabNode): number => memoryMiB(node, 'VmRSS');
/** The most that it had so far. */
export const peakMiB = (node: LabNode): number => memoryMiB(node, 'VmHWM');

function memoryMiB(node: LabNode, field: string): number {
  const status = readFileSync(`/proc/${node.daemon?.pid}/status`, 'latin1');
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
}

/** The longest wait that `probe` or `latency` has seen, less the machine's own longest delay: what the daemon has to do with. */
export function delayMs(output: string): number {
  const of = (name: string): number => Number(new RegExp(`${name} ([\\d.]+)`).exec(output)?.[1] ?? Number.NaN);
  return of('worst') - of('late');
}

/** The daemon lives and serves root; its log otherwise. */
export async function alive(lab: Lab, node: LabNode): Promise<string> {
  if (!node.daemon?.alive) return `the daemon has ended: ${JSON.stringify(await node.daemon?.exited)} ${lab.logs()}`;
  return (await rootServedMs(node)) === null ? `the daemon does not serve root: ${lab.logs()}` : 'alive';
}
