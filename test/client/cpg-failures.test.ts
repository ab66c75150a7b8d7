import t from 'tap';
import { Cpg } from '../../src/client/cpg.ts';
import type { CpgEvent } from '../../src/client/cpg-events.ts';
import { CpgEventDecoder } from '../../src/client/cpg-events.ts';
import { StateError } from '../../src/client/errors.ts';
import { CsError } from '../../src/lib/errors.ts';
import { CPG_DELIVER, CPG_LOCAL_GET_RESPONSE, CPG_PARTIAL_DELIVER } from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import { messageId, statusResponse } from '../../src/services/codec/struct.ts';
import { FakeDaemon, type Responder } from './fake-channel.ts';

const LOCAL_GET = 4;
const MCAST = 2;
const respond: Responder = (request) =>
  messageId(request) === LOCAL_GET
    ? CPG_LOCAL_GET_RESPONSE.ok({ nodeId: 1 })
    : statusResponse(messageId(request), CsError.OK);

async function joined(options = {}): Promise<{ daemon: FakeDaemon; cpg: Cpg }> {
  const daemon = new FakeDaemon(respond);
  const cpg = await Cpg.connect(daemon.options(options));
  await cpg.join('g');
  return { daemon, cpg };
}

const group = groupNameValue(Buffer.from('g'));
const member = (pid: number) => ({ group, nodeId: 1, pid });
const deliver = (text: string): Uint8Array =>
  CPG_DELIVER.ok({ ...member(5), messageBytes: text.length }, Buffer.from(text));
const fragment = (pid: number, messageBytes: number, type: number, data: Uint8Array): Uint8Array =>
  CPG_PARTIAL_DELIVER.ok({ ...member(pid), messageBytes, fragmentBytes: data.length, type }, data);
const payloads = (daemon: FakeDaemon): string[] =>
  daemon.requests
    .filter((request) => messageId(request) === MCAST)
    .map((request) => Buffer.from(request.subarray(40)).toString());

t.test('a loop of sends that never wait lets timers and events through', async (t) => {
  const { daemon, cpg } = await joined();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const until = performance.now() + 500;
  let sent = 0;
  for (; performance.now() < until; sent++) await cpg.send('x');
  clearInterval(timer);
  t.ok(ticks >= 3, `${ticks} ticks, ${sent} sends`);
  t.ok(sent > 3 * ticks, `${ticks} ticks, ${sent} sends: not one a turn`);
  t.equal(payloads(daemon).length, sent);
  cpg.destroy();
});

t.test('a loop over events that are all there lets timers through', async (t) => {
  const { daemon, cpg } = await joined({ queueBytes: Number.POSITIVE_INFINITY });
  const event = deliver('x');
  for (let i = 0; i < 300; i++) daemon.event(event);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  let seen = 0;
  for await (const _ of cpg.events()) {
    const until = performance.now() + 0.2; // the reader's own work
    while (performance.now() < until);
    if (++seen === 300) break;
  }
  clearInterval(timer);
  t.ok(ticks >= 3, `${ticks} ticks`);
  cpg.destroy();
});

t.test('signals of sends: fired before, and while waiting for others', async (t) => {
  const { daemon, cpg } = await joined();
  const reason = new Error('given up');
  await t.rejects(cpg.send('never', { signal: AbortSignal.abort(reason) }), reason);
  daemon.busy = true;
  const abort = new AbortController();
  const first = cpg.send('first');
  const second = cpg.send('second', { signal: abort.signal });
  const third = cpg.send('third');
  abort.abort(reason);
  await t.rejects(second, reason);
  daemon.busy = false;
  await Promise.all([first, third]);
  t.same(payloads(daemon), ['first', 'third']);
  cpg.destroy();
});

t.test('a send that finds no room within the limit is refused, and those that wait as long with it', async (t) => {
  const { daemon, cpg } = await joined({ timeoutMs: 30 });
  daemon.busy = true;
  const sends = [cpg.send('1'), cpg.send('2')];
  for (const send of sends) await t.rejects(send, { code: 'RONDO_TIMEOUT', message: /within 30 ms\. It is stopped/ });
  cpg.destroy();
});

t.test('calls have a limit, and one that is late does not disturb the next', async (t) => {
  const { daemon, cpg } = await joined({ timeoutMs: 30 });
  daemon.hung = true;
  await t.rejects(cpg.members('g'), { code: 'RONDO_TIMEOUT', name: 'ConnectionError' });
  daemon.hung = false;
  await t.rejects(cpg.join(5 as unknown as string), { code: 'RONDO_ARGUMENT' });
  await cpg.close();
});

