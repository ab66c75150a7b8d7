import fc from 'fast-check';
import t from 'tap';
import { Icmap, isValidKey, TRACK_CHANGES, TrackEvent } from '../../src/config/icmap/index.ts';
import { CmapType, cmapText, cmapValueText } from '../../src/lib/cmap-value.ts';
import { CsError } from '../../src/lib/errors.ts';

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
  t.equal(map.clientSet('nodelist.x', CmapType.U8, Uint8Array.of(1)), CsError.ACCESS);
  t.equal(map.clientDelete('nodelist.absent'), CsError.ACCESS, 'checked before existence');
  t.equal(map.clientAdjust('nodelist.node.0.nodeid', 1), CsError.ACCESS);
  t.equal(map.clientSet('totem.token', CmapType.U32, Uint8Array.of(1, 0, 0, 0)), CsError.OK);
  t.equal(map.clientDelete('totem.absent'), CsError.NOT_EXIST);
  t.equal(map.setReadOnly('totem.token', { prefix: false, readOnly: true }), CsError.OK);
  t.equal(map.setReadOnly('totem.token', { prefix: false, readOnly: true }), CsError.EXIST);
  t.equal(map.clientDelete('totem.token'), CsError.ACCESS);
  t.equal(map.setReadOnly('totem.token', { prefix: false, readOnly: false }), CsError.OK);
  t.equal(map.clientDelete('totem.token'), CsError.OK);
});

t.test('trackers: events, values and order (services.md 5.5)', async (t) => {
  const map = new Icmap();
  const story: string[] = [];
  const tell = (name: string) => (event: number, key: string, now: unknown, old: unknown) => {
    story.push(`${name} ${event} ${key}${now === null ? '' : ' new'}${old === null ? '' : ' old'}`);
  };
  map.track('', TRACK_CHANGES | TrackEvent.PREFIX, tell('all1'));
  map.track('', TRACK_CHANGES | TrackEvent.PREFIX, tell('all2'));
  map.track('', TRACK_CHANGES, tell('never'));
  map.track('to', TRACK_CHANGES | TrackEvent.PREFIX, tell('to'));
  map.track('totem.', TRACK_CHANGES | TrackEvent.PREFIX, tell('totem.'));
  map.track('totem.token', TRACK_CHANGES | TrackEvent.PREFIX, tell('prefix1'));
  map.track('totem.token', TRACK_CHANGES | TrackEvent.PREFIX, tell('prefix2'));
  map.track('totem.token', TRACK_CHANGES, tell('exact1'));
  const exact2 = map.track('totem.token', TrackEvent.DELETE, tell('exact2'))!;
  t.equal(map.track('totem.token', 16, tell('bad')), null);

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
