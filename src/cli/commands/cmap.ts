import { Cmap, type CmapEntry, type CmapEvent, type CmapPlain, type CmapTypeName } from '../../client/cmap.ts';
import { cmapFloatText } from '../../lib/cmap-value.ts';
import { printable } from '../../lib/printable.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emit, emitItem } from '../output.ts';

const MAP_OPTION = { map: { type: 'string', short: 'm' } } as const;
const MAP_HELP = [{ flag: '-m, --map icmap|stats', text: 'configuration and state (default), or statistics' }];
const TYPES: readonly CmapTypeName[] = [
  'i8',
  'u8',
  'i16',
  'u16',
  'i32',
  'u32',
  'i64',
  'u64',
  'flt',
  'dbl',
  'str',
  'bin',
];

/** `KEY (TYPE) = VALUE`, as corosync-cmapctl prints it. */
export const entryLine = ({ key, type, value }: CmapEntry): string => `${key} (${type}) = ${valueText(type, value)}`;

function valueText(type: string, value: CmapPlain): string {
  if (value instanceof Uint8Array)
    return value.length === 0 ? '*empty*' : `base64:${Buffer.from(value).toString('base64')}`;
  if (type === 'flt' || type === 'dbl') return cmapFloatText(Number(value));
  return String(value);
}

async function withMap(context: CommandContext, words: string, use: (cmap: Cmap) => Promise<number>): Promise<number> {
  const map = context.values['map'] ?? 'icmap';
  if (map !== 'icmap' && map !== 'stats') throw new UsageError(`--map is icmap or stats, not '${String(map)}'`, words);
  const cmap = await Cmap.connect({ ...context.connect, map });
  try {
    return await use(cmap);
  } finally {
    cmap.close();
  }
}

const get = (context: CommandContext): Promise<number> =>
  withMap(context, 'cmap get', async (cmap) => {
    const found: CmapEntry[] = [];
    let missing = 0;
    for (const key of context.positionals) {
      const entry = await cmap.get(key, { signal: context.io.signal });
      if (entry !== null) found.push(entry);
      else {
        missing++;
        context.io.err(`rondo: there is no key '${printable(key)}'. rondo cmap list shows the keys\n`);
      }
    }
    emit(context, found, () =>
      found.map((entry) => (context.values['quiet'] === true ? valueText(entry.type, entry.value) : entryLine(entry))),
    );
    return missing > 0 ? CliExit.FAILED : CliExit.OK;
  });

const list = (context: CommandContext): Promise<number> =>
  withMap(context, 'cmap list', async (cmap) => {
    const prefixes = context.positionals.length > 0 ? context.positionals : [''];
    const found: CmapEntry[] = [];
    for (const prefix of prefixes) {
      for await (const entry of cmap.entries(prefix, { signal: context.io.signal })) found.push(entry);
    }
    emit(context, found, () => found.map(entryLine));
    if (found.length > 0 || context.positionals.length === 0) return CliExit.OK;
    context.io.err(`rondo: no key begins with ${prefixes.map((prefix) => `'${printable(prefix)}'`).join(' or ')}\n`);
    return CliExit.FAILED;
  });

const set = (context: CommandContext): Promise<number> =>
  withMap(context, 'cmap set', async (cmap) => {
    const [key, typeText, text] = context.positionals;
    const type = TYPES.find((name) => name === typeText);
    if (type === undefined)
      throw new UsageError(`unknown type '${typeText}'; types are ${TYPES.join(' ')}`, 'cmap set');
    await cmap.set(key!, type, typedValue(type, text!), { signal: context.io.signal });
    emit(context, { key, type }, () => []);
    return CliExit.OK;
  });

/** Text of the command line as a value of the type; numbers are decimal and complete. */
export function typedValue(type: CmapTypeName, text: string): CmapPlain {
  if (type === 'str') return text;
  if (type === 'bin') return Buffer.from(text, 'base64');
  if (type === 'flt' || type === 'dbl') {
    const value = Number(text);
    if (text.trim() === '' || Number.isNaN(value)) throw new UsageError(`'${text}' is not a number`, 'cmap set');
    return value;
  }
  if (!/^[+-]?\d+$/.test(text)) throw new UsageError(`'${text}' is not a whole decimal number`, 'cmap set');
  return BigInt(text);
}

