import fc from 'fast-check';
import t from 'tap';
import {
  CLIENT_KEY_LIMITS,
  Icmap,
  isRootOnly,
  isSecret,
  isValidKey,
  type MapClient,
  ROOT_ONLY_PREFIXES,
  TRACK_CHANGES,
  TrackEvent,
} from '../../src/config/icmap/index.ts';
import { OPTIONS } from '../../src/config/options/index.ts';
import { CmapType, cmapText, cmapValueText } from '../../src/lib/cmap-value.ts';
import { CsError } from '../../src/lib/errors.ts';

const ROOT: MapClient = { uid: 0, privileged: true };
const USER: MapClient = { uid: 1000, privileged: false };
const OTHER: MapClient = { uid: 1001, privileged: false };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

t.test('values keep their exact bytes', async (t) => {
  const map = new Icmap();
  t.equal(map.setU32('a.u32', 0x01020304), CsError.OK);
  t.strictSame([...map.get('a.u32')!.bytes], [4, 3, 2, 1]);
  t.equal(map.setI16('a.i16', -2), CsError.OK);
  t.strictSame([...map.get('a.i16')!.bytes], [0xfe, 0xff]);
  t.equal(map.setU64('a.u64', (1n << 64n) - 1n), CsError.OK);
  t.equal(map.getU64('a.u64'), (1n << 64n) - 1n);
  t.equal(map.setString('a.str', 'häh'), CsError.OK);
  t.strictSame([...map.get('a.str')!.bytes], [0x68, 0xc3, 0xa4, 0x68, 0]);
  t.equal(map.getString('a.str'), 'häh');
  t.equal(map.getU32('a.u64'), null, 'a getter refuses another type');
  t.equal(cmapValueText(map.get('a.u64')!), '18446744073709551615');
  map.setDouble('a.dbl', 0.25);
  t.equal(cmapValueText(map.get('a.dbl')!), '0.250000');
  for (const [value, text] of [
    [1e22, '10000000000000000000000.000000'],
    [Number.NaN, 'nan'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ] as const) {
    map.setDouble('a.dbl', value);
    t.equal(cmapValueText(map.get('a.dbl')!), text, "as C's %f");
  }
});

t.test('checks of set (services.md 5.1)', async (t) => {
  const map = new Icmap();
  t.equal(map.set('key.one', CmapType.U32, new Uint8Array(3)), CsError.INVALID_PARAM);
  t.equal(map.set('key.one', CmapType.BINARY, new Uint8Array(16_385)), CsError.INVALID_PARAM);
  t.equal(map.set('key.one', CmapType.BINARY, new Uint8Array(16_384)), CsError.OK);
  t.equal(map.set('key.one', 0, new Uint8Array(0)), CsError.OK, 'unknown types of length 0 pass');
  t.equal(map.set('key.one', 13, new Uint8Array(1)), CsError.INVALID_PARAM);
  t.equal(map.set('key.str', CmapType.STRING, bytes('abc')), CsError.OK);
  t.equal(map.get('key.str')?.bytes.length, 4, 'one more than the library sends');
  t.equal(map.set('key.str', CmapType.STRING, bytes('abc\0')), CsError.OK);
  t.equal(map.set('key.str', CmapType.STRING, bytes('abc\0d')), CsError.INVALID_PARAM);
  for (const key of ['ab', 'x'.repeat(256), 'a b', 'a@b', 'ä.b']) {
    t.equal(map.setU8(key, 1), CsError.NAME_TOO_LONG, key);
  }
  t.equal(map.setU8('x'.repeat(255), 1), CsError.OK);
  t.equal(map.setU8('A-z0_9/:.', 1), CsError.OK);
  t.equal(map.setString('key.one', 'another type'), CsError.OK);
});

t.test('adjust wraps in the width of the type', async (t) => {
  const map = new Icmap();
  map.setU8('num.u8', 255);
  t.equal(map.inc('num.u8'), CsError.OK);
  t.equal(map.getU8('num.u8'), 0);
  map.dec('num.u8');
  t.equal(map.getU8('num.u8'), 255);
  map.setI32('num.i32', 0x7fffffff);
  map.inc('num.i32');
  t.equal(map.getI32('num.i32'), -0x80000000);
  t.equal(map.adjust('num.none', 1), CsError.NOT_EXIST);
  map.setFloat('num.flt', 1);
  t.equal(map.inc('num.flt'), CsError.INVALID_PARAM);
});

t.test('clients may not touch read-only keys', async (t) => {
  const map = Icmap.withStockAccess();
  map.setU32('nodelist.node.0.nodeid', 1);
  t.equal(map.clientSet('nodelist.x', CmapType.U8, Uint8Array.of(1), ROOT), CsError.ACCESS);
  t.equal(map.clientDelete('nodelist.absent', ROOT), CsError.ACCESS, 'checked before existence');
  t.equal(map.clientAdjust('nodelist.node.0.nodeid', 1, ROOT), CsError.ACCESS);
  t.equal(map.clientSet('totem.token', CmapType.U32, Uint8Array.of(1, 0, 0, 0), ROOT), CsError.OK);
  t.equal(map.clientDelete('totem.absent', ROOT), CsError.NOT_EXIST);
  t.equal(map.setReadOnly('totem.token', { prefix: false, readOnly: true }), CsError.OK);
  t.equal(map.setReadOnly('totem.token', { prefix: false, readOnly: true }), CsError.EXIST);
  t.equal(map.clientDelete('totem.token', ROOT), CsError.ACCESS);
  t.equal(map.setReadOnly('totem.token', { prefix: false, readOnly: false }), CsError.OK);
  t.equal(map.clientDelete('totem.token', ROOT), CsError.OK);
});

t.test('trackers: events, values and order (services.md 5.5)', async (t) => {
  const map = new Icmap();
  const story: string[] = [];
  const note = (name: string) => (event: number, key: string, now: unknown, old: unknown) => {
    story.push(`${name} ${event} ${key}${now === null ? '' : ' new'}${old === null ? '' : ' old'}`);
  };
  map.track('', TRACK_CHANGES | TrackEvent.PREFIX, note('all1'));
  map.track('', TRACK_CHANGES | TrackEvent.PREFIX, note('all2'));
  map.track('', TRACK_CHANGES, note('never'));
  map.track('to', TRACK_CHANGES | TrackEvent.PREFIX, note('to'));
  map.track('totem.', TRACK_CHANGES | TrackEvent.PREFIX, note('totem.'));
  map.track('totem.token', TRACK_CHANGES | TrackEvent.PREFIX, note('prefix1'));
  map.track('totem.token', TRACK_CHANGES | TrackEvent.PREFIX, note('prefix2'));
  map.track('totem.token', TRACK_CHANGES, note('exact1'));
  const exact2 = map.track('totem.token', TrackEvent.DELETE, note('exact2'))!;
  t.equal(map.track('totem.token', 16, note('bad')), null);

  map.setU32('totem.token', 5);
  t.strictSame(
    story.splice(0),
    ['exact1', 'prefix1', 'prefix2', 'totem.', 'to', 'all2', 'all1'].map((name) => `${name} 4 totem.token new`),
  );
  map.setU32('totem.token', 5);
  t.strictSame(story.splice(0), [], 'the same value is no change');
  map.setU32('totem.token_x', 5);
  t.equal(story.splice(0)[0], 'prefix1 4 totem.token_x new');
  map.fastAdjust('totem.token', 1);
  t.equal(story.splice(0)[0], 'exact1 2 totem.token new');
  map.setU32('totem.token', 7);
  t.equal(story.splice(0)[0], 'exact1 2 totem.token new old');
  map.delete('totem.token');
  t.strictSame(story.splice(0).slice(0, 2), ['exact2 1 totem.token old', 'exact1 1 totem.token old']);
  t.equal(map.untrack(exact2), true);
  t.equal(map.untrack(exact2), false);
});

t.test('a tracker deleted inside a callback is not called', async (t) => {
  const map = new Icmap();
  let calls = 0;
  const older = map.track('key', TRACK_CHANGES, () => calls++)!;
  map.track('key', TRACK_CHANGES, () => map.untrack(older));
  map.setU8('key', 1);
  t.equal(calls, 0);
});

t.test('an iterator survives changes', async (t) => {
  const map = new Icmap();
  for (const key of ['p.a', 'p.b', 'p.d', 'q.a', 'p-x']) map.setU8(key, 1);
  t.strictSame([...map.keysWithPrefix('p.')], ['p.a', 'p.b', 'p.d']);
  t.strictSame([...map.keysWithPrefix()], ['p-x', 'p.a', 'p.b', 'p.d', 'q.a']);
  const iterator = map.iterate('p.');
  t.equal(iterator.next()?.key, 'p.a');
  map.delete('p.a');
  map.setU8('p.aa', 1);
  t.equal(iterator.next()?.key, 'p.aa');
  map.delete('p.b');
  map.setU8('p.c', 1);
  t.equal(iterator.next()?.key, 'p.c');
  t.equal(iterator.next()?.key, 'p.d');
  t.equal(iterator.next(), null);
});

t.test('replaceFrom deletes only below the prefixes', async (t) => {
  const live = new Icmap();
  live.setString('totem.old', 'x');
  live.setString('totem.same', 'x');
  live.setString('runtime.kept', 'x');
  const staging = new Icmap();
  staging.setString('totem.same', 'x');
  staging.setString('totem.new', 'y');
  const story: string[] = [];
  live.track('', TRACK_CHANGES | TrackEvent.PREFIX, (event, key) => story.push(`${event} ${key}`));
  live.replaceFrom(staging, ['totem.']);
  t.strictSame(story, ['1 totem.old', '4 totem.new']);
  t.strictSame([...live.keysWithPrefix()], ['runtime.kept', 'totem.new', 'totem.same']);
});

t.test('property: behaves as a sorted map', async (t) => {
  const key = fc.stringMatching(/^[a-c.]{1,5}$/);
  const command = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key, text: fc.string({ maxLength: 3 }) }),
    fc.record({ op: fc.constant('delete' as const), key, text: fc.constant('') }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const map = new Icmap();
      const model = new Map<string, string>();
      for (const { op, key, text } of commands) {
        if (op === 'set') {
          const status = map.setString(key, text);
          if (status !== (isValidKey(key) ? CsError.OK : CsError.NAME_TOO_LONG)) return false;
          if (isValidKey(key)) model.set(key, text.split('\0')[0] ?? '');
        } else if ((map.delete(key) === CsError.OK) !== model.delete(key)) return false;
      }
      const seen = [...map.entries()].map(({ key, value }) => [key, cmapText(value)]);
      return JSON.stringify(seen) === JSON.stringify([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
    }),
  );
  t.pass('held');
});

