import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Cfg } from '../../src/client/cfg.ts';
import { Cmap } from '../../src/client/cmap.ts';
import { Quorum } from '../../src/client/quorum.ts';
import { Votequorum } from '../../src/client/votequorum.ts';
import { CsError } from '../../src/lib/errors.ts';
import { CFG_TEST_SHUTDOWN } from '../../src/services/codec/cfg.ts';
import { CfgRequest, QuorumRequest } from '../../src/services/codec/ids.ts';
import {
  encodeNodeListChange,
  encodeQuorumChange,
  QUORUM_MODEL_TYPE_RESPONSE,
} from '../../src/services/codec/quorum.ts';
import { messageId, statusResponse } from '../../src/services/codec/struct.ts';
import { FakeDaemon } from './fake-channel.ts';

const ringId = { rep: 1, seq: 4n };
const nodes = (members: number[], joined: number[]): Uint8Array =>
  encodeNodeListChange({ ringId, members, joined, left: [] });
const quorum = (quorate: boolean, view: number[]): Uint8Array => encodeQuorumChange(1, { quorate, ringId, view });
const asked = (daemon: FakeDaemon, id: number): number =>
  daemon.requests.filter((request) => messageId(request) === id).length;

/** Refuses a second start of tracking, as stock does. */
function quorumDaemon(): FakeDaemon {
  let tracking = false;
  return new FakeDaemon((request) => {
    const id = messageId(request);
    if (id === QuorumRequest.MODEL_TYPE) return QUORUM_MODEL_TYPE_RESPONSE.ok({ quorumType: 1 });
    if (id === QuorumRequest.TRACK_START) {
      if (tracking) return statusResponse(id, CsError.EXIST);
      tracking = true;
    }
    if (id === QuorumRequest.TRACK_STOP) tracking = false;
    return statusResponse(id, CsError.OK);
  });
}

t.test('quorum: a second watch begins with the current state and does not disturb the first', async (t) => {
  const daemon = quorumDaemon();
  const client = await Quorum.connect(daemon.options());
  const first = await client.watch();
  daemon.event(nodes([1, 2], [2]));
  daemon.event(quorum(true, [1, 2]));
  const second = await client.watch();
  t.match((await second.next()).value, { type: 'nodes', members: [1, 2], joined: [] });
  t.match((await second.next()).value, { type: 'quorum', quorate: true });
  daemon.event(quorum(false, [1]));
  t.match((await second.next()).value, { quorate: false });
  t.match((await first.next()).value, { type: 'nodes', joined: [2] });
  t.match((await first.next()).value, { quorate: true });
  t.match((await first.next()).value, { quorate: false });
  t.equal(asked(daemon, QuorumRequest.TRACK_START), 1);
  await client.close();
});

t.test('quorum: the last loop that ends stops the tracking, the next watch starts it again', async (t) => {
  const daemon = quorumDaemon();
  const client = await Quorum.connect(daemon.options());
  const [first, second] = await Promise.all([client.watch(), client.watch()]);
  daemon.event(quorum(true, [1]));
  for await (const _ of first) break;
  await turn();
  t.equal(asked(daemon, QuorumRequest.TRACK_STOP), 0);
  for await (const _ of second) break;
  const third = await client.watch(); // at once: start waits for the stop before it
  t.equal(asked(daemon, QuorumRequest.TRACK_STOP), 1);
  t.equal(asked(daemon, QuorumRequest.TRACK_START), 2);
  daemon.event(quorum(false, [1]));
  t.match((await third.next()).value, { quorate: false });
  const again = async (): Promise<void> => {
    for await (const _ of first);
  };
  await t.rejects(again(), { code: 'RONDO_WATCH_ENDED', message: /Call watch/ });
  await client.close();
});

t.test(
  'quorum: a signal ends a watch; one that fired is refused; a watch that is given up leaves nothing',
  async (t) => {
    const daemon = quorumDaemon();
    const client = await Quorum.connect(daemon.options());
    const abort = new AbortController();
    const watch = await client.watch({ signal: abort.signal });
    const next = watch.next();
    abort.abort();
    t.equal((await next).done, true);
    await turn();
    t.equal(asked(daemon, QuorumRequest.TRACK_STOP), 1);
    await t.rejects(client.watch({ signal: abort.signal }), { name: 'AbortError' });
    t.equal(asked(daemon, QuorumRequest.TRACK_START), 1);
    await client.close();
  },
);