const remove = (context: CommandContext): Promise<number> =>
  withMap(context, 'cmap delete', async (cmap) => {
    const keys = context.values['prefix'] === true ? await keysBelow(cmap, context.positionals) : context.positionals;
    for (const key of keys) await cmap.delete(key, { signal: context.io.signal });
    emit(context, { deleted: keys }, () => []);
    return CliExit.OK;
  });

async function keysBelow(cmap: Cmap, prefixes: readonly string[]): Promise<string[]> {
  const keys: string[] = [];
  for (const prefix of prefixes) for await (const key of cmap.keys(prefix)) keys.push(key);
  return keys;
}

/** `modify> KEY (TYPE) = VALUE`, as corosync-cmapctl prints it. */
export function changeLine(event: CmapEvent): string {
  const entry = event.kind === 'delete' ? event.previous : event.current;
  const word = event.kind === 'add' ? 'create' : event.kind;
  return entry === null ? `${word}> ${event.key}` : `${word}> ${entryLine(entry)}`;
}

const watch = (context: CommandContext): Promise<number> =>
  withMap(context, 'cmap watch', async (cmap) => {
    const prefix = context.values['prefix'] === true || context.positionals.length === 0;
    const watches = await Promise.all(
      (context.positionals.length > 0 ? context.positionals : ['']).map((key) =>
        cmap.watch(key, { prefix, signal: context.io.signal }),
      ),
    );
    await Promise.all(
      watches.map(async (changes) => {
        for await (const change of changes) emitItem(context, change, changeLine(change));
      }),
    );
    return CliExit.OK;
  });

export const CMAP_COMMANDS: readonly Command[] = [
  {
    words: 'cmap get',
    arguments: 'KEY…',
    summary: 'print keys of the configuration map',
    details: 'Fails with status 1 when a key does not exist.',
    options: { ...MAP_OPTION, quiet: { type: 'boolean', short: 'q' } },
    optionHelp: [...MAP_HELP, { flag: '-q, --quiet', text: 'values only' }],
    examples: ['rondo cmap get totem.cluster_name', 'rondo cmap get -m stats stats.srp.mtt_rx_token'],
    positionals: [1, 1000],
    run: get,
  },
  {
    words: 'cmap list',
    arguments: '[PREFIX…]',
    summary: 'print all keys, or those that start with a prefix',
    details: '',
    options: MAP_OPTION,
    optionHelp: MAP_HELP,
    examples: ['rondo cmap list runtime.members.', 'rondo cmap list -m stats stats.knet.'],
    positionals: [0, 1000],
    run: list,
  },
  {
    words: 'cmap set',
    arguments: 'KEY TYPE VALUE',
    summary: 'set or create a key',
    details: `Types: ${TYPES.join(' ')}. A bin is given as base64. Negative numbers: put -- before the key.`,
    options: MAP_OPTION,
    optionHelp: MAP_HELP,
    examples: ['rondo cmap set totem.token u32 5000'],
    positionals: [3, 3],
    run: set,
  },
  {
    words: 'cmap delete',
    arguments: 'KEY…',
    summary: 'delete keys',
    details: '',
    options: { ...MAP_OPTION, prefix: { type: 'boolean', short: 'p' } },
    optionHelp: [...MAP_HELP, { flag: '-p, --prefix', text: 'delete every key that starts with the given texts' }],
    examples: ['rondo cmap delete totem.token'],
    positionals: [1, 1000],
    run: remove,
  },
  {
    words: 'cmap watch',
    arguments: '[KEY…]',
    summary: 'print changes of keys as they happen',
    details: 'Without a key: all changes of the map.',
    options: { ...MAP_OPTION, prefix: { type: 'boolean', short: 'p' } },
    optionHelp: [...MAP_HELP, { flag: '-p, --prefix', text: 'watch every key that starts with the given texts' }],
    examples: ['rondo cmap watch -p runtime.members.'],
    positionals: [0, 100],
    run: watch,
  },
];
