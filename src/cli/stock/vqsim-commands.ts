import { PARTITIONS_MAX, type VotesCluster } from '../../sim/votes/votes-cluster.ts';
import { EXIT_SUCCESS } from './tool.ts';

/** What the commands work on. */
export interface Console {
  readonly cluster: VotesCluster;
  /** Each command waits until the nodes have agreed. */
  synchronous: boolean;
  /** Nodes that do not agree in time end the run. */
  assertive: boolean;
  /** Milliseconds within which they must agree. */
  commandMs: number;
  print(text: string): void;
  error(text: string): void;
  state(text: string): void;
  show(): void;
  prompt(): void;
  /** Makes nodes move: `act` returns whether there is something to wait for. An exit status ends the run. */
  change(act: () => boolean): Promise<number | null>;
}

type Partition = VotesCluster['partitions'][number];
/** `args[0]` is the command itself. An exit status ends the run. */
type Command = (args: readonly string[], console: Console) => number | null | Promise<number | null>;

const move: Command = (args, console) =>
  console.change(() => {
    const { cluster } = console;
    for (const { partition, nodeIds } of nodeLists(args.slice(1), console)) {
      for (const nodeId of nodeIds) {
        const member = cluster.find(nodeId);
        if (member === undefined) console.print(`ERR: node ${nodeId} does not exist\n`);
        else cluster.move(member, partition);
      }
    }
    cluster.update(true);
    return true;
  });

const quit: Command = () => EXIT_SUCCESS;

const COMMANDS: Readonly<Record<string, { readonly wordsMin: number; readonly run: Command }>> = {
  up: {
    wordsMin: 1,
    run: (args, console) => (args.length === 1 ? atOnce(console) : up(args, console)),
  },
  down: { wordsMin: 1, run: (args, console) => down(args, console) },
  move: { wordsMin: 2, run: move },
  split: { wordsMin: 2, run: move },
  join: { wordsMin: 2, run: (args, console) => join(args, console) },
  autofence: {
    wordsMin: 1,
    run: (args, console) => {
      onOrOff(args, console, 'autofence value must be', (on) => {
        console.cluster.autofence = on;
        console.state(`#autofence: ${on ? 'on' : 'off'}\n`);
      });
      return atOnce(console);
    },
  },
  qdevice: { wordsMin: 1, run: (args, console) => device(args, console) },
  show: {
    wordsMin: 1,
    run: (_args, console) => {
      console.show();
      return atOnce(console);
    },
  },
  timeout: {
    wordsMin: 2,
    run: (args, console) => {
      console.commandMs = Math.max(0, number(args[1]!));
      return atOnce(console);
    },
  },
  sync: {
    wordsMin: 1,
    run: (args, console) => {
      onOrOff(args, console, 'sync value must be', (on) => {
        console.state(`#sync: ${on ? 'on' : 'off'}\n`);
        console.synchronous = on;
      });
      return atOnce(console);
    },
  },
  assert: {
    wordsMin: 1,
    run: (args, console) => {
      onOrOff(args, console, 'assert value must be', (on) => {
        console.assertive = on;
      });
      return atOnce(console);
    },
  },
  exit: { wordsMin: 1, run: quit },
  quit: { wordsMin: 1, run: quit },
  q: { wordsMin: 1, run: quit },
};

/** One line of input. An exit status ends the run. */
export async function runLine(line: string, console: Console): Promise<number | null> {
  if (line.startsWith('#')) return null; // a comment, and no prompt after it
  const args = line.split(' ').filter((word) => word !== '');
  const [word] = args;
  if (word === undefined) return atOnce(console);
  const name = word.toLowerCase();
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined && args.length >= command.wordsMin) return await command.run(args, console);
  console.print(HELP);
  return atOnce(console);
}

function atOnce(console: Console): null {
  console.prompt();
  return null;
}

const up: Command = (args, console) =>
  console.change(() => {
    const { cluster } = console;
    let started = 0;
    for (const { partition, nodeIds } of nodeLists(args.slice(1), console)) {
      for (const nodeId of nodeIds) {
        const there = cluster.find(nodeId);
        if (there === undefined) {
          cluster.add(nodeId, partition);
          started++;
        } else console.error(`nodeid ${nodeId} already exists in partition ${there.partition.number}`);
      }
    }
    return started > 0;
  });

