import t from 'tap';
import type { ClientChannels, MessageReader } from '../../src/ipc/client/channels.ts';
import { IpcClient } from '../../src/ipc/client/ipc-client.ts';
import type { ClientWire, WireListener } from '../../src/ipc/client/wire.ts';
import { RondoError } from '../../src/lib/errors.ts';
import { Peek, type PeekResult } from '../../src/lib/qbring/reader.ts';

/** So many messages of one byte, their number. */
class Waiting implements MessageReader {
  readonly u8 = new Uint8Array(256);
  readonly length = 1;
  readonly fault = null;
  taken = 0;

  constructor(readonly count: number) {
    this.u8.forEach((_, at) => {
      this.u8[at] = at;
    });
  }

  get offset(): number {
    return this.taken % 256;
  }

  peek(): PeekResult {
    return this.taken < this.count ? Peek.CHUNK : Peek.EMPTY;
  }

  reclaim(): void {
    this.taken++;
  }

  release(): number {
    return 0;
  }
}

const EVENTS = 2_000;
const WORK_MS = 0.05;

t.test('what waits when the daemon ends is taken in several turns, all of it, before the end', async (t) => {
  let listener: WireListener | null = null;
  const wire: ClientWire = {
    announcesResponses: true,
    listen: (one) => {
      listener = one;
    },
    resume() {},
    requestSent() {},
    setShare() {},
    keepAlive() {},
    hangUpReason: () => new RondoError('RONDO_IPC_HANGUP', 'the daemon ended'),
    close() {},
  };
  const event = new Waiting(EVENTS);
  const response = new Waiting(1);
  let posted = 0;
  const channels: ClientChannels = {
    response,
    event,
    eventBytes: 1 << 20,
    flowControl: () => 0,
    trySend: () => ++posted > 0,
    onEvents() {},
    waitForEvents() {},
    keepAlive() {},
    close() {},
  };
  const seen: number[] = [];
  let client: IpcClient | null = null;
  const end = new Promise<Error | null>((resolve) => {
    client = new IpcClient(wire, channels, {
      event: (bytes) => {
        seen.push(bytes[0]!);
        for (const until = performance.now() + WORK_MS; performance.now() < until; );
      },
      closed: resolve,
    });
  });
  const last = client!.call(new Uint8Array(16));
  client!.pauseEvents(); // a reader that holds
  response.taken = 1;
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  listener!.gone(null);
  response.taken = 0; // it came last
  t.notOk(client!.tryPost(new Uint8Array(16)), 'nothing is sent to a daemon that is gone');
  t.equal(posted, 1);
  t.match(await end, { code: 'RONDO_IPC_HANGUP' });
  clearInterval(timer);
  t.same(
    seen,
    Array.from({ length: EVENTS }, (_, at) => at % 256),
  );
  t.equal((await last).length, 1, 'and the response');
  t.ok(ticks >= 5, `${ticks} turns of a timer`);
});
