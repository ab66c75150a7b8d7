import { closeSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { nodeEnvironment, systemReason } from '../../config/environment.ts';
import { ConfigError } from '../../config/errors.ts';
import { Icmap } from '../../config/icmap/index.ts';
import { CONFIG_FILE_DEFAULT, parseConfiguration } from '../../config/load.ts';
import { VotesCluster, type VotesMember } from '../../sim/votes/votes-cluster.ts';
import { getopt } from './getopt.ts';
import { EXIT_SUCCESS, type Tool, type ToolIo } from './tool.ts';
import { type Console, runLine } from './vqsim-commands.ts';

const EXIT_UNSTABLE = 2;
const EXIT_OUTPUT = 3;
/** The nodes of the configuration have so long to find together. */
const START_MS_MAX = 1_000;
const COMMAND_MS_DEFAULT = 250;
/** With a `#` before it where programs read it. */
const PROMPT = 'vqsim> ';

const LETTERS = 'c:o:nh';

/** `corosync-vqsim`: what becomes of quorum when nodes come and go, decided by votequorum itself. */
export const VQSIM: Tool = {
  name: 'corosync-vqsim',
  letters: LETTERS,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS);
    let file = CONFIG_FILE_DEFAULT;
    let output: string | null = null;
    let synchronous = true;
    for (const { letter, value } of options) {
      if (letter === 'c') file = value;
      else if (letter === 'o') output = value;
      else if (letter === 'n') synchronous = false;
      else {
        if (letter === '?') io.err(`${errors[0]}\n`);
        io.out(usage(program));
        return EXIT_SUCCESS;
      }
    }
    let fd: number | null = null;
    try {
      fd = output === null ? null : openSync(output, 'w', 0o666);
    } catch (error) {
      io.err(`Unable to open ${output} for output: ${systemReason(error).text}\n`);
      return EXIT_OUTPUT;
    }
    try {
      return await new Simulator(await configurationOf(file, io), io, fd, synchronous).run();
    } finally {
      if (fd !== null) closeSync(fd);
    }
  },
};

/** Without one there are no nodes at first; stock says nothing of what is wrong with it. */
async function configurationOf(file: string, io: ToolIo): Promise<Icmap> {
  const parsed = await parseConfiguration(file, nodeEnvironment());
  const [mistake] = parsed instanceof ConfigError ? [parsed] : parsed.errors;
  if (mistake !== undefined) io.err(`ERR: Error loading corosync.conf ${mistake.stockMessage ?? mistake.message}\n`);
  return parsed instanceof ConfigError || parsed.errors.length > 0 ? new Icmap() : parsed.map;
}

class Simulator implements Console {
  readonly cluster: VotesCluster;
  assertive = false;
  commandMs = COMMAND_MS_DEFAULT;
  private waiting: { readonly reports: number; readonly done: (timely: boolean) => void } | null = null;
  private readonly interactive = isatty(0);

  constructor(
    configuration: Icmap,
    private readonly io: ToolIo,
    private readonly output: number | null,
    public synchronous: boolean,
  ) {
    this.cluster = new VotesCluster(configuration, {
      setTimer: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs);
        return { cancel: () => clearTimeout(timer) };
      },
      nowMs: () => performance.now(),
      post: (callback) => void setImmediate(callback),
      newMap: () => new Icmap(),
      happened: () => this.look(),
      reported: (member) => {
        if (!this.synchronous) this.state(stateLine(member));
      },
      ended: ({ node, partition }, why) => io.out(`${partition.number}:${node.nodeId}: Quit (${why})\n`),
      problem: (text) => io.err(`${text}\n`),
      log: () => {}, // as stock's, it has no log
    });
  }

  // ---- output ----

  print(text: string): void {
    this.io.out(text);
  }

  error(text: string): void {
    this.io.err(`ERR: ${text}\n`);
  }

  /** Where `-o` puts the states. */
  state(text: string): void {
    if (this.output === null) this.io.out(text);
    else writeSync(this.output, text);
  }

  show(): void {
    for (const { members } of this.cluster.partitions) for (const member of members) this.state(stateLine(member));
    this.state(`#autofence: ${this.cluster.autofence ? 'on' : 'off'}\n`);
  }

  // ---- waiting for the nodes ----

  private look(): void {
    if (!this.cluster.stable || this.cluster.fence()) return;
    const { waiting } = this;
    if (waiting !== null && this.cluster.reports > waiting.reports) waiting.done(true);
  }

  /** `false`: not stable in time. `act` makes them move. */
  private whenStable(limitMs: number, act: () => boolean): Promise<boolean | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), limitMs);
      const done = (timely: boolean | null): void => {
        clearTimeout(timer);
        this.waiting = null;
        resolve(timely);
      };
      this.waiting = { reports: this.cluster.reports, done };
      if (!act()) done(null);
    });
  }

  /** `act` returns whether there is something to wait for. The exit status with which all ends, or `null`. */
  async change(act: () => boolean): Promise<number | null> {
    if (!this.synchronous) {
      if (!act()) this.prompt();
      return null;
    }
    const timely = await this.whenStable(this.commandMs, act);
    if (timely === false && this.commandMs > 0) {
      this.error('Partition(s) not stable within timeout');
      if (this.assertive) return EXIT_UNSTABLE;
    }
    if (timely !== null) this.show();
    this.prompt();
    return null;
  }

  prompt(): void {
    this.io.out(this.interactive ? PROMPT : `#${PROMPT}`);
  }

  // ---- the session ----

  async run(): Promise<number> {
    const { cluster } = this;
    const all = cluster.partitions[0]!;
    const start = (): boolean => {
      const ids = cluster.configured();
      for (const nodeId of ids) cluster.add(nodeId, all);
      return ids.length > 0;
    };
    if (this.synchronous) {
      if ((await this.whenStable(START_MS_MAX, start)) !== null) this.show();
    } else start();
    this.prompt();
    return await this.read();
  }

  private async read(): Promise<number> {
    const terminal = this.interactive && this.io.terminal;
    const lines = createInterface(
      terminal
        ? { input: process.stdin, output: process.stdout, prompt: PROMPT, terminal }
        : { input: Readable.from(this.io.stdin) },
    );
    try {
      for await (const line of lines) {
        if (!this.interactive) this.print(`${line}\n`);
        const status = await runLine(line, this);
        if (status !== null) return status;
      }
      return EXIT_SUCCESS;
    } finally {
      lines.close();
    }
  }
}

function stateLine({ node, partition }: VotesMember): string {
  const { report } = node;
  const who = `${partition.number}:${node.nodeId}`;
  if (report === null) return `${who}: q=UNINITIALIZED\n`;
  const { rep, seq } = report.ringId;
  const ring = `${rep.toString(16)}.${seq.toString(16)}`;
  return `${who}: q=${report.quorate ? 1 : 0} ring=[${ring}] nodes=[${report.members.join(' ')}]\n`;
}

const usage = (program: string): string => `Usage:

${program} [-c <config-file>] [-o <output-file>]

    -c     config file. defaults to ${CONFIG_FILE_DEFAULT}
    -o     output file. defaults to stdout
    -n     no synchronization (on adding a node)
    -h     display this help text

${program} always takes input from STDIN, but cannot use a file.
If you want to script it then use
 cat | ${program}

`;
