import t from 'tap';
import { changeLine, typedValue } from '../../src/cli/commands/cmap.ts';
import { eventLine } from '../../src/cli/commands/cpg.ts';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { runCli } from '../../src/cli/main.ts';
import { jsonText, table } from '../../src/cli/output.ts';
import { parseInvocation } from '../../src/cli/parse.ts';
import { nearest } from '../../src/lib/nearest.ts';
import { capturedIo } from './captured-io.ts';

t.test('the longest command wins, options stand anywhere', async (t) => {
  const invocation = parseInvocation(['quorum', 'watch', '--json', '-i', 'a'], COMMANDS);
  t.match(invocation, { kind: 'run', command: { words: 'quorum watch' }, values: { json: true, instance: 'a' } });
  t.match(parseInvocation(['quorum', '--check'], COMMANDS), { kind: 'run', command: { words: 'quorum' } });
  t.match(parseInvocation(['cmap'], COMMANDS), { kind: 'group', word: 'cmap' });
  t.match(parseInvocation(['help', 'cpg', 'send'], COMMANDS), { kind: 'help', command: { words: 'cpg send' } });
});

t.test('usage errors name the command and end with 2', async (t) => {
  for (const argv of [
    ['statis'],
    ['cpg', 'fly'],
    ['cmap', 'get'],
    ['status', '--nope'],
    ['--json', 'status'],
    ['status', 'extra'],
    ['status', '--wait', 'x'],
  ]) {
    const io = capturedIo();
    t.equal(await runCli(argv, io), 2, argv.join(' '));
    t.match(io.stderr, /^rondo: /);
    t.match(io.stderr, /Try: rondo/);
  }
});

t.test('every command has help with its options', async (t) => {
  for (const command of COMMANDS) {
    const io = capturedIo();
    t.equal(await runCli([...command.words.split(' '), '--help'], io), 0);
    for (const name of Object.keys(command.options)) t.match(io.stdout, `--${name}`, `${command.words} --${name}`);
  }
  const io = capturedIo();
  t.equal(await runCli(['--help'], io), 0);
  for (const command of COMMANDS) t.match(io.stdout, command.words);
});

t.test('values of the command line', async (t) => {
  t.equal(typedValue('u32', '5000'), 5000n);
  t.equal(typedValue('i8', '-3'), -3n);
  t.equal(typedValue('dbl', '1.5'), 1.5);
  t.equal(typedValue('str', '30x'), '30x');
  t.throws(() => typedValue('u32', '30x'));
  t.throws(() => typedValue('flt', ''));
});

t.test('lines as the stock tools print them', async (t) => {
  const entry = { key: 'totem.token', type: 'u32', value: 5000 } as const;
  t.equal(
    changeLine({ kind: 'modify', key: entry.key, current: entry, previous: null }),
    'modify> totem.token (u32) = 5000',
  );
  t.equal(
    changeLine({ kind: 'add', key: entry.key, current: entry, previous: null }),
    'create> totem.token (u32) = 5000',
  );
  const message = { type: 'message', group: 'g', nodeId: 1, pid: 2, data: Buffer.from('a\u001b[2Jb') } as const;
  t.equal(eventLine(message, 'text'), 'message from 1.2 (6 bytes): a\\x1b[2Jb');
  t.equal(eventLine(message, 'hex'), 'message from 1.2 (6 bytes): 611b5b324a62');
});

t.test('json keeps big numbers and bytes', async (t) => {
  t.equal(jsonText({ a: 5n, b: 1n << 63n, c: new Uint8Array([1, 2]) }), '{"a":5,"b":"9223372036854775808","c":"AQI="}');
});

t.test('small helpers', async (t) => {
  t.equal(nearest('quorm', ['quorum', 'cmap']), 'quorum');
  t.equal(nearest('xyzzy', ['quorum', 'cmap']), null);
  t.same(
    table(
      ['A', 'NUM'],
      [
        ['x', 5],
        ['longer', 12],
      ],
    ),
    ['A       NUM', 'x         5', 'longer   12'],
  );
});
