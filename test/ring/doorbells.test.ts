import t from 'tap';
import { Doorbells, type RingingClient } from '../../src/ring/cpg/doorbells.ts';
import { Moderation } from '../../src/ring/cpg/moderation.ts';
import { Descriptors } from '../../src/ring/descriptors.ts';

/** A client whose requests the test decides on, and what a turn of it costs. */
class Client implements RingingClient {
  readonly user: { readonly uid: number; readonly privileged: boolean };
  readonly moderation = new Moderation();
  active = false;
  served = 0;
  requests = 1;
  costMs = 0;
  readonly connection = {
    fd: -1,
    statistics: { wakes: 0, looks: 0, moderated: false },
    requestsAvailable: () => this.requests,
  };

  constructor(
    uid: number,
    readonly serving: (client: Client) => void = () => {},
  ) {
    this.user = { uid, privileged: uid === 0 };
  }

  serve(): number {
    if (this.requests === 0) return 0;
    for (const end = performance.now() + this.costMs; performance.now() < end; );
    this.served++;
    this.serving(this);
    return 1;
  }
}

function fixture(): { doorbells: Doorbells<Client>; close: () => void } {
  const descriptors = new Descriptors();
  return { doorbells: new Doorbells<Client>(descriptors), close: () => descriptors.close() };
}

t.test('a user with many clients takes his share of a turn, not that of others or of the ring', async (t) => {
  const { doorbells, close } = fixture();
  const many = Array.from({ length: 500 }, () => new Client(7));
  const [other, root] = [new Client(8), new Client(0)];
  for (const client of [...many, other, root]) {
    client.costMs = client.user.uid === 7 ? 0.2 : 0;
    doorbells.activate(client);
  }
  for (let turn = 1; turn <= 20; turn++) {
    const startMs = performance.now();
    t.ok(doorbells.serve(startMs) < 60, `a turn of ${(performance.now() - startMs).toFixed(1)} ms`);
    t.equal(root.served, turn, 'root in every turn');
  }
  t.ok(
    other.served >= 10,
    `a turn that the machine interrupts may end before one user's, the next begins with it: ${other.served} of 20`,
  );
  const served = many.map((client) => client.served);
  t.ok(Math.max(...served) - Math.min(...served) <= 1, 'his own in turn, too');
  t.ok(served.filter((count) => count > 0).length >= 20);
  close();
});

t.test('another client is the first in each turn', async (t) => {
  for (const uid of [0, 7]) {
    const { doorbells, close } = fixture();
    const order: number[] = [];
    const clients = [1, 2, 3].map((name) => new Client(uid, () => order.push(name)));
    for (const client of clients) doorbells.activate(client);
    const firsts = [];
    for (let turn = 0; turn < 6; turn++) {
      order.length = 0;
      doorbells.serve(performance.now());
      t.same([...order].sort(), [1, 2, 3], 'each once');
      firsts.push(order[0]);
    }
    t.same(firsts.slice(0, 3).sort(), [1, 2, 3]);
    t.same(firsts.slice(3), firsts.slice(0, 3));
    close();
  }
});

/** Turns of a loop that come `perVisit` times for each visit of the token, which makes room for one message. */
function inStep(uids: readonly number[], perVisit: number): readonly number[] {
  const { doorbells, close } = fixture();
  let room = 0;
  const takesRoom = (client: Client): number => {
    if (room === 0) return 0;
    room--;
    return ++client.served;
  };
  const clients = uids.map((uid) => new Client(uid));
  for (const client of clients) {
    client.serve = () => takesRoom(client);
    doorbells.activate(client);
  }
  for (let turn = 0; turn < 60 * perVisit; turn++) {
    if (turn % perVisit === 0) room = 1;
    doorbells.serve(performance.now());
  }
  close();
  return clients.map(({ served }) => served);
}

t.test(
  'where there is room for one, clients have it in turn, whatever turns of the loop a rotation takes',
  async (t) => {
    for (const perVisit of [1, 2, 3, 4]) {
      t.same(inStep([0, 0], perVisit), [30, 30], `root's two, ${perVisit} turns`);
      t.same(inStep([7, 7, 7], perVisit), [20, 20, 20], `a user's three, ${perVisit} turns`);
    }
  },
);

t.test('where there is room for one, users have it in turn', async (t) => {
  for (const perVisit of [1, 2, 3]) t.same(inStep([7, 8, 9], perVisit), [20, 20, 20], `${perVisit} turns`);
});

t.test('a turn whose time is over begins again where it ended', async (t) => {
  const { doorbells, close } = fixture();
  const slow = [1, 2, 3, 4].map((uid) => new Client(uid));
  for (const client of slow) {
    client.costMs = 6;
    doorbells.activate(client);
  }
  for (let turn = 0; turn < 8; turn++) doorbells.serve(performance.now());
  t.same(
    slow.map(({ served }) => served),
    [2, 2, 2, 2],
  );
  close();
});

t.test('clients that end while they are served, and users without clients', async (t) => {
  const { doorbells, close } = fixture();
  const clients: Client[] = [];
  const end = (client: Client): void => {
    for (const one of [client, clients[0]!]) doorbells.remove(one);
  };
  for (let i = 0; i < 9; i++) clients.push(new Client(i % 3, end));
  for (const client of clients) doorbells.activate(client);
  for (const client of clients) doorbells.activate(client);
  t.equal(doorbells.active, 9, 'each once');
  for (let turn = 0; turn < 3; turn++) doorbells.serve(performance.now());
  t.same([doorbells.active, doorbells.hasRequests()], [0, false]);
  t.ok(clients.slice(1).every(({ served }) => served === 1));
  doorbells.beforeSleep(0);
  t.equal(doorbells.serve(0), 0);
  close();
});

t.test('before the sleep those that have nothing go, the others stay', async (t) => {
  const { doorbells, close } = fixture();
  const [idle, busy, root] = [new Client(1), new Client(1), new Client(0)];
  for (const client of [idle, busy, root]) doorbells.activate(client);
  idle.requests = 0;
  root.requests = 0;
  t.equal(doorbells.hasRequests(), true);
  doorbells.beforeSleep(1);
  t.same([idle.active, busy.active, root.active, doorbells.active], [false, true, false, 1]);
  doorbells.activate(root);
  t.equal(doorbells.serve(2), 1);
  t.equal(busy.served, 1);
  close();
});
