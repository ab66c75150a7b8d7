import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { hasCommand, ROOT } from './lab/host.ts';
import { sleep } from './lab/process.ts';

/** The simulator of quorum, beside stock's: the same scripts, and after each command the same states of all nodes. */
const STOCK = 'corosync-vqsim';
const skip = hasCommand(STOCK) ? false : `needs Debian’s ${STOCK}`;
/** A busy machine may need so long until stock's processes have settled. */
const SETTLED_MS_MAX = 10_000;
const QUIET_MS = 40;
/** A comment, behind which last man standing's window passes. */
const WINDOW = '# window';
const WINDOW_MS = 1_500;

interface Script {
  readonly votes: readonly number[];
  readonly quorum?: readonly string[];
  readonly lines: readonly string[];
}

/** Fencing is left to `test/cli/vqsim.test.ts` where stock's result depends on which process is quicker. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  'plain votes': {
    votes: [1, 1, 1],
    lines: [
      ...[
        'split 1:3',
        'split 1:1,2 0:3',
        'join 0 1',
        'down 1',
        'up 1',
        'up 1:4',
        'down 9',
        'up 2',
        'foo',
        'down',
        'up',
      ],
      ...[
        'move 1',
        ' ',
        '# a comment',
        'join 0',
        'down x',
        'DOWN 2',
        '  split   5:1,4  6:3',
        'split 1:77',
        'join 0 5 6',
      ],
    ],
  },
  'two nodes': { votes: [1, 1], quorum: ['two_node: 1'], lines: ['split 1:2', 'join 0 1', 'down 1', 'up 1', 'up 3'] },
  'wait for all': {
    votes: [1, 1, 1],
    quorum: ['wait_for_all: 1'],
    lines: ['split 1:3', 'join 0 1', 'down 1 2', 'up 1', 'down 3', 'down 2'],
  },
  'tie breaker': {
    votes: [1, 1, 1, 1],
    quorum: ['auto_tie_breaker: 1'],
    lines: ['split 1:3,4', 'split 1:1', 'join 0 1', 'split 1:1,2', 'join 1 0'],
  },
  'unequal votes': { votes: [3, 1, 1], lines: ['split 1:1', 'split 1:2 0:1', 'split 2:3', 'up 8', 'join 2 0 1'] },
  'last man standing': {
    votes: [1, 1, 1, 1],
    quorum: ['last_man_standing: 1', 'last_man_standing_window: 500'],
    lines: ['down 4', WINDOW, 'down 3', WINDOW, 'up 3'],
  },
  downscale: { votes: [1, 1, 1], quorum: ['allow_downscale: 1'], lines: ['down 3', 'down 2', 'up 2'] },
  'expected votes': { votes: [1, 1], quorum: ['expected_votes: 4'], lines: ['up 3', 'up 4', 'down 1'] },
  device: {
    votes: [1, 1],
    quorum: ['device {', 'model: net', 'timeout: 400', '}'],
    lines: ['qdevice off 1', 'qdevice on 1', 'split 1:2', 'qdevice x', 'qdevice off 1', 'qdevice on 2,1'],
  },
  'without waiting': {
    votes: [1, 1, 1],
    lines: ['sync off', 'up 4', 'down 1', 'split 1:2', 'sync x', 'timeout 100', 'assert on', 'assert x', 'autofence x'],
  },
  fencing: { votes: [1, 1, 1], lines: ['split 1:3', 'autofence on', 'split 0:1', 'autofence off'] },
};

function configuration({ votes, quorum = [] }: Script): string {
  const nodes = votes.map((n, at) => `node {\nnodeid: ${at + 1}\nring0_addr: 127.0.0.${at + 1}\nquorum_votes: ${n}\n}`);
  return [
    'totem {\nversion: 2\ntransport: knet\n}\nnodelist {',
    ...nodes,
    '}\nquorum {\nprovider: corosync_votequorum',
    ...quorum,
    '}\n',
  ].join('\n');
}

/** Our simulator under stock's name, in a directory of its own. */
function ownTool(t: Pick<Test, 'testdir'>): string {
  const own = join(t.testdir({}), STOCK);
  symlinkSync(join(ROOT, 'bin/corosync-tool'), own);
  return own;
}

