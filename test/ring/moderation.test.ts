import t from 'tap';
import { scratch } from '../../src/os/arena.ts';
import { notifyBytesAddress } from '../../src/os/eventfd.ts';
import { closeFd } from '../../src/os/fd.ts';
import { MSG_DONTWAIT, openSocketPair, receiveBytes, sendBytes } from '../../src/os/socket.ts';
import { Doorbells, type RingingClient } from '../../src/ring/cpg/doorbells.ts';
import { Moderation, QUIET_MS } from '../../src/ring/cpg/moderation.ts';
import { Descriptors } from '../../src/ring/descriptors.ts';

/** A sender and a loop that share a processor: what the sender writes while the loop sleeps, and what a wake-up costs. */
class Processor {
  nowMs = 0;
  messages = 0;
  wakes = 0;
  looks = 0;
  readonly moderation = new Moderation();

  constructor(
    /** Messages that the client writes in a sleep of that length, when nothing wakes the loop earlier. */
    private readonly writes: (sleepMs: number) => number,
    /** From one doorbell to the next. */
    private readonly gapMs: number,
  ) {}

  run(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      if (this.moderation.moderated) {
        this.messages += this.writes(QUIET_MS);
        this.nowMs += QUIET_MS;
        this.looks++;
        this.moderation.looked(this.nowMs, this.messages);
      } else {
        this.nowMs += this.gapMs;
        this.messages++;
        this.wakes++;
        this.moderation.woken(this.nowMs, this.messages);
      }
    }
  }
}

t.test('a sender in lockstep with the loop is left alone, and then writes a dozen messages a look', async (t) => {
  const pair = new Processor((ms) => Math.floor(ms / 0.004), 0.07);
  pair.run(1000);
  t.equal(pair.moderation.moderated, true);
  t.ok(pair.wakes < 50, `${pair.wakes} wake-ups in a second`);
  t.ok(pair.messages > 200_000, `${pair.messages} messages`);
});

t.test('a moderated client is expected to send again, until some looks in a row find nothing', async (t) => {
  const pair = new Processor((ms) => Math.floor(ms / 0.004), 0.07);
  t.equal(pair.moderation.expects, false, 'nobody is at first');
  pair.run(100);
  t.equal(pair.moderation.expects, true);
  const { nowMs, messages, moderation } = pair;
  for (let look = 1; look <= 4; look++) {
    t.equal(moderation.expects, true, `look ${look}`);
    moderation.looked(nowMs + look * QUIET_MS, messages);
  }
  t.equal(moderation.moderated, true);
  t.equal(moderation.expects, false);
});

t.test('a client that waits for each response is heard at once, but for a few looks', async (t) => {
  const pair = new Processor(() => 1, 0.03);
  pair.run(10_000);
  t.equal(pair.moderation.moderated, false);
  t.ok(pair.looks < 40, `${pair.looks} of ${pair.messages} messages waited`);
});

t.test('a sender that gets a processor once in a millisecond, for one message, is left alone, too', async (t) => {
  const pair = new Processor((ms) => Math.floor(ms / 0.004), 0.95);
  pair.run(1000);
  t.equal(pair.moderation.moderated, true);
  t.ok(pair.wakes < 50, `${pair.wakes} wake-ups in a second`);
});

t.test(
  'a client that waits for each response, a thousand in a second, is heard at once, but for a few looks',
  async (t) => {
    const pair = new Processor(() => 1, 0.95);
    pair.run(10_000);
    t.equal(pair.moderation.moderated, false);
    t.ok(pair.looks < 40, `${pair.looks} of ${pair.messages} messages waited`);
  },
);

t.test('a sender that others keep off the processor stays moderated', async (t) => {
  let turn = 0;
  const pair = new Processor((ms) => (turn++ % 10 === 0 ? Math.floor(ms / 0.004) : 0), 0.07);
  pair.run(1000);
  t.equal(pair.moderation.moderated, true);
  t.ok(pair.wakes < 50, `${pair.wakes} wake-ups in a second`);
});