t.test('what a key names decides who may write it', async (t) => {
  const map = Icmap.withStockAccess();
  const set = (key: string, client: MapClient) => map.clientSet(key, CmapType.STRING, bytes('x'), client);
  for (const key of [
    'logging.logfile',
    'logging.logger_subsys.TOTEM.logfile',
    'logging.logging_daemon.other.QB.logfile',
    'quorum.device.heuristics.exec_ping',
    'quorum.device.net.host',
    'quorum.device.model',
    'quorum.device.anything.new',
    'uidgid.uid.1000',
    'uidgid.gid.0',
    'resources.watchdog_device',
    'resources.system.memory_used.recovery',
    'runtime.blackbox.dump_flight_data',
    'nozzle.name',
    'service.path',
  ]) {
    t.equal(set(key, USER), CsError.ACCESS, `${key} by a user`);
    t.equal(map.clientDelete(key, USER), CsError.ACCESS, `deleting ${key}`);
    t.equal(map.clientAdjust(key, 1, USER), CsError.ACCESS, `adjusting ${key}`);
    t.equal(set(key, ROOT), CsError.OK, `${key} by root`);
  }
  for (const key of [
    'logging.debug',
    'totem.token',
    'resources.process.12.recovery',
    'runtime.force_gather',
    'my.logfile',
  ])
    t.equal(set(key, USER), CsError.OK, key);
  for (const { section, key, names, cmap } of OPTIONS) {
    const stored = `${section}.${key.replace('<0-7>', '0').replace('<NAME>', 'name')}`;
    t.equal(isRootOnly(stored), names !== undefined, `${stored}: rule and documentation agree`);
    t.equal(isSecret(stored), names === 'secret', stored);
    if (cmap === 'refused' && section === 'totem') t.equal(map.isReadOnly(stored), true, `${stored} is refused`);
  }
  for (const prefix of ROOT_ONLY_PREFIXES) t.ok(isRootOnly(`${prefix}x`), prefix);
});

