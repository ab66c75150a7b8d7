import { readFileSync } from 'node:fs';
import t from 'tap';
import { Cfg } from '../../src/client/cfg.ts';
import { Cmap } from '../../src/client/cmap.ts';
import { Cpg } from '../../src/client/cpg.ts';
import { Quorum } from '../../src/client/quorum.ts';
import { Votequorum } from '../../src/client/votequorum.ts';
import { CsError } from '../../src/lib/errors.ts';
import { CPG_ITERATION_NEXT_RESPONSE, CPG_LOCAL_GET_RESPONSE } from '../../src/services/codec/cpg.ts';
import { messageId, statusResponse } from '../../src/services/codec/struct.ts';
import { FakeDaemon, type Responder } from './fake-channel.ts';

interface Capture {
  readonly service: string;
  readonly struct: string;
  readonly request?: { readonly hex: string; readonly len: number };
  readonly response?: { readonly hex: string; readonly len: number };
  readonly event?: { readonly hex: string; readonly len: number };
}
const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/services.json', import.meta.url), 'utf8')) as {
  readonly ipc: readonly Capture[];
};

function bytes(part: { readonly hex: string; readonly len: number }): Uint8Array {
  const message = new Uint8Array(part.len);
  message.set(Buffer.from(part.hex, 'hex').subarray(0, part.len));
  return message;
}

/** The n-th capture of a structure, whole: zero tails are put back. */
function capture(
  service: string,
  struct: string,
  n = 0,
): { request: Uint8Array; response: Uint8Array; event: Uint8Array } {
  const found = vectors.ipc.filter((item) => item.service === service && item.struct === struct)[n];
  if (found === undefined) throw new Error(`no capture ${service} ${struct} ${n}`);
  const none = new Uint8Array(0);
  return {
    request: found.request === undefined ? none : bytes(found.request),
    response: found.response === undefined ? none : bytes(found.response),
    event: found.event === undefined ? none : bytes(found.event),
  };
}

const OK = (id: number): Uint8Array => statusResponse(id, CsError.OK);
const cpgResponse: Responder = (request) =>
  messageId(request) === 4 ? CPG_LOCAL_GET_RESPONSE.ok({ nodeId: 1 }) : OK(messageId(request));

t.test('cpg: join, events of stock, send, close', async (t) => {
  const daemon = new FakeDaemon(cpgResponse);
  const cpg = await Cpg.connect(daemon.options());
  t.equal(cpg.nodeId, 1);
  await cpg.join('grp');
  daemon.event(capture('cpg', 'res_lib_cpg_confchg_callback').event);
  daemon.event(capture('cpg', 'res_lib_cpg_totem_confchg_callback').event);
  daemon.event(capture('cpg', 'res_lib_cpg_deliver_callback').event);
  const events = cpg.events();
  const membership = (await events.next()).value;
  t.match(membership, {
    type: 'membership',
    group: 'grp',
    members: [{ nodeId: 1 }, { nodeId: 2 }, { nodeId: 3 }],
    joined: [{ nodeId: 1, reason: 'join' }],
    left: [],
  });
  t.match((await events.next()).value, { type: 'ring' });
  t.match((await events.next()).value, { type: 'message', group: 'grp' });
  await cpg.send('x');
  const sent = daemon.requests.at(-1)!;
  t.equal(messageId(sent), 2);
  t.equal(sent.length, 41);
  await cpg.close();
  t.ok(daemon.closed);
  t.same(await events.next(), { done: true, value: undefined });
  await t.rejects(cpg.join('again'), { code: 'RONDO_CLOSED' });
});

t.test('cpg: sends keep their order while the cluster is busy', async (t) => {
  const daemon = new FakeDaemon(cpgResponse);
  const cpg = await Cpg.connect(daemon.options());
  await cpg.join('g');
  daemon.busy = true;
  const buffer = Buffer.from('1');
  const first = cpg.send(buffer);
  buffer.write('9'); // the caller's buffer is its own again
  const second = cpg.send('2');
  t.notOk(cpg.trySend('3'));
  setTimeout(() => {
    daemon.busy = false;
  }, 5);
  await Promise.all([first, second]);
  const sent = daemon.requests
    .filter((request) => messageId(request) === 2)
    .map((request) => String.fromCharCode(request[40]!));
  t.same(sent, ['1', '2']);
  await cpg.close();
});