t.test('a client that sends seldom is never put on trial', async (t) => {
  const pair = new Processor(() => 10, 2.1);
  pair.run(10_000);
  t.equal(pair.looks, 0);
});

t.test('one whose wake-ups bring several messages anyway is never put on trial', async (t) => {
  const moderation = new Moderation();
  let put = 0;
  for (let wake = 0; wake < 1000; wake++) if (moderation.woken(wake * 0.05, wake * 6)) put++;
  t.equal(put, 0);
});

t.test('a moderated client that pauses is heard at once, and moderated again when it goes on', async (t) => {
  let speed = 10;
  const pair = new Processor(() => speed, 0.05);
  pair.run(100);
  t.equal(pair.moderation.moderated, true);
  speed = 0;
  const { looks } = pair;
  pair.run(QUIET_MS * 41);
  t.equal(pair.moderation.moderated, false);
  t.ok(pair.looks - looks <= 41);
  speed = 10;
  const { wakes } = pair;
  pair.run(3);
  t.equal(pair.moderation.moderated, true, 'without a wait: the pause is nobody’s fault');
  t.ok(pair.wakes - wakes <= 5, 'and after a few wake-ups');
});

t.test('an early look, for something else, decides nothing', async (t) => {
  const moderation = new Moderation();
  let wakes = 0;
  while (!moderation.woken(++wakes * 0.05, wakes));
  const atMs = wakes * 0.05;
  for (let i = 0; i < 10; i++) t.equal(moderation.looked(atMs + 0.01, wakes), true);
  t.equal(moderation.lookAtMs, atMs + QUIET_MS);
});

t.test('a moderated doorbell does not wake; a hang-up does; and the stats say what happened', async (t) => {
  const descriptors = new Descriptors();
  const doorbells = new Doorbells<RingingClient>(descriptors);
  const [server, peer] = openSocketPair();
  const statistics = { wakes: 0, looks: 0, moderated: false };
  let served = 0;
  const client: RingingClient = {
    user: { uid: 0, privileged: true },
    active: false,
    serve: () => 0,
    moderation: new Moderation(),
    get served() {
      return served;
    },
    connection: { fd: server, statistics, requestsAvailable: () => 0 },
  };
  let nowMs = 0;
  let gone = false;
  descriptors.add(server, (hungUp) => {
    gone = hungUp;
    receiveBytes(server, scratch.address, 4096, MSG_DONTWAIT);
    served++;
    doorbells.rang(client, nowMs);
  });
  const ring = (): number => {
    sendBytes(peer, notifyBytesAddress, 1, MSG_DONTWAIT);
    return descriptors.wait(0);
  };
  while (!statistics.moderated && statistics.wakes < 100) {
    nowMs += 0.05;
    t.equal(ring(), 1);
  }
  t.equal(statistics.moderated, true);
  t.ok(client.active, 'looked at in every turn');
  t.equal(ring(), 0, 'the byte wakes nobody');
  t.ok(doorbells.nextMs <= nowMs + QUIET_MS, 'the clock does');
  for (let look = 0; look < 3; look++) {
    nowMs += QUIET_MS;
    served += 5;
    doorbells.beforeSleep(nowMs);
  }
  t.equal(statistics.looks, 3);
  for (let look = 0; look < 41; look++) {
    nowMs += QUIET_MS;
    doorbells.beforeSleep(nowMs);
  }
  t.equal(statistics.moderated, false, 'it pauses');
  t.equal(client.active, false);
  t.equal(doorbells.nextMs, Number.POSITIVE_INFINITY);
  t.equal(descriptors.wait(0), 1, 'and is heard again, with what is on its socket');
  while (!statistics.moderated) {
    nowMs += 0.05;
    ring();
  }
  closeFd(peer);
  t.equal(descriptors.wait(0), 1);
  t.equal(gone, true);
  doorbells.remove(client);
  t.equal(doorbells.active, 0);
  descriptors.close();
  closeFd(server);
});
