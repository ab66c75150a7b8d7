import { COMMANDS } from '../../../src/cli/commands/index.ts';
import { UsageError } from '../../../src/cli/exit-codes.ts';
import { parseInvocation } from '../../../src/cli/parse.ts';
import { getopt, wholeNumber } from '../../../src/cli/stock/getopt.ts';
import { scanDouble, scanI64, scanU64 } from '../../../src/cli/stock/scan.ts';
import { OPTIONS } from '../../../src/config/options/index.ts';
import { latin1, latin1Bytes } from '../../../src/config/parser/lexer.ts';
import { parseOptions } from '../../../src/daemon/options.ts';
import {
  CONFIG_JUNK,
  CONFIG_NAMES,
  CONFIG_VALUES,
  exampleConfigurations,
  judgeConfiguration,
} from '../config-judge.ts';
import type { FuzzSubject } from '../engine/target.ts';

/** A whole block for each option, so that one insertion makes a line that means something. */
const optionBlocks = (): string[] =>
  OPTIONS.map(({ section, key }) => {
    const names = section.split('.');
    const name = key.replace('<0-7>', '0').replace('<NAME>', 'x');
    return [...names.map((part) => `\n${part} {`), `${name}: 1`, ...names.map(() => '}\n')].join('\n');
  });

export const CONFIG_SUBJECT: FuzzSubject = {
  name: 'config',
  what: 'corosync.conf, as at the start and as for a test: loaded, or refused with an error that has a text',
  kinds: 0,
  text: true,
  dictionary: [...CONFIG_VALUES, ...CONFIG_NAMES.map((name) => `${name} {\n`), ...CONFIG_JUNK, ...optionBlocks()].map(
    latin1Bytes,
  ),
  seeds: () => exampleConfigurations().map(latin1Bytes),
  run: async (input) => {
    for (const purpose of ['test', 'start'] as const) {
      const problem = await judgeConfiguration(latin1(input), purpose);
      if (problem !== null) throw new Error(problem);
    }
    return [];
  },
};

const STOCK_LETTERS = ['i:snbrRLk:a:hH', 'm:hqgsdDtTbp:C:', 'VHaslpmfe:v:hin:o:W:X:C'];
const LONG = [
  { name: 'all', short: 'a', argument: false },
  { name: 'by', short: 'b', argument: true },
];

export const CLI_SUBJECT: FuzzSubject = {
  name: 'cli',
  what: 'command lines of rondo, of rondod and of the tools under stock’s names, words separated by NUL: read, or refused as wrong use',
  kinds: 0,
  text: true,
  dictionary: [
    ...[
      '\0',
      '-',
      '--',
      '=',
      '-c\0',
      '--json\0',
      '--node\0',
      '--wait=',
      '--help\0',
      '__proto__',
      '99999999999999999999',
      '-0',
      '1e999',
    ],
    ...COMMANDS.map(({ words }) => `${words.replaceAll(' ', '\0')}\0`),
  ].map(latin1Bytes),
  seeds: () =>
    [
      ...COMMANDS.map(({ words }) => `${words.replaceAll(' ', '\0')}\0--json`),
      '-f\0-c\0/x',
      '-s\0-g\0key',
      '-V\0-X\0a',
    ].map(latin1Bytes),
  run: (input) => {
    const words = latin1(input).split('\0');
    const states: string[] = [];
    try {
      states.push(`invocation ${parseInvocation(words, COMMANDS).kind}`);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      states.push('usage');
    }
    const parsed = parseOptions(words, {});
    if (!parsed.ok && parsed.problem === '') throw new Error('a refusal without a reason');
    for (const letters of STOCK_LETTERS) getopt('tool', words, letters, LONG);
    for (const word of words) {
      for (const scan of [scanDouble, scanI64, scanU64]) scan(word);
      wholeNumber(word, 0, 0xffff_ffff);
    }
    return states;
  },
};
