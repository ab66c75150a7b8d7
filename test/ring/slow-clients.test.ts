import t from 'tap';
import { scratch } from '../../src/os/arena.ts';
import { notifyBytesAddress, openEventfd } from '../../src/os/eventfd.ts';
import { closeFd } from '../../src/os/fd.ts';
import { MSG_DONTWAIT, openSocketPair, receiveBytes, sendBytes } from '../../src/os/socket.ts';
import { type SlowClient, SlowClients } from '../../src/ring/cpg/slow-clients.ts';
import { Descriptors } from '../../src/ring/descriptors.ts';

const RETRY_MS = 5;

/** A client whose ring and patience the test decides on. */
class Reader implements SlowClient {
  slow = false;
  watched = false;
  retryAtMs = 0;
  retries = 0;
  reports = 0;
  emptied = false;
  readonly connection: { roomFd: number; roomForQueue: boolean; fault: string | null };

  constructor(fd: number) {
    this.connection = { roomFd: fd, roomForQueue: false, fault: null };
  }

  beginWaiting(nowMs: number): void {
    this.retryAtMs = nowMs + RETRY_MS;
  }

  noteReads(): void {
    this.reports++;
  }

  retry(nowMs: number): boolean {
    this.retries++;
    this.retryAtMs = nowMs + RETRY_MS;
    return this.emptied;
  }
}

t.test('looks at a ring in every turn, tries when there is room or time has passed, and forgets', async (t) => {
  const descriptors = new Descriptors();
  const broken: Reader[] = [];
  const slow = new SlowClients<Reader>(descriptors, (client) => {
    broken.push(client);
    slow.remove(client);
  });
  const [a, b] = [new Reader(openEventfd()), new Reader(openEventfd())];
  t.equal(slow.nextMs, Number.POSITIVE_INFINITY);
  slow.add(a, 0);
  slow.add(b, 1);
  slow.add(a, 4);
  t.equal(slow.nextMs, RETRY_MS, 'the earlier one, added once');
  slow.turn(2);
  t.equal(a.retries + b.retries, 0);
  a.connection.roomForQueue = true;
  slow.turn(3);
  t.same([a.retries, b.retries], [1, 0], 'there is room for one');
  a.connection.roomForQueue = false;
  slow.turn(1 + RETRY_MS);
  t.same([a.retries, b.retries], [1, 1], 'the other one has waited for its time');
  b.emptied = true;
  slow.turn(30);
  t.equal(b.slow, false);
  t.equal(slow.nextMs, 30 + RETRY_MS);
  a.connection.fault = 'badIndex';
  slow.turn(60);
  t.same(broken, [a]);
  t.equal(slow.nextMs, Number.POSITIVE_INFINITY, 'who is gone leaves no time behind at which to look');
  slow.turn(70);
  for (const { connection } of [a, b]) closeFd(connection.roomFd);
  descriptors.close();
});

t.test('the loop is woken when a client has read, as long as something waits for it', async (t) => {
  const descriptors = new Descriptors();
  const slow = new SlowClients<Reader>(descriptors, () => {});
  const [server, client] = openSocketPair();
  const reader = new Reader(server);
  const one = (): void => {
    t.equal(sendBytes(server, notifyBytesAddress, 1, MSG_DONTWAIT), 1);
    t.equal(receiveBytes(client, scratch.address, 1, MSG_DONTWAIT), 1);
  };
  slow.add(reader, 0);
  slow.beforeSleep();
  descriptors.wait(0); // a socket with room is reported once
  slow.turn(1);
  const before = reader.reports;
  one();
  t.equal(descriptors.wait(1000), 1);
  slow.turn(2);
  t.equal(reader.reports, before + 1);
  reader.emptied = true;
  reader.connection.roomForQueue = true;
  slow.turn(3);
  slow.beforeSleep();
  one();
  t.equal(descriptors.wait(0), 0, 'not any more');
  slow.remove(reader);
  closeFd(server);
  closeFd(client);
  descriptors.close();
});
