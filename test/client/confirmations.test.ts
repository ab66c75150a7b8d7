import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import t from 'tap';
import { Cpg } from '../../src/client/cpg.ts';
import { ConnectionError, StateError } from '../../src/client/errors.ts';
import { CsError } from '../../src/lib/errors.ts';
import { CPG_DELIVER, CPG_LOCAL_GET_RESPONSE, encodeCpgConfigurationChange } from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import { messageId, statusResponse } from '../../src/services/codec/struct.ts';
import { FakeDaemon, type Responder } from './fake-channel.ts';

const LOCAL_GET = 4;
const PARTIAL_MCAST = 12;
const group = groupNameValue(Buffer.from('g'));

async function joined(partial: () => number = () => CsError.OK): Promise<{ daemon: FakeDaemon; cpg: Cpg }> {
  const respond: Responder = (request) => {
    if (messageId(request) === LOCAL_GET) return CPG_LOCAL_GET_RESPONSE.ok({ nodeId: 1 });
    return statusResponse(messageId(request), messageId(request) === PARTIAL_MCAST ? partial() : CsError.OK);
  };
  const daemon = new FakeDaemon(respond);
  const cpg = await Cpg.connect(daemon.options({ timeoutMs: 2000 }));
  await cpg.join('g');
  return { daemon, cpg };
}
const deliver = (nodeId: number, pid: number): Uint8Array =>
  CPG_DELIVER.ok({ group, nodeId, pid, messageBytes: 1 }, Buffer.from('x'));
const own = (): Uint8Array => deliver(1, process.pid);
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  return done;
};

t.test('a confirmed send resolves with its own delivery, and gives the place', async (t) => {
  const { daemon, cpg } = await joined();
  const change = {
    group: Buffer.from('g'),
    members: [{ nodeId: 1, pid: process.pid, reason: 1 }],
    joined: [],
    left: [],
  };
  daemon.event(encodeCpgConfigurationChange(change));
  await cpg.send('not confirmed');
  const first = cpg.send('x', { confirm: 'delivered' });
  const second = cpg.send('x', { confirm: 'delivered' });
  daemon.event(deliver(2, process.pid)); // somebody else's, with the same pid
  daemon.event(own());
  t.notOk(await settled(first), 'that was the message before');
  daemon.event(own());
  t.strictSame(await first, { index: 2, ringId: null });
  t.notOk(await settled(second));
  daemon.event(deliver(2, 9));
  daemon.event(own());
  t.strictSame(await second, { index: 4, ringId: null });
  daemon.event(encodeCpgConfigurationChange(change));
  const third = cpg.send('x', { confirm: 'delivered' });
  daemon.event(own());
  t.strictSame(await third, { index: 0, ringId: null }, 'counted from the last change');
  cpg.destroy();
});

t.test('one that waited for room, one that is given up, and the end of the connection', async (t) => {
  const { daemon, cpg } = await joined();
  daemon.busy = true;
  const abort = new AbortController();
  const waiting = cpg.send('a', { confirm: 'delivered' });
  const givenUp = cpg.send('b', { confirm: 'delivered', signal: abort.signal });
  abort.abort(new Error('no more'));
  await t.rejects(givenUp, /no more/);
  daemon.busy = false;
  const last = cpg.send('c', { confirm: 'delivered' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  daemon.event(own());
  t.same(await waiting, { index: 0, ringId: null });
  t.notOk(await settled(last), 'the one that was given up is not counted');
  daemon.handler?.closed(new Error('gone'));
  await t.rejects(last, (await cpg.ended) ?? new Error('a reason is expected'));
  t.match(await cpg.ended, { code: 'RONDO_DISCONNECTED' });
});

t.test('long messages: one that was refused does not count, one of unknown fate ends confirming', async (t) => {
  let status: number = CsError.INTERRUPT;
  const { daemon, cpg } = await joined(() => status);
  const long = new Uint8Array(2_000_000);
  await t.rejects(cpg.send(long, { confirm: 'delivered' }), { code: 'RONDO_CS_INTERRUPT' });
  status = CsError.OK;
  const good = cpg.send('x', { confirm: 'delivered' });
  daemon.event(own());
  await good;
  const abort = new AbortController();
  const lost = cpg.send(long, { confirm: 'delivered', signal: abort.signal });
  for (let i = 0; i < 4; i++) await Promise.resolve();
  daemon.hung = true;
  setTimeout(() => abort.abort(), 10);
  await t.rejects(lost);
  await t.rejects(cpg.send('y', { confirm: 'delivered' }), StateError);
  cpg.destroy();
});

t.test('close() ends those who wait with an error, and the channels of diagnostics report it to tools', async (t) => {
  const scene: unknown[] = [];
  const listen = (message: unknown, name: string | symbol): void => void scene.push([name, message]);
  for (const name of ['rondo:connect', 'rondo:disconnect']) subscribe(name, listen);
  t.teardown(() => void ['rondo:connect', 'rondo:disconnect'].map((name) => unsubscribe(name, listen)));
  const { cpg } = await joined();
  const waiting = cpg.send('x', { confirm: 'delivered' });
  const rejected = t.rejects(waiting, ConnectionError);
  await cpg.close();
  await rejected;
  t.equal(await cpg.ended, null);
  t.match(scene, [
    ['rondo:connect', { service: 'cpg', instance: '' }],
    ['rondo:disconnect', { service: 'cpg', error: null }],
  ]);
});