/** Words behind the first one are not looked at, as in stock: `down 1 2` stops node 1. */
const down: Command = (args, console) =>
  console.change(() => {
    const { cluster } = console;
    const nodeId = number(args[1] ?? '');
    if (args.length === 1) return false;
    const member = cluster.find(nodeId >>> 0);
    if (member === undefined) for (let i = 1; i < args.length; i++) console.error(`nodeid ${nodeId >>> 0} is not up`);
    else cluster.stop(member);
    return member !== undefined;
  });

const join: Command = (args, console) =>
  console.change(() => {
    const { cluster } = console;
    const [to, ...others] = args.slice(1).map((word) => partitionOf(number(word), console));
    if (to === undefined) return false;
    for (const from of others) {
      if (from === undefined) continue;
      for (const member of [...from.members]) cluster.move(member, to);
    }
    cluster.update(true);
    return true;
  });

const device: Command = (args, console) => {
  onOrOff(args, console, 'qdevice should be', (on) => {
    const { cluster } = console;
    for (const { nodeIds } of nodeLists(args.slice(2), console)) {
      for (const nodeId of nodeIds) {
        const member = cluster.find(nodeId);
        if (member !== undefined) cluster.setDevice(member, on);
      }
    }
    cluster.update(false);
  });
  return atOnce(console);
};

// ---- words ----

function onOrOff(args: readonly string[], console: Console, complaint: string, set: (on: boolean) => void): void {
  const word = args[1]?.toLowerCase();
  if (word === 'on' || word === 'off') set(word === 'on');
  else console.error(`${complaint} 'on' or 'off'`);
}

/** As C's `atoi` reads it. */
const number = (word: string): number => Number.parseInt(word, 10) | 0 || 0;

/** Numbers beyond the last part end stock's program. */
function partitionOf(wanted: number, console: Console): Partition | undefined {
  const partition = console.cluster.partitions[wanted];
  if (partition === undefined) console.error(`partition ${wanted} is not one of 0 to ${PARTITIONS_MAX - 1}`);
  return partition;
}

const NODES_MAX = 1024;

interface NodeList {
  readonly partition: Partition;
  readonly nodeIds: readonly number[];
}

/** `[PARTITION:]NODE[,NODE…]` */
function nodeLists(words: readonly string[], console: Console): readonly NodeList[] {
  return words.flatMap((word) => {
    const colon = word.indexOf(':');
    const partition = partitionOf(colon < 0 ? 0 : number(word.slice(0, colon)), console);
    const nodeIds = word
      .slice(colon + 1)
      .split(',')
      .map((id) => number(id) >>> 0);
    return partition === undefined || nodeIds.length > NODES_MAX ? [] : [{ partition, nodeIds }];
  });
}

const HELP = `  All node IDs in the cluster are unique and belong to a numbered 'partition' (default=0)

up         [<partition>:][<nodeid>[,<nodeid>] ...] [[<partition>:][<nodeid>...]] [...]
           bring node(s) online in the specified partition(s)
down       <nodeid>,[<nodeid>...]
           send nodes offline (shut them down)
move/split [<partition>:][<nodeid>[,<nodeid>] ...] [[<partition>:][<nodeid>...]] [...]
           Move nodes from one partition to another (netsplit)
           <partition> here is the partition to move the nodes to
join       <partition> <partition> [<partition>] ... 
           Join partitions together (reverse of a netsplit)
qdevice    on|off [<partition>:][<nodeid>[,<nodeid>] ...] [[<partition>:][<nodeid>...]] [...]
           Enable quorum device in specified nodes
autofence  on|off
           automatically 'down' nodes on inquorate side on netsplit
timeout    <n> (default 250)
           Wait a maximum of <n> milli-seconds for the next command to complete.
sync       on|off (default on)
           enable/disable synchronous execution of commands (wait for completion)
assert     on|off (default off)
           Abort the simulation run if a timeout expires
show       Show current nodes status
exit

`;