t.test('close() of a hung daemon with a send that waits returns in time; destroy() at once', async (t) => {
  const { daemon, cpg } = await joined();
  daemon.busy = true;
  daemon.hung = true;
  const send = cpg.send('waits');
  send.catch(() => {});
  const started = performance.now();
  await cpg.close({ timeoutMs: 50 });
  t.ok(performance.now() - started < 2000);
  t.ok(cpg.closed && daemon.closed);
  await t.rejects(send, { code: 'RONDO_CLOSED' });

  const other = await joined();
  other.daemon.hung = true;
  const call = other.cpg.members('g');
  other.cpg.destroy();
  t.ok(other.daemon.closed);
  call.catch(() => {});
});

t.test('await using closes', async (t) => {
  const { daemon, cpg } = await joined();
  await cpg[Symbol.asyncDispose]();
  t.ok(daemon.closed);
});

t.test('many calls with one signal are no leak', async (t) => {
  const { daemon, cpg } = await joined();
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on('warning', listener);
  daemon.busy = true;
  const abort = new AbortController();
  const calls = Array.from({ length: 30 }, (_, i) => cpg.send(`${i}`, { signal: abort.signal }));
  for (let i = 0; i < 15; i++) calls.push(cpg.members('g', { signal: abort.signal }).then(() => {}));
  const settled = Promise.allSettled(calls);
  abort.abort();
  await settled;
  await new Promise(setImmediate);
  process.off('warning', listener);
  t.same(warnings, []);
  cpg.destroy();
});

t.test('sending needs a group', async (t) => {
  const daemon = new FakeDaemon(respond);
  const cpg = await Cpg.connect(daemon.options());
  await t.rejects(cpg.send('x'), { code: 'RONDO_NOT_JOINED', message: /Wait for join/ });
  t.throws(() => cpg.trySend('x'), StateError);
  await t.rejects(cpg.leave(), { code: 'RONDO_NOT_JOINED' });
  await cpg.join('g');
  await cpg.send('x');
  await cpg.leave();
  await t.rejects(cpg.send('x'), { code: 'RONDO_NOT_JOINED', message: /has left/ });
  t.same(payloads(daemon), ['x']);
  cpg.destroy();
});

t.test('what is sent: text, the bytes of views; everything else is refused', async (t) => {
  const { daemon, cpg } = await joined();
  await cpg.send(new Uint16Array([0x4241, 0x4443]));
  await cpg.send(new DataView(new Uint8Array([0, 0x45, 0x46]).buffer, 1));
  await cpg.send(new Uint8Array([0x47]).buffer);
  t.same(payloads(daemon), ['ABCD', 'EF', 'G']);
  for (const wrong of [5, {}, null, undefined, [1, 2], true]) {
    await t.rejects(cpg.send(wrong as unknown as string), { code: 'RONDO_ARGUMENT', name: 'ArgumentError' });
    t.throws(() => cpg.trySend(wrong as unknown as string), { code: 'RONDO_ARGUMENT' });
  }
  await t.rejects(cpg.send('x', { signal: 5 as unknown as AbortSignal }), { code: 'RONDO_ARGUMENT' });
  const tooLong = new Uint8Array(256 * 1024 * 1024 + 1);
  await t.rejects(cpg.send(tooLong), { code: 'RONDO_ARGUMENT', message: /at most 268435456/ });
  t.equal(payloads(daemon).length, 3);
  cpg.destroy();
});

t.test('leaving a loop loses nothing; a later one goes on; two at once are refused', async (t) => {
  const { daemon, cpg } = await joined();
  const texts: string[] = [];
  const read = async (count: number): Promise<void> => {
    for await (const event of cpg.events()) {
      if (event.type === 'message') texts.push(Buffer.from(event.data).toString());
      if (texts.length === count) break;
    }
  };
  daemon.event(deliver('1'));
  daemon.event(deliver('2'));
  await read(1);
  daemon.event(deliver('3'));
  await read(3);
  t.same(texts, ['1', '2', '3']);
  const waits = cpg.events().next();
  await t.rejects(cpg.events().next(), { code: 'RONDO_ONE_READER' });
  daemon.event(deliver('4'));
  t.match((await waits).value, { type: 'message' });
  cpg.destroy();
});

t.test('messages that are too long for a member are skipped, in their place', async (t) => {
  const decoder = new CpgEventDecoder(1000);
  const seen: (CpgEvent | null)[] = [];
  const take = (event: Uint8Array) => seen.push(decoder.decode(event));
  take(fragment(5, 2000, 1, new Uint8Array(900)));
  take(deliver('between'));
  take(fragment(5, 2000, 2, new Uint8Array(900)));
  take(fragment(5, 2000, 3, new Uint8Array(200)));
  take(fragment(5, 900, 1, new Uint8Array(500)));
  take(fragment(5, 900, 3, new Uint8Array(400)));
  take(deliver('y'.repeat(1001)));
  t.match(seen, [
    null,
    { type: 'message' },
    null,
    { type: 'oversize', group: 'g', nodeId: 1, pid: 5, bytes: 2000 },
    null,
    { type: 'message' },
    { type: 'oversize', bytes: 1001 },
  ]);
});

