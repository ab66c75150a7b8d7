import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { IpcTransport } from '../../src/ipc/server/limits.ts';
import { IpcServer } from '../../src/ipc/server/server.ts';
import { ToyCpg } from './toy-cpg.ts';

t.setTimeout(170_000);

// Unmodified clients (Debian's libcpg) against our server with a toy service behind it, in a network namespace of its own, because
// the names of the sockets are stock's.
const source = fileURLToPath(new URL('../../../test/ipc/c/cpg-client.c', import.meta.url));
const unavailable =
  process.getuid?.() !== 0
    ? 'needs root for a network namespace'
    : spawnSync('gcc', ['--version']).status !== 0 || !existsSync('/usr/include/corosync/cpg.h')
      ? 'needs gcc and libcpg-dev'
      : spawnSync('unshare', ['--net', 'true']).status !== 0
        ? 'needs network namespaces'
        : false;

interface Run {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

function stories(transport: IpcTransport): void {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-ipc-'));
  chmodSync(directory, 0o755); // also for the client that is somebody else
  const program = join(directory, 'cpg-client');
  const { status, stderr } = spawnSync('gcc', ['-O1', '-w', '-o', program, source, '-lcpg'], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  const toy = new ToyCpg();
  let verdict = 0;
  const ends: string[] = [];
  const server = new IpcServer({
    instance: '',
    transport,
    authorize: () => verdict,
    ended: (_service, reason) => void ends.push(reason),
  });
  server.publish('cpg', 2, toy);
  t.teardown(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  /** The program's input ends after `until`. */
  const run = (args: readonly string[], uid = 0, until: Promise<unknown> = Promise.resolve()): Promise<Run> =>
    new Promise((resolve) => {
      const child = spawn(program, args, { uid, gid: uid });
      void until.then(() => child.stdin.end());
      let output = '';
      child.stdout.on('data', (bytes) => (output += bytes));
      child.on('close', (code, signal) => resolve({ code, signal, output: output.trim() }));
    });
  const content = async (t: Test, args: readonly string[]): Promise<void> => {
    const { code, signal, output } = await run(args);
    t.same({ code, signal }, { code: 0, signal: null }, `${args.join(' ')}: ${output}`);
  };
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 200 && toy.connections.size > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const leftovers = (): string[] => readdirSync('/dev/shm').filter((name) => name.startsWith(`qb-${process.pid}-`));

  t.test('calls', (t) => content(t, ['calls', '5000']));
  t.test('messages of many sizes come back complete and in order', async (t) => {
    await content(t, ['mcast', '20000', '64']);
    await content(t, ['mcast', '5000', '8000']);
    await content(t, ['mcast', '200', '500000']);
    await content(t, ['mcast', '30', '1000000']);
  });
  t.test('a slow client gets everything, later', async (t) => {
    await content(t, ['slow', '20000', '200', '1000']);
    t.equal(server.statistics.reasons.get('eventQueueFull') ?? 0, 0);
  });
  t.test('a client that never reads is cut off at the limit, alone', async (t) => {
    const [flooded] = await Promise.all([run(['slow', '30000', '10000', '2000']), content(t, ['calls', '2000'])]);
    t.not(flooded.code, 0);
    t.equal(server.statistics.reasons.get('eventQueueFull'), 1);
  });
  t.test('another user: refused with the errno given, or served with files of its own', async (t) => {
    verdict = 13;
    t.same(await run(['calls', '1'], 65534), { code: 21, signal: null, output: 'initialize: 11' }, 'CS_ERR_ACCESS');
    verdict = 11;
    t.equal((await run(['calls', '1'], 65534)).code, 16, 'CS_ERR_TRY_AGAIN');
    verdict = 0;
    t.equal((await run(['calls', '10'], 65534)).code, 0);
  });
  t.test('what a client sent before it left is served', async (t) => {
    toy.received.length = 0;
    t.equal((await run(['fire', '1000'])).code, 0);
    await settled();
    t.equal(toy.received.length, 1000);
  });
  t.test('clients that misbehave lose their own connection and nothing else', async (t) => {
    const witness = run(['mcast', '30000', '300']);
    if (transport === 'socket') {
      for (const uid of [0, 65534]) {
        t.equal((await run(['cut'], uid)).code, 0);
        for (const bytes of ['0', '3', '15', '16', '4000'])
          t.match(await run(['garbage', bytes], uid), { code: 0, output: 'hung up: yes' });
      }
    } else await cutAndScribble(t);
    t.match(await witness, { code: 0, signal: null });
    await settled();
    t.equal(toy.opens, toy.closes);
    t.equal(toy.connections.size, 0);
  });
  t.test('who is no client has nothing taken as the request of one', { skip: transport === 'shm' }, async (t) => {
    toy.received.length = 0;
    let released = (): void => {};
    const late = run(['late'], 0, new Promise<void>((resolve) => (released = resolve)));
    while (toy.connections.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const [connection] = toy.connections;
    t.match(await run(['stranger', '500'], 65534), { code: 0 });
    released();
    t.match(await late, { code: 0 });
    t.ok((connection?.statistics.strangers ?? 0) > 0, `${connection?.statistics.strangers} datagrams of a stranger`);
    t.same(toy.received, []);
    await settled();
  });
  const cutAndScribble = async (t: Test): Promise<void> => {
    for (const uid of [0, 65534]) {
      for (const ring of ['request', 'response', 'event']) {
        t.match(await run(['truncate', ring], uid), { code: 0, output: 'truncated: 0' });
        t.match(await run(['truncate', ring, 'early'], uid), { code: 0, output: 'truncated: 2' });
      }
    }
    for (let i = 0; i < 10; i++) t.match(await run(['scribble']), { code: 0, output: 'hung up: yes' });
    for (let i = 0; i < 5; i++) t.match(await run(['die']), { signal: 'SIGKILL' });
  };
  t.test('many clients at once', async (t) => {
    const results = await Promise.all(Array.from({ length: 60 }, () => run(['hold', '300'])));
    t.same(
      results.filter(({ code }) => code !== 0),
      [],
    );
    await settled();
    t.same(leftovers(), []);
    t.equal(server.statistics.active, 0);
    t.comment(JSON.stringify(Object.fromEntries(server.statistics.reasons)));
  });
  t.test('shutdown cuts clients and leaves nothing', async (t) => {
    const held = run(['hold', '500']);
    while (toy.connections.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    server.close();
    t.equal(toy.connections.size, 0);
    t.same(leftovers(), []);
    await held;
    t.equal((await run(['calls', '1'])).output, 'initialize: 2', 'nobody listens: CS_ERR_LIBRARY');
  });
}

/** The file of that path tests clients over that transport: in a network namespace of its own, in which it runs once more. */
export function testStockClients(transport: IpcTransport, path: string): void {
  if (process.env['RONDO_OWN_NETWORK'] === '1') stories(transport);
  else if (unavailable !== false) t.test('stock clients', { skip: unavailable }, (t) => t.end());
  else {
    const env = { ...process.env, RONDO_OWN_NETWORK: '1' };
    t.spawn('unshare', ['--net', process.execPath, path], { env }, 'stock clients, in a network namespace');
  }
}
