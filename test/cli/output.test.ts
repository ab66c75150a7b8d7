import t from 'tap';
import { ringText } from '../../src/cli/cluster.ts';
import type { CommandContext } from '../../src/cli/command.ts';
import { entryLine } from '../../src/cli/commands/cmap.ts';
import { eventLine } from '../../src/cli/commands/cpg.ts';
import { runCli } from '../../src/cli/main.ts';
import { emit, emitItem, jsonText, table } from '../../src/cli/output.ts';
import { instancesAmong, listeningNames } from '../../src/ipc/instances.ts';
import { printable } from '../../src/lib/printable.ts';
import { capturedIo } from './captured-io.ts';

const ESC = '\u001b';
const HOSTILE = `a${ESC}]0;title\u0007\u009b2J\r\n\u202eb\u007f`;

function capture(json: boolean): { context: CommandContext; text: () => string } {
  const io = capturedIo();
  const connect = { signal: io.signal, waitReadyMs: 0, timeoutMs: 1000 };
  return { context: { io, values: {}, positionals: [], json, connect }, text: () => io.text };
}

/** Every line feed is one of ours, and no other character moves anything. */
const harmless = (text: string, lines: number): boolean =>
  !/[^\P{Cc}\n]|[\u202a-\u202e\u2028\u2029]/u.test(text) && text.split('\n').length === lines + 1;

t.test('bytes of others do not reach the terminal as they are', async (t) => {
  t.equal(printable(HOSTILE), 'a\\x1b]0;title\\x07\\x9b2J\\x0d\\x0a\\u202eb\\x7f');
  t.equal(printable('Käse ✓ 漢字'), 'Käse ✓ 漢字');
  const { context, text } = capture(false);
  emit(context, null, () =>
    table(
      ['GROUP', 'PID'],
      [
        [HOSTILE, 5],
        ['plain', 12],
      ],
    ),
  );
  emitItem(context, null, entryLine({ key: 'a.key', type: 'str', value: HOSTILE }));
  const member = { nodeId: 1, pid: 2 };
  emitItem(
    context,
    null,
    eventLine({ type: 'membership', group: HOSTILE, members: [member], joined: [], left: [] }, 'text'),
  );
  emitItem(context, null, eventLine({ type: 'message', group: 'g', ...member, data: Buffer.from(HOSTILE) }, 'text'));
  t.ok(harmless(text(), 6), text());
  const [, first, second] = text().split('\n');
  t.equal(first?.length, second?.length, 'columns are as wide as what is shown');
});

t.test('JSON is exact and harmless', async (t) => {
  const text = jsonText({ group: HOSTILE });
  t.ok(harmless(`${text}\n`, 1), text);
  t.same(JSON.parse(text), { group: HOSTILE });
});

t.test('64-bit numbers are exact: a number of JSON up to 2^53-1, beyond it a string of digits', async (t) => {
  const rings = [12n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n].map((seq) => ({ rep: 1, seq }));
  t.equal(jsonText(rings.map(({ seq }) => seq)), '[12,9007199254740991,"9007199254740992","18446744073709551615"]');
  t.equal(ringText(rings[3]!), '1.ffffffffffffffff');
});

t.test('errors are harmless, too', async (t) => {
  const { context, text } = capture(false);
  t.equal(await runCli(['cpg', 'join', `${HOSTILE}${'x'.repeat(200)}`, '-i', `no${ESC}body`], context.io), 3);
  t.notMatch(text(), ESC);
  t.equal(await runCli(['status', '--timeout', 'soon'], context.io), 2);
  t.match(text(), /--timeout: 'soon' is not a number of seconds/);
});

t.test('running instances are found by their sockets', async (t) => {
  const row = (flags: string, path: string): string => `ffff: 00000002 00000000 ${flags} 0001 01 12345 ${path}`;
  const names = listeningNames(
    [
      'Num       RefCount Protocol Flags    Type St Inode Path',
      row('00010000', `@cmap${'@'.repeat(103)}`),
      row('00010000', `@demo-1-cmap${'@'.repeat(90)}`),
      row('00000000', `@gone-cmap${'@'.repeat(90)}`),
      row('00010000', '/var/run/file-cmap'),
      row('00010000', `@x${ESC}-cmap`),
      row('00010000', '@cpg@@'),
      'ffff: 00000003 00000000 00000000 0001 03 1060',
    ].join('\n'),
  );
  t.ok(names.has('cpg'));
  t.same(instancesAmong(names), ['', 'demo-1', 'file']);
});