t.test('users keep a bounded number of keys and bytes; root has a reserve', async (t) => {
  const { keys, bytes: sizes } = CLIENT_KEY_LIMITS;
  const map = Icmap.withStockAccess();
  const big = new Uint8Array(16_384);
  const one = Uint8Array.of(1);
  const set = (key: string, client: MapClient, value = one) => map.clientSet(key, CmapType.BINARY, value, client);
  const statuses = new Set(Array.from({ length: keys.perUser }, (_, i) => set(`user.${i}`, USER)));
  t.same([...statuses], [CsError.OK]);
  t.equal(set('user.more', USER), CsError.NO_MEMORY);
  t.equal(set('user.0', USER, Uint8Array.of(2)), CsError.OK, 'an own key may change');
  t.equal(map.clientDelete('user.0', OTHER), CsError.OK);
  t.equal(set('user.more', USER), CsError.OK, 'room again');
  t.equal(set('other.x', OTHER), CsError.OK, 'others are not concerned');
  t.equal(set('user.1', OTHER, Uint8Array.of(3)), CsError.OK);
  t.equal(set('user.again', USER), CsError.OK, 'who wrote it last pays');
  map.setString('user.2', 'the daemon');
  t.equal(set('user.daemon', USER), CsError.OK, 'what the daemon wrote is not counted');
  map.deletePrefix('user.');
  map.deletePrefix('other.');
  const most = Math.floor(sizes.perUser / big.length);
  for (let i = 0; i < most - 1; i++) set(`user.${i}`, USER, big);
  t.equal(set('user.more', USER, big), CsError.NO_MEMORY);
  t.equal(set('user.more', USER), CsError.OK);
  for (let uid = 2000; uid < 2020; uid++)
    for (let i = 0; i < most; i++) set(`u${uid}.${i}`, { uid, privileged: false }, big);
  t.equal(set('third.x', { uid: 3000, privileged: false }, big), CsError.NO_MEMORY, 'all users together');
  t.equal(set('root.x', ROOT, big), CsError.OK, 'root has room left');
});

t.test('tens of thousands of trackers cost what their callbacks do', async (t) => {
  const map = new Icmap();
  const count = 40_000;
  let calls = 0;
  const startMs = performance.now();
  const same = Array.from({ length: count }, () => map.track('one.key', TRACK_CHANGES, () => calls++)!);
  const different = Array.from({ length: count }, (_, i) => map.track(`key.${i}`, TRACK_CHANGES, () => calls++)!);
  map.setU8('one.key', 1);
  t.equal(calls, count);
  for (const tracker of [...same, ...different]) map.untrack(tracker);
  map.setU8('one.key', 2);
  t.equal(calls, count);
  // 80,000 of each step in a quadratic way take a minute and more.
  t.ok(performance.now() - startMs < 5_000, 'linear');
});
