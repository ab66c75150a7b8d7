import t, { type Test } from 'tap';
import { TOOLS } from '../../src/cli/stock/index.ts';

const VQSIM = TOOLS.find(({ name }) => name === 'corosync-vqsim')!;

const CONF = (nodes: number, quorum = ''): string => {
  const list = Array.from({ length: nodes }, (_, at) => `node {\nnodeid: ${at + 1}\nring0_addr: 10.0.0.${at + 1}\n}\n`);
  return `totem {\nversion: 2\n}\nnodelist {\n${list.join('')}}\nquorum {\nprovider: corosync_votequorum\n${quorum}}\n`;
};

/** A session with these lines. `after`: what it printed behind the last of them. */
async function session(
  t: Pick<Test, 'testdir'>,
  conf: string,
  lines: readonly string[],
  ...options: readonly string[]
) {
  const directory = t.testdir({ 'a-path-of-more-than-eight-characters.conf': conf });
  let out = '';
  let err = '';
  const status = await VQSIM.run(
    ['-c', `${directory}/a-path-of-more-than-eight-characters.conf`, ...options],
    {
      out: (text) => {
        out += Buffer.from(text).toString();
      },
      err: (text) => {
        err += text;
      },
      terminal: false,
      stdin: (async function* () {
        for (const line of lines) yield `${line}\n`;
      })(),
      signal: new AbortController().signal,
    },
    'corosync-vqsim',
  );
  return {
    out,
    err,
    status,
    after: out
      .slice(out.lastIndexOf(`${lines.at(-1)}\n`))
      .split('\n')
      .slice(1, -1),
  };
}

t.test('states are those of nodes that have agreed', async (t) => {
  const { out, err, status } = await session(t, CONF(3), ['split 1:3', 'down 2', 'exit', 'show']);
  t.equal(
    out.replaceAll(/(^|\n)#vqsim> /g, '$1> '),
    `0:1: q=1 ring=[1.c] nodes=[1 2 3]
0:2: q=1 ring=[1.c] nodes=[1 2 3]
0:3: q=1 ring=[1.c] nodes=[1 2 3]
#autofence: off
> split 1:3
0:1: q=1 ring=[1.10] nodes=[1 2]
0:2: q=1 ring=[1.10] nodes=[1 2]
1:3: q=0 ring=[3.4] nodes=[3]
#autofence: off
> down 2
0:2: Quit (on request)
0:1: q=0 ring=[1.14] nodes=[1]
1:3: q=0 ring=[3.4] nodes=[3]
#autofence: off
> exit
`,
  );
  t.same([err, status], ['', 0]);
});

t.test('fencing ends all nodes that lost, and none that won', async (t) => {
  const { after } = await session(t, CONF(5), ['autofence on', 'split 1:3,4 2:5 3:9']);
  t.same(after, [
    'ERR: node 9 does not exist',
    '0:1: q=0 ring=[1.18] nodes=[1 2]',
    '0:2: q=0 ring=[1.18] nodes=[1 2]',
    '1:3: q=0 ring=[3.4] nodes=[3 4]',
    '1:4: q=0 ring=[3.4] nodes=[3 4]',
    '2:5: q=0 ring=[5.4] nodes=[5]',
    '#autofence: on',
  ]);
  const { out } = await session(t, CONF(5), ['autofence on', 'split 1:4,5', 'show']);
  t.same(out.match(/.*Quit.*/g), ['1:4: Quit (autofenced)', '1:5: Quit (autofenced)']);
});

t.test('time that is too short', async (t) => {
  const { err, status } = await session(t, CONF(2), ['timeout 1', 'split 1:2', 'assert on', 'split 1:1', 'show']);
  t.equal(err, 'ERR: Partition(s) not stable within timeout\n'.repeat(2));
  t.equal(status, 2);
});

t.test('what no cluster has is refused', async (t) => {
  const wrong = await session(t, CONF(2), ['up 16:3', 'move -1:1', 'join 99 0', 'up 0:3']);
  t.equal(wrong.err, ['16', '-1', '99'].map((n) => `ERR: partition ${n} is not one of 0 to 15\n`).join(''));
  t.match(wrong.after.at(-2), '0:3: q=1');
  const conflict = await session(t, CONF(2, 'two_node: 1\ndevice {\nmodel: net\n}\n'), ['show']);
  t.match(conflict.err, /^votequorum exec init failed: configuration error: two_node and quorum device cannot/);
  t.same(conflict.after, ['0:1: q=UNINITIALIZED', '0:2: q=UNINITIALIZED', '#autofence: off']);
  t.match((await session(t, 'totem {\n', ['show'])).err, /^ERR: Error loading corosync.conf /);
});

t.test('-n: states as they come', async (t) => {
  const { out } = await session(t, CONF(2), ['show'], '-n');
  t.ok(out.startsWith('#vqsim> show\n'), out);
});

/** Stock's simulated nodes decide before they hear their own words, which are older, and forget that they wait. */
t.test('who has lost quorum waits for all again, as in a daemon', async (t) => {
  const { after } = await session(t, CONF(3, 'wait_for_all: 1\n'), ['down 1', 'down 2', 'up 1', 'show']);
  t.same(after.slice(0, 2), ['0:3: q=0 ring=[3.18] nodes=[3 1]', '0:1: q=0 ring=[3.18] nodes=[3 1]']);
  const all = await session(t, CONF(3, 'wait_for_all: 1\n'), ['down 1', 'down 2', 'up 1', 'up 2', 'show']);
  t.match(all.after.slice(0, 3).join(), /0:3: q=1 .*0:1: q=1 .*0:2: q=1 /);
});
