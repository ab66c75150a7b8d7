import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { ClientChannels, MessageReader } from '../../src/ipc/client/channels.ts';
import { IpcClient } from '../../src/ipc/client/ipc-client.ts';
import type { ClientWire, WireListener } from '../../src/ipc/client/wire.ts';
import { RondoError } from '../../src/lib/errors.ts';
import { Peek } from '../../src/lib/qbring/reader.ts';

const EVENTS = 400;

/** So many events of 8 bytes. */
function events(count: number): MessageReader & { left: number } {
  const reader = {
    u8: new Uint8Array(8),
    offset: 0,
    length: 8,
    fault: null,
    left: count,
    peek: () => (reader.left > 0 ? Peek.CHUNK : Peek.EMPTY),
    reclaim: () => void reader.left--,
    release: () => 1,
  };
  return reader;
}

function client(isBehind: () => boolean) {
  const event = events(EVENTS);
  const channels: ClientChannels = {
    response: events(0),
    event,
    eventBytes: 1 << 20,
    flowControl: () => 0,
    trySend: () => true,
    onEvents() {},
    waitForEvents() {},
    keepAlive() {},
    close() {},
  };
  let listener: WireListener | null = null;
  const wire: ClientWire = {
    announcesResponses: true,
    listen: (to) => {
      listener = to;
    },
    resume() {},
    requestSent() {},
    setShare() {},
    keepAlive() {},
    hangUpReason: () => new RondoError('RONDO_IPC_HANGUP', 'gone'),
    close() {},
  };
  const made = new IpcClient(wire, channels, { event() {}, isBehind, closed() {} });
  return { made, event, come: () => (listener as WireListener | null)?.events(EVENTS) };
}

t.test('a program that is behind gets its events in portions, turn by turn, and all of them', async (t) => {
  let behind = true;
  const { made, event, come } = client(() => behind);
  t.equal(come(), false, 'no more news for now');
  const first = EVENTS - event.left;
  t.ok(first > 0 && first < EVENTS / 4, `${first} at once`);
  await turn();
  t.ok(EVENTS - event.left >= 2 * first, 'and as many in the next turn, however far behind');
  t.ok(event.left > 0);
  behind = false;
  for (let turns = 0; turns < 50 && event.left > 0; turns++) await turn();
  t.equal(event.left, 0);
  made.close();
});

t.test('one that keeps up gets what is there', async (t) => {
  const { made, event, come } = client(() => false);
  come();
  for (let turns = 0; turns < 50 && event.left > 0; turns++) await turn();
  t.equal(event.left, 0);
  made.close();
});
