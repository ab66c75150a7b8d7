import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { OpenChannel } from '../../src/client/channel.ts';
import { Cmap } from '../../src/client/cmap.ts';
import { Cpg } from '../../src/client/cpg.ts';
import { ConnectionError } from '../../src/client/errors.ts';
import { Quorum } from '../../src/client/quorum.ts';
import type { ConnectionStatus } from '../../src/client/reconnection.ts';
import { CsError } from '../../src/lib/errors.ts';
import { CMAP_CALLS } from '../../src/services/codec/cmap.ts';
import { CPG_DELIVER, CPG_LOCAL_GET_RESPONSE, CPG_PARTIAL_DELIVER } from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import { CmapRequest, CpgRequest, QuorumRequest } from '../../src/services/codec/ids.ts';
import { encodeQuorumChange, QUORUM_CALLS } from '../../src/services/codec/quorum.ts';
import { messageId, statusResponse } from '../../src/services/codec/struct.ts';
import { createTestCluster } from '../../src/testing/index.ts';
import { FakeDaemon, over, type Responder } from './fake-channel.ts';

const QUICK = { minMs: 1, maxMs: 5 };

/** Daemons one after the other: each has the connection until it dies. */
class Daemons {
  readonly lives: FakeDaemon[] = [];
  isUp = true;

  constructor(private readonly respond: Responder) {}

  readonly open: OpenChannel = (...of) => {
    if (!this.isUp) return Promise.reject(new ConnectionError('RONDO_NOT_RUNNING', 'nobody listens'));
    const daemon = new FakeDaemon(this.respond);
    this.lives.push(daemon);
    return daemon.open(...of);
  };

  get last(): FakeDaemon {
    return this.lives.at(-1)!;
  }

  asked(life: number): number[] {
    return this.lives[life]!.requests.map(messageId);
  }

  die(): void {
    this.isUp = false;
    this.last.handler?.closed(new Error('the daemon ended'));
  }
}

const cpgDaemons = (): Daemons =>
  new Daemons((request) =>
    messageId(request) === CpgRequest.LOCAL_GET
      ? CPG_LOCAL_GET_RESPONSE.ok({ nodeId: 1 })
      : statusResponse(messageId(request), CsError.OK),
  );
const member = { group: groupNameValue(Buffer.from('g')), nodeId: 1, pid: process.pid };
const deliver = (text: string): Uint8Array =>
  CPG_DELIVER.ok({ ...member, messageBytes: text.length }, Buffer.from(text));
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await delay(1);
};

t.test(
  'cpg: the group is joined again; a gap is in its place; messages wait, what was on its way rejects',
  async (t) => {
    const daemons = cpgDaemons();
    const cpg = await Cpg.connect(over(daemons.open, { reconnect: QUICK }));
    const statuses: ConnectionStatus['type'][] = [];
    const watching = (async () => {
      for await (const { type } of cpg.status()) if (statuses.at(-1) !== type) statuses.push(type);
    })();
    await cpg.join('g', { initialRing: true });
    const events = cpg.events();
    daemons.last.event(deliver('before'));
    daemons.last.event(
      CPG_PARTIAL_DELIVER.ok({ ...member, messageBytes: 4, fragmentBytes: 2, type: 1 }, Buffer.from('ab')),
    );
    const confirmed = cpg.send('on its way', { confirm: 'delivered' });
    daemons.die();
    await t.rejects(confirmed, { code: 'RONDO_DISCONNECTED' });
    t.notOk(cpg.isConnected);
    t.notOk(cpg.closed);
    t.notOk(cpg.trySend('x'));
    const waiting = cpg.send('waits', { confirm: 'delivered' });
    const second = cpg.send('behind');
    await delay(30);
    daemons.isUp = true;
    await second;
    t.ok(cpg.isConnected);
    t.same(daemons.asked(1), [CpgRequest.LOCAL_GET, CpgRequest.JOIN, CpgRequest.MCAST, CpgRequest.MCAST]);
    t.same(daemons.lives[1]!.requests[1], daemons.lives[0]!.requests[1], 'with the same options');
    daemons.last.event(
      CPG_PARTIAL_DELIVER.ok({ ...member, messageBytes: 4, fragmentBytes: 2, type: 3 }, Buffer.from('cd')),
    );
    daemons.last.event(deliver('waits'));
    t.match(await waiting, { index: 0 });
    t.match((await events.next()).value, { type: 'message', data: Buffer.from('before') });
    t.match((await events.next()).value, { type: 'gap', reason: { code: 'RONDO_DISCONNECTED' } });
    t.match(
      (await events.next()).value,
      { type: 'message', data: Buffer.from('waits') },
      'no half of a message of before',
    );
    await cpg.close();
    await watching;
    t.same(statuses, ['connected', 'disconnected', 'reconnecting', 'connected']);
    t.equal(await cpg.ended, null);
    t.ok((await events.next()).done);
  },
);

