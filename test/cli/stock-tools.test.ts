import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { getopt, wholeNumber } from '../../src/cli/stock/getopt.ts';
import { TOOLS } from '../../src/cli/stock/index.ts';
import { scanDouble, scanI64, scanU64 } from '../../src/cli/stock/scan.ts';
import { escaped } from '../../src/cli/stock/tool.ts';

const ROOT = process.geteuid?.() === 0;

/** Runs a tool without a daemon. */
async function run(name: string, ...args: readonly string[]) {
  const output = { status: -1, out: '', err: '' };
  const io = {
    out: (text: string | Uint8Array) => {
      output.out += Buffer.from(text).toString();
    },
    err: (text: string) => {
      output.err += text;
    },
    terminal: false,
    stdin: (async function* () {})(),
    signal: new AbortController().signal,
  };
  output.status = await TOOLS.find((tool) => tool.name === name)!.run(args, io, name);
  return output;
}

t.test("a command line is read as by the C library's getopt", async (t) => {
  const words = (...args: readonly string[]) => {
    const { options, operands, errors } = getopt('tool', args, 'ab:c', [
      { name: 'all', short: 'a', argument: false },
      { name: 'alike', short: 'c', argument: false },
      { name: 'by', short: 'b', argument: true },
      { name: 'force', short: '', argument: false },
    ]);
    return [options.map(({ letter, value }) => letter + value).join(' '), operands.join(' '), errors.join('; ')];
  };
  t.same(words('-acb', 'x', 'y', '-a', '--', '-c'), ['a c bx a', 'y -c', '']);
  t.same(words('-bx', '-'), ['bx', '-', '']);
  t.same(words('--by=1', '--by', '2', '--b', '3', '--force'), ['b1 b2 b3 force', '', '']);
  t.same(words('-x'), ['?', '', "tool: invalid option -- 'x'"]);
  t.same(words('-:'), ['?', '', "tool: invalid option -- ':'"]);
  t.same(words('-b'), ['?', '', "tool: option requires an argument -- 'b'"]);
  t.same(words('--by'), ['?', '', "tool: option '--by' requires an argument"]);
  t.same(words('--none'), ['?', '', "tool: unrecognized option '--none'"]);
  t.same(words('--al'), ['?', '', "tool: option '--al' is ambiguous; possibilities: '--all' '--alike'"]);
  t.same(words('--all=1'), ['?', '', "tool: option '--all' doesn't allow an argument"]);
});

t.test('numbers are read as by strtoll and sscanf', async (t) => {
  t.equal(wholeNumber(' 12', 1, 100), 12);
  t.equal(wholeNumber('12x', 1, 100), null);
  t.equal(wholeNumber('101', 1, 100), null);
  t.equal(wholeNumber('99999999999999999999', 1, 100), null);
  t.equal(scanI64('-7abc'), -7n);
  t.equal(scanI64('99999999999999999999'), (1n << 63n) - 1n);
  t.equal(scanI64('abc'), null);
  t.equal(scanU64('-1'), (1n << 64n) - 1n);
  t.equal(scanU64('99999999999999999999'), (1n << 64n) - 1n);
  t.equal(scanDouble('1.5e3x'), 1500);
  t.equal(scanDouble('0x1.8p1'), 3);
  t.equal(scanDouble('-inf'), Number.NEGATIVE_INFINITY);
  t.equal(scanDouble('.'), null);
  t.equal(escaped(Buffer.from([0x41, 0x5c, 0x01, 0xff])), 'A\\\\\\x01\\xFFFFFFFF');
});

t.test('what needs no daemon is printed without one', async (t) => {
  t.match(await run('corosync-cmapctl', '-h'), { status: 0, out: /^\nusage: {2}corosync-cmapctl/, err: '' });
  t.match(await run('corosync-cmapctl', '-C', 'x'), { status: 1, err: /^argument to -C should be 'knet'/ });
  t.match(await run('corosync-cfgtool'), { status: 0, out: /^corosync-cfgtool \[\[-i/ });
  t.match(await run('corosync-cfgtool', '-k', '0'), { status: 1, err: /^The nodeid was not valid/ });
  t.match(await run('corosync-quorumtool', '-o', 'z'), { status: 1, err: /^Invalid ordering option/ });
  t.match(await run('corosync-cpgtool', '-x'), { status: 1, out: '', err: /invalid option/ });
});

t.test('a key has the size that was asked for, and only its owner reads it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-keygen-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'authkey');
  t.match(await run('corosync-keygen', '-k', file, '-s', '512'), { status: 0, out: /Gathering 4096 bits/ });
  t.equal(readFileSync(file).length, 512);
  t.equal(statSync(file).mode & 0o777, 0o400);
  t.match(await run('corosync-keygen', '-k', file, '-s', '127'), { status: 1, err: /supported <128,4096>/ });
  t.match(await run('corosync-keygen', '-k', join(directory, 'no/key')), {
    status: 2,
    err: /^corosync-keygen: Could not create .*: No such file or directory\n$/,
  });
});

t.test("a key is not written into another user's file, nor where his link leads", { skip: !ROOT }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-keygen-'));
  chmodSync(directory, 0o1777);
  t.teardown(() => rmSync(directory, { recursive: true }));
  const planted = join(directory, 'authkey');
  const link = join(directory, 'link');
  const victim = join(directory, 'victim');
  writeFileSync(planted, 'his');
  chownSync(planted, 65534, 65534);
  writeFileSync(victim, "root's");
  symlinkSync(victim, link);
  lchownSync(link, 65534, 65534);
  for (const [path, why] of [
    [planted, /Could not create .*: It belongs to user 65534\n$/],
    [link, /Could not create .*: Symbolic link link of another user\n$/],
  ] as const)
    t.match(await run('corosync-keygen', '-k', path), { status: 2, err: why });
  t.equal(readFileSync(planted, 'utf8'), 'his');
  t.equal(readFileSync(victim, 'utf8'), "root's");
});
