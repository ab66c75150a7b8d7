import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { pause } from '../../client/abort.ts';
import { Cfg } from '../../client/cfg.ts';
import { Cmap } from '../../client/cmap.ts';
import { Quorum } from '../../client/quorum.ts';
import { keyId, readKeyFile } from '../../config/key-material.ts';
import { KEY_FILE_DEFAULT } from '../../config/options/totem.ts';
import { agreeing } from '../../lib/counted.ts';
import { failureText } from '../../lib/failure.ts';
import { KEY_BYTES_MAX } from '../../lib/knet-facts.ts';
import { nodesText } from '../../observe/why/words.ts';
import { createOwnFile, replaceOwnFile } from '../../os/own-file.ts';
import { currentQuorum } from '../cluster.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { type RotationState, rotationState } from '../key-rotation.ts';
import { emit, emitItem } from '../output.ts';
import { nodeViews } from '../views.ts';

const KEY_BYTES = 256;
const KEY_MODE = 0o400;
const LOOK_MS = 1_000;
const MINUTES_DEFAULT = 10;
const IN_FORCE_MS_MAX = 60_000;

/** Bytes by chance into a file that only its owner reads; they are wiped here. Returns their id. */
function writeNewKey(path: string, replace: boolean): string {
  const key = randomBytes(KEY_BYTES);
  try {
    if (replace) replaceOwnFile(path, key, KEY_MODE);
    else createOwnFile(path, key, KEY_MODE);
    return keyId(key);
  } finally {
    key.fill(0);
  }
}

function idOfFile(path: string): string {
  const { bytes } = readKeyFile(path, KEY_BYTES_MAX);
  const id = keyId(bytes);
  bytes.fill(0);
  return id;
}

async function generate(context: CommandContext): Promise<number> {
  const file = context.positionals[0] ?? KEY_FILE_DEFAULT;
  const force = context.values['force'] === true;
  if (!force && existsSync(file)) {
    context.io.err(
      `rondo: ${file} is there already: --force replaces it, and rondo key rotate changes the key of a ring that runs\n`,
    );
    return CliExit.FAILED;
  }
  try {
    const id = writeNewKey(file, force);
    emit(context, { file, bytes: KEY_BYTES, id }, () => [
      `${file}: ${KEY_BYTES * 8} bits, key ${id}. Copy it to every node.`,
    ]);
    return CliExit.OK;
  } catch (error) {
    context.io.err(`rondo: ${file}: ${failureText(error)}\n`);
    return CliExit.FAILED;
  }
}

/** What the command reports, a line each. */
type Step =
  | { readonly phase: 1 | 2 | 3 | 4; readonly text: string }
  | { readonly phase: 2 | 4; readonly nodeId: number; readonly text: string };

/** The change of a ring's key, phase by phase. */
class Rotation {
  constructor(
    private readonly context: CommandContext,
    private readonly file: string,
    private readonly stats: Cmap,
    private readonly quorum: Quorum,
  ) {}

  report(step: Step): void {
    emitItem(this.context, step, `[${step.phase}/4] ${step.text}`);
  }

  /** Phase 1. The old key stays beside the new one, for the way back. */
  newKey(): string {
    if (this.context.values['existing'] === true) {
      const id = idOfFile(this.file);
      this.report({ phase: 1, text: `the key in ${this.file} is used: ${id}` });
      return id;
    }
    const { bytes } = readKeyFile(this.file, KEY_BYTES_MAX);
    replaceOwnFile(`${this.file}.old`, bytes, KEY_MODE);
    bytes.fill(0);
    const id = writeNewKey(this.file, true);
    this.report({
      phase: 1,
      text: `${this.file} has a new key: ${id}; the old one is in ${this.file}.old. No daemon may be started again before phase 4`,
    });
    return id;
  }

  async state(id: string): Promise<RotationState & { readonly members: readonly number[] }> {
    const { members } = await currentQuorum(this.quorum);
    return { members, ...rotationState(await nodeViews(this.stats), members, id) };
  }

  /** Waits until every member is among those of `which`, and reports each; the nodes that are missing when the time is over. */
  async untilAll(
    id: string,
    phase: 2 | 4,
    which: 'copied' | 'inForce',
    text: string,
    msMax: number,
  ): Promise<readonly number[]> {
    const reported = new Set<number>();
    const end = performance.now() + msMax;
    for (;;) {
      const state = await this.state(id);
      for (const nodeId of state[which].filter((each) => !reported.has(each))) {
        reported.add(nodeId);
        this.report({ phase, nodeId, text: `node ${nodeId} ${text}` });
      }
      const missing = state.members.filter((nodeId) => !state[which].includes(nodeId));
      if (missing.length === 0 || performance.now() >= end) return missing;
      await pause(LOOK_MS, this.context.io.signal);
    }
  }
}