t.test('votequorum: two watches of one connection', async (t) => {
  const daemon = new FakeDaemon((request) => statusResponse(messageId(request), CsError.OK));
  const client = await Votequorum.connect(daemon.options());
  await client.watch();
  await client.watch();
  t.equal(daemon.requests.length, 1);
  await t.rejects(client.setExpectedVotes(0), { code: 'RONDO_ARGUMENT' });
  await t.rejects(client.info('x' as unknown as number), { code: 'RONDO_ARGUMENT' });
  await t.rejects(client.setVotes(1, 1.5), { code: 'RONDO_ARGUMENT' });
  const ring = null as unknown as { rep: number; seq: bigint };
  await t.rejects(client.devicePoll('d', true, ring), { code: 'RONDO_ARGUMENT' });
  await client.close();
});

t.test('cfg: the daemon hears that the loop of shutdown requests was left; two loops are refused', async (t) => {
  const daemon = new FakeDaemon((request) => statusResponse(messageId(request), CsError.OK));
  const cfg = await Cfg.connect(daemon.options());
  const requests = await cfg.shutdownRequests();
  await t.rejects(cfg.shutdownRequests(), { code: 'RONDO_ONE_READER' });
  daemon.event(CFG_TEST_SHUTDOWN.ok({ flags: 0 }));
  for await (const request of requests) {
    await t.rejects(request.reply(1 as unknown as boolean), { code: 'RONDO_ARGUMENT' });
    await request.reply(true);
    break;
  }
  await turn();
  t.equal(asked(daemon, CfgRequest.TRACK_STOP), 1);
  await cfg.shutdownRequests({ signal: AbortSignal.timeout(10) });
  t.equal(asked(daemon, CfgRequest.TRACK_START), 2);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(asked(daemon, CfgRequest.TRACK_STOP), 2, 'also by the signal');
  await t.rejects(cfg.nodeStatus(-1), { code: 'RONDO_ARGUMENT' });
  await t.rejects(cfg.killNode(2, 5 as unknown as string), { code: 'RONDO_ARGUMENT' });
  await t.rejects(cfg.shutdown('now' as 'ask'), { code: 'RONDO_ARGUMENT' });
  await cfg.close();
});

t.test('cmap: arguments, and hints of statuses', async (t) => {
  const daemon = new FakeDaemon((request) => statusResponse(messageId(request), CsError.INVALID_PARAM));
  const cmap = await Cmap.connect(daemon.options());
  const refused: Promise<unknown>[] = [
    cmap.set('ab', 'u8', 1),
    cmap.set(5 as unknown as string, 'u8', 1),
    cmap.set('a.key', 'u8', '1'),
    cmap.set('a.key', 'u8', null as unknown as number),
    cmap.set('a.key', 'str', 'a\0b'),
    cmap.set('a.key', 'str', 'x'.repeat(16_385)),
    cmap.set('a.key', 'bin', new Uint8Array(16_385)),
    cmap.adjust('a.key', 2 ** 31),
    cmap.adjust('a.key', 0.5),
    cmap.watch('a.', { kinds: ['new' as 'add'] }),
    Cmap.connect(daemon.options({ map: 'other' as 'stats' })),
    Cmap.connect(daemon.options({ waitReadyMs: -1 })),
    Cmap.connect(daemon.options({ timeoutMs: Number.NaN })),
    Cmap.connect(daemon.options({ instance: 5 as unknown as string })),
    Cmap.connect(daemon.options({ instance: 'a/b' })),
  ];
  for (const call of refused) await t.rejects(call, { code: 'RONDO_ARGUMENT' });
  t.equal(daemon.requests.length, 0);
  await t.rejects(cmap.adjust('a.key', 1), { code: 'RONDO_CS_INVALID_PARAM', hint: /no integer/ });
  await t.rejects(cmap.set('a.key', 'u8', 1), { code: 'RONDO_CS_INVALID_PARAM', hint: /takes no such/ });
  await cmap.close();
});

t.test('cmap: a watch ends with its signal, and its tracker with it', async (t) => {
  const { CMAP_TRACK_ADD_RESPONSE } = await import('../../src/services/codec/cmap.ts');
  const { CmapRequest } = await import('../../src/services/codec/ids.ts');
  const daemon = new FakeDaemon((request) =>
    messageId(request) === CmapRequest.TRACK_ADD
      ? CMAP_TRACK_ADD_RESPONSE.ok({ handle: 7n })
      : statusResponse(messageId(request), CsError.OK),
  );
  const cmap = await Cmap.connect(daemon.options());
  const abort = new AbortController();
  const watch = await cmap.watch('a.', { prefix: true, signal: abort.signal });
  abort.abort();
  t.equal((await watch.next()).done, true);
  await turn();
  t.equal(asked(daemon, CmapRequest.TRACK_DELETE), 1);
  await cmap.close();
});
