import { CsError } from '../../lib/errors.ts';
import { CPG_CALLS } from '../../services/codec/cpg.ts';
import { groupNameValue } from '../../services/codec/fields.ts';
import { EMPTY } from '../../services/codec/struct.ts';
import { nodeAddresses } from './addresses.ts';
import { getopt } from './getopt.ts';
import { EXIT_FAILURE, EXIT_SUCCESS, escaped, Service, type Tool, type ToolIo } from './tool.ts';

const Iteration = { NAMES: 1, ALL: 3 } as const;
const PAD = 10;

interface Member {
  readonly group: Uint8Array;
  readonly pid: number;
  readonly nodeId: number;
}

const LETTERS = 'hd:ne';

/** `corosync-cpgtool`: groups and their members. */
export const CPGTOOL: Tool = {
  name: 'corosync-cpgtool',
  letters: LETTERS,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS);
    let delimiter = '';
    let namesOnly = false;
    let escapes = true;
    for (const { letter, value } of options) {
      if (letter === '?') {
        io.err(`${errors[0]}\n`);
        return EXIT_FAILURE;
      }
      if (letter === 'h') {
        io.out(usage(program));
        return EXIT_SUCCESS;
      }
      if (letter === 'd' && value !== '') delimiter = value[0]!;
      if (letter === 'n') namesOnly = true;
      if (letter === 'e') escapes = false;
    }
    const cpg = await Service.open('cpg', io);
    if (typeof cpg === 'number') {
      io.err(`Could not initialize corosync cpg API error ${cpg}\n`);
      return EXIT_FAILURE;
    }
    const cfg = await Service.open('cfg', io);
    if (typeof cfg === 'number') {
      io.err(`Could not initialize corosync configuration API error ${cfg}\n`);
      return EXIT_FAILURE;
    }
    const shown = (group: Uint8Array): string | Uint8Array => (escapes ? escaped(group) : group);
    return namesOnly ? printGroups(io, cpg, delimiter, shown) : printMembers(io, cpg, cfg, delimiter, shown);
  },
};

type Shown = (group: Uint8Array) => string | Uint8Array;

async function printGroups(io: ToolIo, cpg: Service, delimiter: string, shown: Shown): Promise<number> {
  const { members, status } = await iterate(cpg, Iteration.NAMES);
  if (members === null) return failed(io, `Cannot initialize cpg iterator error ${status}`);
  for (const { group } of members) {
    io.out(shown(group));
    io.out(delimiter || '\n');
  }
  if (delimiter !== '') io.out('\n');
  return EXIT_SUCCESS;
}

async function printMembers(io: ToolIo, cpg: Service, cfg: Service, delimiter: string, shown: Shown): Promise<number> {
  const { members, status } = await iterate(cpg, Iteration.ALL);
  if (members === null) return failed(io, `Cannot initialize cpg iterator error ${status}`);
  io.out(
    delimiter === ''
      ? `Group Name\t${'PID'.padStart(PAD)}\t${'Node ID'.padStart(PAD)}\n`
      : `GRP_NAME${delimiter}PID${delimiter}NODEID\n`,
  );
  let last: Uint8Array = EMPTY;
  for (const { group, pid, nodeId } of members) {
    if (delimiter !== '') {
      io.out(shown(group));
      io.out(`${delimiter}${pid}${delimiter}${nodeId}\n`);
      continue;
    }
    if (Buffer.compare(group, last) !== 0) {
      io.out(shown(group));
      io.out('\n');
      last = group;
    }
    const addresses = await nodeAddresses(cfg, nodeId);
    const text = typeof addresses === 'number' ? '' : addresses.join(' ');
    io.out(`\t\t${String(pid).padStart(PAD)}\t${String(nodeId).padStart(PAD)} (${text})\n`);
  }
  return status === CsError.NO_SECTIONS ? EXIT_SUCCESS : failed(io, `cpg iteration error ${status}`);
}

/** What the daemon lists, and the status with which the list ended. `null`: it did not begin. */
async function iterate(
  cpg: Service,
  iterationType: number,
): Promise<{ readonly members: readonly Member[] | null; readonly status: number }> {
  const begun = await cpg.call(CPG_CALLS.iterationInit, { group: groupNameValue(EMPTY), iterationType });
  if (typeof begun === 'number') return { members: null, status: begun };
  const { handle } = begun.values;
  const members: Member[] = [];
  for (;;) {
    const reply = await cpg.call(CPG_CALLS.iterationNext, { handle });
    if (typeof reply === 'number') {
      await cpg.status(CPG_CALLS.iterationFinalize, { handle });
      return { members, status: reply };
    }
    const { group, pid, nodeId } = reply.values;
    members.push({ group: new Uint8Array(group.bytes), pid, nodeId });
  }
}

function failed(io: ToolIo, message: string): number {
  io.err(`${message}\n`);
  return EXIT_FAILURE;
}

const usage = (program: string): string => `${program} [-d delimiter] [-e] [-n] [-h]

A tool for displaying cpg groups and members.
options:
\t-d\tDelimiter between fields.
\t-e\tDon't escape unprintable characters in group name.
\t-n\tDisplay only all existing group names.
\t-h\tDisplay this help.
`;
