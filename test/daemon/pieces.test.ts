import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DaemonExit } from '../../src/daemon/exit-codes.ts';
import { LockFile } from '../../src/daemon/lock-file.ts';
import { parseOptions } from '../../src/daemon/options.ts';
import { placeOfLock, stateFallback } from '../../src/daemon/places.ts';
import { RESERVE_BLOCK, RingIdStore } from '../../src/daemon/ring-id-store.ts';
import { RING_SEQ_MAX } from '../../src/lib/ring-seq.ts';

const directory = mkdtempSync(join(tmpdir(), 'rondo-pieces-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

/** Exit status that a call asks for. */
function statusOf(call: () => unknown): number | null {
  try {
    call();
    return null;
  } catch (error) {
    return error instanceof DaemonExit ? error.status : -1;
  }
}

t.test('options: bundled, long, wrong', async (t) => {
  const parsed = parseOptions(['-fc', '/x.conf', '--ipc-instance', 'a-1'], { STATE_DIRECTORY: '/s' });
  t.match(parsed, {
    ok: true,
    options: { action: 'run', foreground: true, configFile: '/x.conf', ipcInstance: 'a-1', stateDirectoryEnv: '/s' },
  });
  t.match(parseOptions([], {}), {
    ok: true,
    options: { configFile: '/etc/corosync/corosync.conf', foreground: false },
  });
  t.match(parseOptions(['-t'], {}), { ok: true, options: { action: 'test' } });
  t.match(parseOptions(['-v', '-t'], {}), { ok: true, options: { action: 'version' } });
  for (const argv of [['-Z'], ['extra'], ['--ipc-instance', 'a b'], ['-c', 'x'.repeat(5000)]]) {
    t.match(parseOptions(argv, {}), { ok: false });
  }
  t.match(parseOptions([], { RONDO_IPC_INSTANCE: '../x' }), { ok: false });
});

t.test('ring id: reserved ahead, never reused, given back in order', async (t) => {
  const store = new RingIdStore(directory, 7);
  t.same(store.open(), { stored: 0, reserved: RESERVE_BLOCK, impossible: null });
  const file = join(directory, 'ringid_7');
  t.equal(statSync(file).size, 8);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(readFileSync(file).readBigUInt64LE(), BigInt(RESERVE_BLOCK));
  t.equal(store.reserve(10), RESERVE_BLOCK, 'inside the block: no write');
  t.equal(store.reserve(5000), 5000);
  t.notOk(existsSync(`${file}.tmp`));
  const afterCrash = new RingIdStore(directory, 7).open();
  t.equal(afterCrash.stored, 5000, 'a crash loses the block, not the promise');
  const again = new RingIdStore(directory, 7);
  again.open();
  again.close(5004);
  t.equal(new RingIdStore(directory, 7).open().stored, 5004);
});

t.test('ring id: what cannot be given back at the end is logged, not thrown', async (t) => {
  const gone = join(directory, 'gone');
  mkdirSync(gone);
  const store = new RingIdStore(gone, 1);
  store.open();
  rmSync(gone, { recursive: true });
  t.match(store.close(4), /ring id/);
  t.equal(
    statusOf(() => store.reserve(10_000)),
    21,
  );
});

t.test(
  'ring id: a file of stock goes on, an impossible number starts again, an unreadable file stops the start',
  async (t) => {
    writeFileSync(join(directory, 'ringid_8'), Buffer.from(new BigUint64Array([1234n]).buffer));
    t.equal(new RingIdStore(directory, 8).open().stored, 1234);
    writeFileSync(join(directory, 'ringid_9'), 'abc');
    t.equal(new RingIdStore(directory, 9).open().stored, 0);
    writeFileSync(join(directory, 'ringid_10'), Buffer.alloc(8, 0xff));
    const spent = new RingIdStore(directory, 10).open();
    t.same(spent, { stored: 0, reserved: RESERVE_BLOCK, impossible: 2n ** 64n - 1n });
    const atTheEnd = new RingIdStore(directory, 11);
    atTheEnd.open();
    t.equal(atTheEnd.reserve(RING_SEQ_MAX / 2), RING_SEQ_MAX / 2);
    t.equal(atTheEnd.reserve(RING_SEQ_MAX), RING_SEQ_MAX);
    t.equal(atTheEnd.reserve(12), 12, 'behind the end comes the start');
    t.equal(atTheEnd.reserve(RING_SEQ_MAX - 4), 12, 'and not the other way round');
    t.equal(
      statusOf(() => new RingIdStore(join(directory, 'none'), 1).open()),
      21,
    );
  },
);

t.test('lock file', async (t) => {
  const path = join(directory, 'lock.pid');
  const lock = LockFile.acquire(path, () => true);
  t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  t.equal(statSync(path).mode & 0o777, 0o640 & ~process.umask());
  t.equal(
    statusOf(() => LockFile.acquire(path, () => false)),
    18,
  );
  lock.release();
  t.notOk(existsSync(path));
  t.equal(
    statusOf(() => LockFile.acquire(join(directory, 'none', 'x'), () => true)),
    17,
  );
});

t.test('places', async (t) => {
  const options = { ipcInstance: null, ipcInstanceEnv: null, stateDirectoryEnv: null };
  const env = { XDG_STATE_HOME: directory };
  t.same(stateFallback('/var/lib/corosync', options, true, env), { directory: '/var/lib/corosync', notices: [] });
  t.same(stateFallback('/x', { ...options, stateDirectoryEnv: '/s' }, true, env), { directory: '/s', notices: [] });
  const mine = stateFallback('/none', { ...options, ipcInstance: 'a' }, false, env);
  t.equal(mine.directory, join(directory, 'rondo', 'a'));
  t.equal(mine.notices.length, 1);
  const place = { lockFile: null, instance: '', privileged: true, stateDirectory: directory };
  t.equal(placeOfLock(place).lockFile, '/run/corosync.pid');
  t.equal(placeOfLock({ ...place, instance: 'b' }).lockFile, '/run/corosync-b.pid');
  t.equal(placeOfLock({ ...place, privileged: false }).lockFile, join(directory, 'corosync.pid'));
  t.equal(placeOfLock({ ...place, lockFile: '/l' }).lockFile, '/l');
});