t.test('a new connection that is lost while it is made what it was is made once more', async (t) => {
  let joins = 0;
  const daemons: Daemons = new Daemons((request) => {
    const id = messageId(request);
    if (id === CpgRequest.LOCAL_GET) return CPG_LOCAL_GET_RESPONSE.ok({ nodeId: 1 });
    // The second refuses, because it has the process in the group still; the third dies.
    if (id === CpgRequest.JOIN && ++joins === 2) return statusResponse(id, CsError.EXIST);
    if (id === CpgRequest.JOIN && joins === 3) return null;
    return statusResponse(id, CsError.OK);
  });
  const cpg = await Cpg.connect(over(daemons.open, { reconnect: QUICK }));
  await cpg.join('g');
  const reasons: string[] = [];
  const watching = (async () => {
    for await (const status of cpg.status()) if (status.type === 'reconnecting') reasons.push(status.reason.message);
  })();
  daemons.die();
  daemons.isUp = true;
  await cpg.members('g').catch(() => {}); // waits
  t.equal(daemons.lives.length, 4);
  t.equal(joins, 4);
  t.ok(
    daemons.lives.slice(0, 3).every(({ closed }, life) => closed || life === 0),
    'none is left open',
  );
  cpg.destroy();
  await watching;
  t.match(reasons, [/the daemon ended/, /EXIST|in that group already/, /no answer/]);
});

t.test('an end in between: close at once, giving up, a fault of the program', async (t) => {
  const daemons = cpgDaemons();
  const closed = await Cpg.connect(over(daemons.open, { reconnect: QUICK }));
  await closed.join('g');
  daemons.die();
  const began = performance.now();
  const call = closed.members('g');
  call.catch(() => {});
  await closed.close();
  t.ok(performance.now() - began < 1000);
  t.equal(await closed.ended, null);
  await t.rejects(call, { code: 'RONDO_CLOSED' });
  t.ok((await closed.status().next()).done);

  daemons.isUp = true;
  const givenUp = await Cpg.connect(over(daemons.open, { reconnect: { ...QUICK, giveUpMs: 30 } }));
  await givenUp.join('g');
  daemons.die();
  const waits = givenUp.send('x');
  await t.rejects(waits, { code: 'RONDO_NOT_RUNNING' });
  t.match(await givenUp.ended, { code: 'RONDO_NOT_RUNNING' });
  await t.rejects(
    async () => {
      for await (const _ of givenUp.events());
    },
    { code: 'RONDO_NOT_RUNNING' },
  );

  daemons.isUp = true;
  const onMessage = (): void => {
    throw new Error('a bug of the program');
  };
  const faulty = await Cpg.connect(over(daemons.open, { reconnect: true, onMessage }));
  await faulty.join('g');
  daemons.last.event(deliver('x'));
  t.match(await faulty.ended, { message: /a bug of the program/ });
});

t.test('a call waits for a connection as long as for a response', async (t) => {
  const daemons = cpgDaemons();
  const cpg = await Cpg.connect(over(daemons.open, { reconnect: QUICK, timeoutMs: 40 }));
  await cpg.join('g');
  daemons.die();
  await t.rejects(cpg.members('g'), {
    code: 'RONDO_TIMEOUT',
    message: /no connection to the daemon for 40 ms.*nobody listens/,
  });
  await t.rejects(cpg.send('x'), { code: 'RONDO_TIMEOUT' });
  const abort = new AbortController();
  const aborted = cpg.members('g', { signal: abort.signal });
  abort.abort(new Error('enough'));
  await t.rejects(aborted, /enough/);
  cpg.destroy();
});

