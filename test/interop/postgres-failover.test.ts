import t from 'tap';
import { Postgres, postgresUnavailable } from '../platform/postgres.ts';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import { DATABASE_ADDRESS, DatabaseLab } from './lab/database.ts';
import { pacemakerUnavailable } from './lab/host.ts';

/**
 * The set-up of docs/postgresql-failover.md: a group of shared storage, address and PostgreSQL under unmodified Pacemaker. What a client was told
 * to be committed is there after the machine with the database lost its power, and after an orderly move.
 */
for (const kinds of mixtures([['ours', 'ours', 'ours']])) {
  const title = `PostgreSQL under Pacemaker on ${describe(kinds)} moves with everything that was committed`;
  const skip = postgresUnavailable() || pacemakerUnavailable() || skipReason(kinds, false, title);
  t.test(title, { skip }, async (t) => {
    t.setTimeout(600_000);
    const database = new Postgres();
    t.teardown(() => database.remove());
    const cluster = await DatabaseLab.up(kinds, database);
    t.teardown(() => cluster.close());
    const [first, second, third] = cluster.nodes;
    const rows = async (): Promise<string> =>
      (await cluster.query(third, 'select id from orders order by id')).replaceAll('\n', ' ');
    const online = /Online: \[ node1 node2 node3 \]/;

    await cluster.reach(third, 'nodes online', online, /with quorum/);
    await cluster.configure();
    await cluster.reach(third, 'database started', online, /db-server.*Started node1/);
    await cluster.query(third, 'create table orders (id int primary key)');
    await cluster.query(third, 'insert into orders values (1)');

    const failedAtMs = performance.now();
    await cluster.powerOff(first);
    await cluster.query(third, 'insert into orders values (2)');
    t.comment(`a client wrote again ${Math.round(performance.now() - failedAtMs)} ms after the power was off`);
    await cluster.reach(
      third,
      'moved',
      /OFFLINE: \[ node1 \]/,
      /db-server.*Started node2/,
      /db-address.*Started node2/,
    );
    t.equal(await rows(), '1 2', 'everything that was committed');

    await cluster.powerOn(first);
    await cluster.reach(third, 'nodes online again, the database stays', online, /db-server.*Started node2/);

    await cluster.standby(second, true);
    await cluster.reach(third, 'moved in order', /Node node2: standby/, /db-server.*Started node1/);
    await cluster.query(third, 'insert into orders values (3)');
    t.equal(await rows(), '1 2 3');
    t.notOk(await cluster.hasAddress(second), 'the address is at one node');
    t.ok(await cluster.hasAddress(first), DATABASE_ADDRESS);
  });
}
