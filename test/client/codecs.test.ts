import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import {
  ArgumentError,
  bytesCodec,
  CsStatusError,
  jsonCodec,
  type MessagePackValue,
  messagePackCodec,
  RondoError,
  StateError,
  textCodec,
} from '../../src/client/index.ts';
import { seeded } from '../services/fake-clock.ts';

const pack = messagePackCodec<MessagePackValue>();
const throws = (bytes: Uint8Array): boolean => {
  try {
    pack.decode(bytes);
    return false;
  } catch {
    return true;
  }
};
const hex = (value: MessagePackValue): string => Buffer.from(pack.encode(value)).toString('hex');

t.test('MessagePack, by the bytes of its specification', async (t) => {
  const known: readonly (readonly [MessagePackValue, string])[] = [
    [null, 'c0'],
    [true, 'c3'],
    [0, '00'],
    [127, '7f'],
    [-1, 'ff'],
    [-32, 'e0'],
    [1.5, 'cb3ff8000000000000'],
    ['a', 'a161'],
    [[1, 2], '920102'],
    [{ a: 1 }, '81a16101'],
    [new Uint8Array([7]), 'c40107'],
    [2n ** 63n, 'cf8000000000000000'],
  ];
  for (const [value, bytes] of known) t.equal(hex(value), bytes);
  const foreign: readonly (readonly [string, MessagePackValue])[] = [
    ['cc80', 128],
    ['cd0100', 256],
    ['d0df', -33],
    ['d1ff00', -256],
    ['ca3fc00000', 1.5],
    ['d90161', 'a'],
    ['dc000101', [1]],
    ['de0001a16101', { a: 1 }],
  ];
  for (const [bytes, value] of foreign) t.same(pack.decode(Buffer.from(bytes, 'hex')), value, bytes);
});

t.test('what goes in comes out', async (t) => {
  const random = seeded(7);
  const int = (below: number): number => Math.floor(random() * below);
  const any = (depth: number): MessagePackValue => {
    switch (int(depth > 3 ? 6 : 8)) {
      case 0:
        return null;
      case 1:
        return random() < 0.5;
      case 2:
        return Math.trunc((random() - 0.5) * 2 ** int(54));
      case 3:
        return random() * 1e9;
      case 4:
        return 'ä'.repeat(int(300));
      case 5:
        return new Uint8Array(int(70_000) >> int(16)).fill(depth);
      case 6:
        return Array.from({ length: int(20) }, () => any(depth + 1));
      default:
        return Object.fromEntries(Array.from({ length: int(20) }, (_, i) => [`k${i}`, any(depth + 1)]));
    }
  };
  const different: MessagePackValue[] = [];
  const notRefused: number[] = [];
  for (let i = 0; i < 300; i++) {
    const value = any(0);
    const bytes = pack.encode(value);
    if (!isDeepStrictEqual(pack.decode(bytes), value)) different.push(value);
    for (let cut = 0; cut < Math.min(bytes.length, 20); cut++)
      if (!throws(bytes.subarray(0, cut))) notRefused.push(cut);
  }
  t.same([different, notRefused], [[], []]);
  t.strictSame(pack.decode(pack.encode(-0)), -0);
  t.equal(pack.decode(pack.encode(-(2n ** 63n))), -(2n ** 63n));
});

t.test('what cannot be written or read is refused', async (t) => {
  const circle: MessagePackValue[] = [];
  circle.push(circle);
  t.throws(() => pack.encode(circle), ArgumentError);
  t.throws(() => pack.encode(2n ** 64n), ArgumentError);
  t.throws(() => pack.decode(Buffer.alloc(100_000, 0x91)), /nested/);
  t.throws(() => pack.decode(Buffer.from('ddffffffff', 'hex')), /announced/, 'no memory for a lie');
  t.throws(() => pack.decode(Buffer.from('0000', 'hex')), /after the value/);
  t.throws(() => pack.decode(Buffer.from('c1', 'hex')), /type 0xc1/);
  const value = pack.decode(Buffer.from('81a95f5f70726f746f5f5f01', 'hex'));
  t.equal(Object.getPrototypeOf(value), Object.prototype, 'a key is a key');
  t.throws(() => jsonCodec<unknown>().encode(undefined), ArgumentError);
  t.throws(() => textCodec.decode(new Uint8Array([0xff])));
  t.strictSame(jsonCodec<unknown>().decode(jsonCodec<unknown>().encode({ a: [1] })), { a: [1] });
  t.strictSame(bytesCodec.decode(bytesCodec.encode(new Uint8Array([1]))), new Uint8Array([1]));
});

t.test('errors of a second copy of the package are recognised', async (t) => {
  const copy = (await import(String(new URL('../../src/lib/errors.js?copy', import.meta.url)))) as {
    readonly RondoError: typeof RondoError;
    readonly CsStatusError: typeof CsStatusError;
  };
  t.not(copy.RondoError, RondoError);
  const foreign = new copy.CsStatusError(6, 'joining');
  t.notOk(Object.getPrototypeOf(Object.getPrototypeOf(foreign)) === RondoError.prototype);
  t.ok(foreign instanceof RondoError);
  t.ok(foreign instanceof CsStatusError);
  t.notOk(foreign instanceof StateError);
  t.ok(new StateError('RONDO_NOT_JOINED', 'x') instanceof copy.RondoError);
  t.notOk(new StateError('RONDO_NOT_JOINED', 'x') instanceof copy.CsStatusError);
  t.notOk(new Error('x') instanceof RondoError);
  t.notOk(Object.assign(new Error('x'), { name: 'CsStatusError' }) instanceof CsStatusError, 'a name is not enough');
});