/** A running simulator. */
class Session {
  out = '';
  err = '';
  private readonly child: ChildProcess;

  constructor(command: string, directory: string) {
    this.child = spawn(command, ['-c', 'v.conf'], { cwd: directory, stdio: 'pipe' });
    this.child.stdout!.on('data', (data) => {
      this.out += data;
    });
    this.child.stderr!.on('data', (data) => {
      this.err += data;
    });
  }

  send(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  async prompted(): Promise<void> {
    for (let ms = 0; ms < SETTLED_MS_MAX && !this.out.endsWith('vqsim> '); ms += QUIET_MS) await sleep(QUIET_MS);
  }

  /** What `show` prints now. */
  async states(): Promise<string> {
    const from = this.out.length;
    this.send('show');
    for (let ms = 0; ms < SETTLED_MS_MAX; ms += QUIET_MS) {
      const [, states] = /show\n([\s\S]*#autofence: \w+)\n/.exec(this.out.slice(from)) ?? [];
      if (states !== undefined) return states;
      await sleep(QUIET_MS);
    }
    return `no states: ${this.out.slice(from)}`;
  }

  async end(): Promise<number | null> {
    this.child.stdin!.end();
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

t.test('scripts end in the same states', { skip, jobs: 3 }, async (t) => {
  t.setTimeout(300_000);
  const own = ownTool(t);
  for (const [name, script] of Object.entries(SCRIPTS)) {
    t.test(name, async (t) => {
      const directory = t.testdir({});
      writeFileSync(join(directory, 'v.conf'), configuration(script));
      const ours = new Session(own, directory);
      const stock = new Session(STOCK, directory);
      t.teardown(() => {
        ours.kill();
        stock.kill();
      });
      await Promise.all([ours.prompted(), stock.prompted()]);
      for (const line of ['', ...script.lines]) {
        for (const session of [ours, stock]) session.send(line);
        if (line === WINDOW) await sleep(WINDOW_MS);
        t.same(...(await agreed(ours, stock)), line || 'at the start');
      }
      t.same(await ours.end(), await stock.end(), 'exit status');
      const quits = (text: string) => text.match(/^.*Quit.*$/gm)?.map((line) => line.replace('#vqsim> ', '')) ?? [];
      t.same(quits(ours.out), quits(stock.out), 'nodes that ended');
      // Whether nodes have agreed in time, and whether a device polls in the middle of that, is a matter of the machine.
      const complaints = (text: string) => text.split('\n').filter((line) => !/not stable|poll failed: 22/.test(line));
      t.same(complaints(ours.err), complaints(stock.err), 'standard error');
      const help = /^ {2}All node IDs[\s\S]*?^exit$/m;
      t.same(help.exec(ours.out)?.[0], help.exec(stock.out)?.[0], 'help');
    });
  }
});

/** The states of both, when they agree, or when there has been time enough. */
async function agreed(ours: Session, stock: Session): Promise<readonly [string, string]> {
  let both: readonly [string, string] = ['', ''];
  for (const end = Date.now() + SETTLED_MS_MAX; Date.now() < end; ) {
    both = await Promise.all([ours.states(), stock.states()]);
    // Twice: the state before the command may have been the same.
    if (both[0] === both[1]) {
      await sleep(3 * QUIET_MS);
      both = await Promise.all([ours.states(), stock.states()]);
      if (both[0] === both[1]) return both;
    }
    await sleep(QUIET_MS);
  }
  return both;
}

t.test('options', { skip }, async (t) => {
  const own = ownTool(t);
  const directory = dirname(own);
  writeFileSync(join(directory, 'v.conf'), configuration(SCRIPTS['two nodes']!));
  const run = (command: string, ...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: directory, input: 'show\n', encoding: 'utf8' });
    return [status, stdout.replaceAll(command, STOCK), stderr.replaceAll(command, STOCK)];
  };
  for (const args of [['-h'], ['-x'], ['-c'], ['-o', 'none/here', '-c', 'v.conf'], ['-o', '/dev/null', '-c', 'v.conf']])
    t.same(run(own, ...args), run(STOCK, ...args), args.join(' '));
});