t.test('cpg: long messages go in fragments and come together again', async (t) => {
  const daemon = new FakeDaemon(cpgResponse);
  const cpg = await Cpg.connect(daemon.options());
  await cpg.join('g');
  await cpg.send(new Uint8Array(2_500_000));
  const types = daemon.requests.filter((request) => messageId(request) === 12).map((request) => request[48]);
  t.same(types, [1, 2, 3]);
  const first = capture('cpg', 'res_lib_cpg_partial_deliver_callback', 0).event;
  const last = capture('cpg', 'res_lib_cpg_partial_deliver_callback', 1).event;
  t.equal(first[192], 1);
  daemon.event(last); // joined in the middle: nothing to deliver
  daemon.event(first);
  daemon.event(last);
  const { value } = await cpg.events().next();
  t.match(value, { type: 'message' });
  await cpg.close();
});

t.test('cpg: a slow reader holds the connection, not the memory', async (t) => {
  const daemon = new FakeDaemon(cpgResponse);
  const cpg = await Cpg.connect(daemon.options({ queueBytes: 1000 }));
  const event = capture('cpg', 'res_lib_cpg_deliver_callback').event;
  for (let i = 0; i < 5; i++) daemon.event(event);
  t.ok(daemon.paused);
  for (let i = 0; i < 5; i++) await cpg.events().next();
  t.notOk(daemon.paused);
  await cpg.close();
});

t.test('cpg: TRY_AGAIN is repeated, other statuses are errors with stable codes', async (t) => {
  let tries = 0;
  const daemon = new FakeDaemon((request) => {
    if (messageId(request) === 0 && ++tries < 3) return statusResponse(0, CsError.TRY_AGAIN);
    if (messageId(request) === 1) return statusResponse(1, CsError.NOT_EXIST);
    return cpgResponse(request, daemon);
  });
  const cpg = await Cpg.connect(daemon.options());
  await cpg.join('g');
  t.equal(tries, 3);
  await t.rejects(cpg.leave(), { code: 'RONDO_CS_NOT_EXIST', status: CsError.NOT_EXIST });
  await t.rejects(cpg.join('x'.repeat(129)), { code: 'RONDO_ARGUMENT' });
  await cpg.close();
});

t.test('cpg: processes of all groups', async (t) => {
  const items = [
    capture('cpg', 'req_lib_cpg_iterationnext', 0).response,
    capture('cpg', 'req_lib_cpg_iterationnext', 1).response,
  ];
  const daemon = new FakeDaemon((request) => {
    if (messageId(request) === 5) return capture('cpg', 'req_lib_cpg_iterationinitialize').response;
    if (messageId(request) === 6) return items.shift() ?? CPG_ITERATION_NEXT_RESPONSE.message(CsError.NO_SECTIONS);
    return cpgResponse(request, daemon);
  });
  const cpg = await Cpg.connect(daemon.options());
  const processes = await cpg.processes();
  t.equal(processes.length, 2);
  t.match(processes[0], { group: /.+/, nodeId: Number, pid: Number });
  t.equal(messageId(daemon.requests.at(-1)!), 7);
  await cpg.close();
});

t.test('a connection that the daemon ends fails its streams', async (t) => {
  const daemon = new FakeDaemon(cpgResponse);
  const cpg = await Cpg.connect(daemon.options());
  const next = cpg.events().next();
  daemon.handler?.closed(new Error('hang-up'));
  await t.rejects(next, { code: 'RONDO_DISCONNECTED' });
});

t.test('a malformed event ends the connection', async (t) => {
  const daemon = new FakeDaemon(cpgResponse);
  const cpg = await Cpg.connect(daemon.options());
  const event = capture('cpg', 'res_lib_cpg_deliver_callback').event.slice();
  new DataView(event.buffer).setUint32(160, 1_000_000, true);
  daemon.event(event);
  t.ok(daemon.closed);
  await t.rejects(cpg.events().next(), { code: 'RONDO_PROTOCOL' });
});