t.test('quorum: watches go on, and begin, over a loss', async (t) => {
  const daemons = new Daemons((request) => {
    const id = messageId(request);
    if (id === QuorumRequest.MODEL_TYPE) return QUORUM_CALLS.modelType.response.ok({ quorumType: 1 });
    if (id === QuorumRequest.QUORATE) return QUORUM_CALLS.quorate.response.ok({ quorate: 1 });
    return statusResponse(id, CsError.OK);
  });
  const state = (quorate: boolean): Uint8Array =>
    encodeQuorumChange(1, { quorate, ringId: { rep: 1, seq: 4n }, view: [1] });
  const quorum = await Quorum.connect(over(daemons.open, { reconnect: QUICK }));
  const first = await quorum.watch();
  daemons.last.event(state(true));
  daemons.die();
  const beginning = quorum.watch(); // while there is no connection
  daemons.isUp = true;
  const second = await beginning;
  t.same(daemons.asked(1), [QuorumRequest.MODEL_TYPE, QuorumRequest.TRACK_START], 'once for both');
  daemons.last.event(state(false));
  t.match((await first.next()).value, { quorate: true });
  t.match((await first.next()).value, { type: 'gap' });
  t.match((await first.next()).value, { quorate: false });
  t.match((await second.next()).value, { quorate: false }, 'and nothing of the daemon before');
  await first.return?.();
  await second.return?.();
  await turn();
  t.equal(daemons.asked(1).at(-1), QuorumRequest.TRACK_STOP);

  daemons.die();
  daemons.isUp = true;
  await quorum.isQuorate();
  t.same(daemons.asked(2), [QuorumRequest.MODEL_TYPE, QuorumRequest.QUORATE], 'nobody watches');
  await quorum.close();
});

t.test('cmap: watches are made again, before calls that waited; those that were left are not', async (t) => {
  let handles = 0n;
  const daemons = new Daemons((request) => {
    const id = messageId(request);
    if (id === CmapRequest.TRACK_ADD) return CMAP_CALLS.trackAdd.response.ok({ handle: ++handles });
    return statusResponse(id, id === CmapRequest.GET ? CsError.NOT_EXIST : CsError.OK);
  });
  const cmap = await Cmap.connect(over(daemons.open, { reconnect: QUICK, map: 'stats' }));
  const kept = await cmap.watch('a.key');
  const left = await cmap.watch('b.key');
  daemons.die();
  t.match((await kept.next()).value, { kind: 'gap', key: 'a.key', reason: { code: 'RONDO_DISCONNECTED' } });
  await left.close();
  const value = cmap.get('a.key');
  daemons.isUp = true;
  t.equal(await value, null);
  t.same(daemons.asked(1), [CmapRequest.SET_CURRENT_MAP, CmapRequest.TRACK_ADD, CmapRequest.GET]);
  await kept.close();
  t.equal(daemons.asked(1).at(-1), CmapRequest.TRACK_DELETE);
  await cmap.close();
});

t.test('without the option, and with a wrong one', async (t) => {
  const daemons = cpgDaemons();
  const cpg = await Cpg.connect(over(daemons.open));
  await cpg.join('g');
  const statuses = cpg.status();
  t.match((await statuses.next()).value, { type: 'connected' });
  daemons.die();
  t.match(await cpg.ended, { code: 'RONDO_DISCONNECTED' });
  t.ok((await statuses.next()).done);
  t.equal(daemons.lives.length, 1);
  for (const reconnect of ['yes' as unknown as boolean, { minMs: -1 }, { minMs: 10, maxMs: 5 }])
    await t.rejects(Cpg.connect(over(daemons.open, { reconnect })), { code: 'RONDO_ARGUMENT' });
});

t.test('in a test cluster, in virtual time', async (t) => {
  const cluster = await createTestCluster(2, { settings: { 'quorum.two_node': true } });
  const cpg = await Cpg.connect({ ...cluster.connectOptions(1), reconnect: true });
  await cpg.join('g');
  const other = await Cpg.connect(cluster.connectOptions(2));
  await other.join('g');
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of cpg.events())
      seen.push(event.type === 'message' ? Buffer.from(event.data).toString() : event.type);
  })();
  await cluster.settle();
  await cluster.kill(1);
  await other.send('missed');
  await cluster.settle();
  await cluster.restart(1);
  await cluster.run(until(() => cpg.isConnected));
  await cluster.settle(); // it may be connected, and joined, in a ring of its own: what is sent in another one is not for it
  await other.send('seen');
  await cluster.settle();
  await cluster.run(until(() => seen.includes('seen'))); // read, not only delivered
  t.match(seen.join(' '), /gap (ring )?membership.* seen$/);
  t.notMatch(seen.join(' '), 'missed');
  await cluster.run(cpg.close());
  await reading;
  await cluster.close();
});
