import { randomBytes } from 'node:crypto';
import t from 'tap';
import { KeyBox } from '../../src/bridge/key-box.ts';
import { MainBridge } from '../../src/bridge/main-bridge.ts';
import { RecordKind } from '../../src/bridge/messages.ts';
import { RingBridge } from '../../src/bridge/ring-bridge.ts';
import { allocateShared } from '../../src/bridge/shared-layout.ts';

t.test('a key crosses as bytes, in order, and nothing of it stays between the threads', async (t) => {
  const shared = allocateShared();
  const main = new MainBridge(shared, () => {});
  const ring = new RingBridge(shared, () => {});
  const key = randomBytes(4096);
  const fingerprint = 'f'.repeat(64);
  main.sendKey(fingerprint, key);
  main.send({ op: 'forceGather' });
  t.ok(Buffer.from(shared).includes(key));

  const box = new KeyBox();
  const { reader } = ring;
  t.ok(reader.peek());
  t.equal(reader.kind, RecordKind.KEY);
  box.take(reader.bytes.subarray(reader.payloadOffset, reader.payloadOffset + reader.payloadLength));
  reader.release();
  t.notOk(Buffer.from(shared).includes(key.subarray(0, 16)));
  t.ok(reader.peek() && reader.kind === RecordKind.JSON, 'the message behind it is next');

  const found = box.find(fingerprint);
  t.strictSame(found, new Uint8Array(key));
  t.equal(box.find('e'.repeat(64)), null, 'another key is none');
  box.wipe();
  t.equal(box.find(fingerprint), null);
  t.ok(found?.every((byte) => byte === 0));
});