async function rotate(context: CommandContext): Promise<number> {
  const minutes = Number(context.values['minutes'] ?? MINUTES_DEFAULT);
  if (!(minutes > 0)) throw new UsageError('--minutes: a number above 0', 'key rotate');
  const cmap = await Cmap.connect(context.connect);
  const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
  const quorum = await Quorum.connect(context.connect);
  const cfg = await Cfg.connect(context.connect);
  try {
    const file = (await cmap.getString('totem.keyfile')) ?? KEY_FILE_DEFAULT;
    return await rotateRing(new Rotation(context, file, stats, quorum), cfg, { context, file, minutes });
  } finally {
    for (const connection of [cmap, stats, quorum, cfg]) connection.close();
  }
}

interface RotationOrder {
  readonly context: CommandContext;
  readonly file: string;
  readonly minutes: number;
}

async function rotateRing(rotation: Rotation, cfg: Cfg, { context, file, minutes }: RotationOrder): Promise<number> {
  const { io } = context;
  const before = await rotation.state('');
  const plain = before.silent.length === 0 && before.copied.length === before.members.length;
  if (plain) {
    io.err('rondo: the ring has no key file: set crypto_cipher and crypto_hash, then corosync-keygen\n');
    return CliExit.FAILED;
  }
  if (before.silent.length > 0) {
    io.err(
      `rondo: ${nodesText(before.silent)} ${agreeing(before.silent.length, 'does', 'do')} not say which key is in use (stock daemons, or just joined): copy the key yourself, then: rondo reload\n`,
    );
    return CliExit.FAILED;
  }
  const back = `mv ${file}.old ${file} on this node (and the old key back on those that got the new one)`;
  const id = rotation.newKey();
  rotation.report({ phase: 2, text: `copy it to each other node: scp -p ${file} NODE:${file}` });
  const lacking = await rotation.untilAll(id, 2, 'copied', 'has it', minutes * 60_000);
  if (lacking.length > 0) {
    io.err(
      `rondo: ${nodesText(lacking)} ${agreeing(lacking.length, 'has', 'have')} not got the key in ${minutes} min. Nothing was changed in the ring; go on with --existing, or back: ${back}\n`,
    );
    return CliExit.FAILED;
  }
  rotation.report({ phase: 3, text: 'all nodes have it: reload' });
  await cfg.reload({ signal: io.signal });
  const slow = await rotation.untilAll(id, 4, 'inForce', 'uses it', IN_FORCE_MS_MAX);
  if (slow.length > 0) {
    io.err(
      `rondo: ${nodesText(slow)} ${agreeing(slow.length, 'does', 'do')} not use the key; see the log there. Back: ${back}, then: rondo reload\n`,
    );
    return CliExit.FAILED;
  }
  rotation.report({ phase: 4, text: `done; remove ${file}.old` });
  return CliExit.OK;
}

export const KEY_COMMANDS: readonly Command[] = [
  {
    words: 'key generate',
    arguments: '[FILE]',
    summary: 'make a key for the ring',
    details: `Default file: ${KEY_FILE_DEFAULT}. ${KEY_BYTES * 8} bits by chance, readable by its owner only. A file that is there is not touched.`,
    options: { force: { type: 'boolean' } },
    optionHelp: [{ flag: '--force', text: 'replace a file that is there' }],
    examples: ['rondo key generate'],
    positionals: [0, 1],
    run: generate,
  },
  {
    words: 'key rotate',
    arguments: '',
    summary: 'change the key of a ring that runs: phase by phase, acknowledged by each node',
    details:
      'Makes a new key in the key file, waits until you have copied it to every node (each one is reported as it has it), reloads, and waits until each uses it. Until the reload the ring goes on with the old key. All members must run Rondo.',
    slow: true,
    options: { existing: { type: 'boolean' }, minutes: { type: 'string' } },
    optionHelp: [
      { flag: '--existing', text: 'use the key that is in the key file already' },
      { flag: '--minutes MINUTES', text: `how long the copies may take (default ${MINUTES_DEFAULT})` },
    ],
    examples: ['rondo key rotate', 'rondo key rotate --existing --json'],
    positionals: [0, 0],
    run: rotate,
  },
];