t.test('cmap: get, set, watch', async (t) => {
  const stored = capture('cmap', 'req_lib_cmap_get', 0).response;
  const daemon = new FakeDaemon((request) => {
    switch (messageId(request)) {
      case 2:
        return stored.length > 40 ? stored : statusResponse(2, CsError.NOT_EXIST);
      case 7:
        return capture('cmap', 'req_lib_cmap_track_add').response;
      default:
        return OK(messageId(request));
    }
  });
  const cmap = await Cmap.connect(daemon.options());
  await cmap.set('a.key', 'str', 'text');
  const set = daemon.requests.at(-1)!;
  t.equal(set.length, 300, 'strings travel without their NUL');
  await t.rejects(cmap.set('a.key', 'u8', 256), { code: 'RONDO_ARGUMENT' });
  await t.rejects(cmap.get('bad key'), { code: 'RONDO_ARGUMENT' });
  const watch = await cmap.watch('test.', { prefix: true });
  const track = daemon.requests.at(-1)!;
  t.equal(track[280], 15);
  const notify = capture('cmap', 'res_lib_cmap_notify_callback').event.slice();
  new DataView(notify.buffer).setBigUint64(24, 1n, true);
  daemon.event(notify);
  const { value } = await watch.next();
  t.match(value, { kind: /add|modify|delete/, key: String });
  await watch.close();
  t.equal(messageId(daemon.requests.at(-1)!), 8);
  cmap.close();
});

t.test('cmap: a value longer than the first room is fetched with its length', async (t) => {
  const rooms: number[] = [];
  const text = 'x'.repeat(1000);
  const daemon = new FakeDaemon((request) => {
    const room = Number(new DataView(request.buffer).getBigUint64(280, true));
    rooms.push(room);
    if (room > 0 && room < text.length + 1) return statusResponse(2, CsError.INVALID_PARAM);
    const response = new Uint8Array(40 + room);
    const view = new DataView(response.buffer);
    view.setInt32(16, CsError.OK, true);
    view.setBigUint64(24, BigInt(text.length + 1), true);
    response[32] = 11;
    response.set(Buffer.from(text).subarray(0, room), 40);
    return response;
  });
  const cmap = await Cmap.connect(daemon.options());
  t.same(await cmap.get('long.key'), { key: 'long.key', type: 'str', value: text });
  t.same(rooms, [512, 0, 1001]);
  cmap.close();
});

t.test('cfg: captures of stock', async (t) => {
  const daemon = new FakeDaemon((request) => {
    switch (messageId(request)) {
      case 6:
        return capture('cfg', 'req_lib_cfg_local_get').response;
      case 0:
        return capture('cfg', 'req_lib_cfg_ringstatusget').response;
      case 9:
        return capture('cfg', 'req_lib_cfg_nodestatusget').response;
      case 5:
        return capture('cfg', 'req_lib_cfg_get_node_addrs', request[16] === 2 ? 0 : 1).response;
      default:
        return OK(messageId(request));
    }
  });
  const cfg = await Cfg.connect(daemon.options());
  t.equal(await cfg.localNodeId(), 1);
  t.match(await cfg.links(), [{ linkId: 0, address: '10.80.10.1' }]);
  t.match(await cfg.nodeStatus(2), { nodeId: 2, reachable: true });
  t.match(await cfg.nodeAddresses(2), [/^\d+\.\d+\.\d+\.\d+$/]);
  await t.rejects(cfg.nodeAddresses(9), { code: 'RONDO_CS_NOT_EXIST' });
  const requests = await cfg.shutdownRequests();
  daemon.event(capture('cfg', 'res_lib_cfg_testshutdown').event);
  const { value } = await requests.next();
  await value!.reply(true);
  t.equal(daemon.requests.at(-1)![16], 1);
  cfg.close();
});

t.test('quorum and votequorum: captures of stock', async (t) => {
  const daemon = new FakeDaemon((request) =>
    messageId(request) === 4 ? capture('quorum', 'req_lib_quorum_model_gettype').response : OK(messageId(request)),
  );
  const quorum = await Quorum.connect(daemon.options());
  t.ok(quorum.hasProvider);
  const events = await quorum.watch();
  daemon.event(capture('quorum', 'res_lib_quorum_v1_nodelist_notification').event);
  daemon.event(capture('quorum', 'res_lib_quorum_v1_quorum_notification').event);
  t.match((await events.next()).value, { type: 'nodes', members: [Number] });
  t.match((await events.next()).value, { type: 'quorum', quorate: Boolean });
  quorum.close();

  const votes = new FakeDaemon((request) =>
    messageId(request) === 0 ? capture('votequorum', 'req_lib_votequorum_getinfo').response : OK(messageId(request)),
  );
  const votequorum = await Votequorum.connect(votes.options());
  t.match(await votequorum.info(1), { nodeId: Number, state: 'member', votes: 1, device: { registered: Boolean } });
  await t.rejects(votequorum.deviceRegister(''), { code: 'RONDO_ARGUMENT' });
  votequorum.close();
});