t.test('half-sent messages of many senders have a bound in all', async (t) => {
  const decoder = new CpgEventDecoder(1000);
  for (let pid = 1; pid <= 5; pid++) t.equal(decoder.decode(fragment(pid, 1000, 1, new Uint8Array(600))), null);
  const ends = [1, 2, 3, 4, 5].map((pid) => decoder.decode(fragment(pid, 1000, 3, new Uint8Array(400)))?.type);
  t.same(ends, ['message', 'message', 'message', 'message', 'oversize']);
  decoder.decode(fragment(6, 1000, 1, new Uint8Array(600)));
  t.match(
    decoder.decode(fragment(6, 1000, 3, new Uint8Array(400))),
    { type: 'message' },
    'what was delivered is free again',
  );
});

t.test('calls that wait when the daemon goes are connection errors', async (t) => {
  const { daemon, cpg } = await joined();
  daemon.hung = true;
  daemon.busy = true;
  const send = cpg.send('x');
  send.catch(() => {});
  daemon.handler?.closed(new Error('the daemon ended'));
  await t.rejects(send, { name: 'ConnectionError', code: 'RONDO_DISCONNECTED' });
  await t.rejects(cpg.members('g'), { name: 'ConnectionError', code: 'RONDO_DISCONNECTED' });
  t.throws(() => cpg.trySend('x'), { code: 'RONDO_DISCONNECTED' });
});

t.test('the last piece of a long message takes no longer than any other', async (t) => {
  const decoder = new CpgEventDecoder(256 << 20);
  const pieces = 128;
  const piece = new Uint8Array(1 << 20).fill(7);
  const events = [1, 2, 3].map((type) => fragment(5, pieces * piece.length, type, piece));
  const costs: number[] = [];
  let message: CpgEvent | null = null;
  for (let at = 0; at < pieces; at++) {
    const before = process.cpuUsage();
    message = decoder.decode(events[at === 0 ? 0 : at === pieces - 1 ? 2 : 1]!);
    const { user, system } = process.cpuUsage(before);
    costs.push(user + system);
  }
  const last = costs.pop()!;
  t.ok(last < costs.reduce((sum, cost) => sum + cost, 0) / 4, `${last} µs after ${costs.join(' ')}`);
  if (message?.type !== 'message') return t.fail('no message');
  t.equal(message.data.length, pieces * piece.length);
  t.ok(message.data.every((byte) => byte === 7));
});

const PARTIAL_MCAST = 12;
t.test('a long message is read while it is sent; memory that is given away meanwhile is an error', async (t) => {
  const { daemon, cpg } = await joined();
  const sent = (): number[] =>
    daemon.requests.filter((request) => messageId(request) === PARTIAL_MCAST).map((request) => request.at(-1)!);
  const long = new Uint8Array(3 << 20).fill(1);
  const sending = cpg.send(long);
  long.fill(2);
  await sending;
  t.same(sent(), [2, 2, 2, 2], 'it was not copied as a whole');
  const short = new Uint8Array(1000).fill(1);
  const short2 = cpg.send(short);
  short.fill(2);
  await short2;
  t.equal(payloads(daemon).at(-1)?.codePointAt(0), 1, 'a short one was');
  const given = cpg.send(long);
  given.catch(() => {});
  while (sent().length < 5) await Promise.resolve();
  structuredClone(long.buffer, { transfer: [long.buffer] });
  await t.rejects(given, { code: 'RONDO_ARGUMENT', message: /given away/ });
  await cpg.send('next');
  t.equal(payloads(daemon).at(-1), 'next');
  cpg.destroy();
});

t.test('short messages share memory: none overlaps another, and no thread can be given that of all', async (t) => {
  const decoder = new CpgEventDecoder(1000);
  const texts = Array.from({ length: 500 }, (_, index) => `${index} `.repeat(1 + (index % 97)));
  const messages = texts.map((text) => decoder.decode(deliver(text)));
  const data = messages.map((event) => (event?.type === 'message' ? event.data : new Uint8Array(0)));
  t.same(
    data.map((bytes) => Buffer.from(bytes).toString()),
    texts,
  );
  t.ok(new Set(data.map(({ buffer }) => buffer)).size < 50);
  const { buffer } = data[0]!;
  t.ok(buffer instanceof ArrayBuffer);
  try {
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }); // Node.js 20 makes a copy, later ones refuse
  } catch (error) {
    t.match(error, { name: 'DataCloneError' });
  }
  t.equal(Buffer.from(data[1]!).toString(), texts[1]);
});
