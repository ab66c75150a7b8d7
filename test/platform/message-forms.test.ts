import t from 'tap';
import { encodeMessagePack, type MessagePackValue } from '../../src/client/message-pack.ts';
import { decodeMessage, encodeMessage, type ReplicaMessage } from '../../src/platform/replicated/messages.ts';
import { decodeRpc, encodeRpc } from '../../src/platform/rpc/wire.ts';

const epoch = { ringSeq: 8, ringRep: 1, number: 2 };
const bytes = Uint8Array.of(1, 2);
const entry = { kind: 'command', from: 'a', seq: 1, ringSeq: 8, payload: bytes } as const;
const have = { epoch, length: 3, chain: 4, stale: false, newest: true };
const MESSAGES: readonly ReplicaMessage[] = [
  { type: 'view', serial: 'a/1', members: ['1.2', '2.3'], ring: [1, 8] },
  { type: 'state', view: 'a/1', round: 0, quorate: true, nodesMin: 2, nodesAll: 3, life: 'a', numberSeen: 2, have },
  { type: 'command', epoch, entry },
  { type: 'ack', epoch, length: 3, chain: 4 },
  { type: 'snapshot', epoch, part: 0, parts: 1, bytes },
  { type: 'ready', epoch, length: 3 },
  { type: 'suspend', view: 'a/1' },
  { type: 'evict', view: 'a/1', member: '2.3' },
  { type: 'rejoin', view: 'a/1' },
  { type: 'digest', index: 3, digest: 'x' },
];

/** Each value with one of its parts gone, or of another kind. */
function* spoiled(value: Readonly<Record<string, unknown>>): Generator<Record<string, unknown>> {
  for (const [name, part] of Object.entries(value)) {
    for (const other of [undefined, null, 7, 'text', [], {}, [null], Uint8Array.of(1)])
      if (typeof other !== typeof part || other === null) yield { ...value, [name]: other };
    if (typeof part === 'object' && part !== null && !Array.isArray(part) && !(part instanceof Uint8Array))
      for (const inner of spoiled(part as Record<string, unknown>)) yield { ...value, [name]: inner };
  }
}

t.test(
  'what a member with a grant sends in another form is no message: it would end the machine at all members',
  async (t) => {
    for (const message of MESSAGES) {
      t.same(decodeMessage(encodeMessage(message)), message, message.type);
      for (const wrong of spoiled(message as unknown as Record<string, unknown>)) {
        const isNone = (wrong['have'] as { epoch?: unknown } | undefined)?.epoch === null; // a member that has nothing
        if (!isNone && decodeMessage(encodeMessagePack(wrong as MessagePackValue)) !== null)
          t.fail(JSON.stringify(wrong));
      }
    }
    for (const value of [null, 7, 'view', [], { type: 'of a later version' }, { type: '__proto__' }, { type: 7 }])
      t.equal(decodeMessage(encodeMessagePack(value as MessagePackValue)), null);
  },
);

t.test('a call is named in a few bytes: its name is kept while it runs', async (t) => {
  const call = { type: 'all', session: '0123456789abcdef', call: 1, payload: bytes } as const;
  t.same(decodeRpc(encodeRpc(call)), call);
  t.equal(decodeRpc(encodeRpc({ ...call, session: 'x'.repeat(1000) })), null);
});
