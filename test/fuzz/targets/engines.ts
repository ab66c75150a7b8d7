import { ServiceId } from '../../../src/services/codec/ids.ts';
import type { FakeConnection } from '../../services/fake-node.ts';
import { hostileNode, requestSeeds, ringSeeds } from '../../services/hostile-node.ts';
import { inputOf, step, stepsOf } from '../engine/records.ts';
import type { FuzzSubject } from '../engine/target.ts';

/** Steps: a message of a node of the ring; a request of a client; time; a client that hangs up; a membership. */
const MESSAGE = 0;
const REQUEST = 1;
const TIME = 2;
const HANG_UP = 3;
const MEMBERS = 4;
const KINDS = 5;
const SERVICES = [0, 1, 2, 3, 5, 32, 33];
/** Headers (id, size, error) and the first fields. */
const FIELDS = [0, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 264, 272, 280].map((at) => at + 1);
const SLOW_NODE_MS = 40_000;

/** Where a load test's start says how many messages each node is to send. */
const LOAD_COUNT_AT = 16;
const LOAD_COUNT_MAX = 1000;

/** Any member may start a load test of as many messages as a number holds, which is what that service is for; here it has to end. */
function boundedLoad(message: Uint8Array): Uint8Array {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message.length >= LOAD_COUNT_AT + 4 && view.getUint32(0, true) === ServiceId.PLOAD << 16)
    view.setUint32(LOAD_COUNT_AT, view.getUint32(LOAD_COUNT_AT, true) % LOAD_COUNT_MAX, true);
  return message;
}

/** No service has more; ids beyond them are one state. */
const CALLS = 24;
/** How many, as a state: each number would be one of its own, and an input for each in the corpus. */
const some = ({ length }: { readonly length: number }): string => ['no', '1'][length] ?? 'several';

export const ENGINES_SUBJECT: FuzzSubject = {
  name: 'engines',
  what: 'stories of ring messages and client requests for a node with every engine: none of them fails, and it serves afterwards',
  kinds: KINDS,
  fields: (kind) => (kind === MESSAGE || kind === REQUEST ? FIELDS : []),
  seeds: () => [
    ...ringSeeds().map((bytes) =>
      inputOf([step(MESSAGE, [1, ...bytes]), step(TIME, [1]), step(MESSAGE, [2, ...bytes])]),
    ),
    ...requestSeeds().map(({ service, bytes }) =>
      inputOf([step(REQUEST, [SERVICES.indexOf(service), ...bytes]), step(TIME, [1]), step(HANG_UP, [0])]),
    ),
    inputOf([step(MEMBERS, [1]), step(TIME, [5])]),
  ],
  run: async (input) => {
    const { ring, node } = await hostileNode();
    const clients = new Map<number, FakeConnection>();
    const states = new Set<string>();
    for (const { kind, bytes } of stepsOf(input)) {
      const first = bytes[0] ?? 0;
      const service = SERVICES[first % SERVICES.length]!;
      switch (kind % KINDS) {
        case MESSAGE:
          node.host.deliver(1 + (first % 4), boundedLoad(bytes.slice(1)));
          break;
        case REQUEST: {
          let client = clients.get(service);
          if (client === undefined) {
            client = node.connect(service);
            clients.set(service, client);
          }
          node.host.request(service, client, bytes.slice(1));
          states.add(
            `${service}.${Math.min(bytes[1] ?? 0, CALLS)}: ${some(client.responses)} responses, ${some(client.events)} events`,
          );
          client.responses.length = 0;
          client.events.length = 0;
          break;
        }
        case TIME:
          ring.advance(100 * (1 + first));
          break;
        case HANG_UP:
          clients.get(service)?.close();
          clients.delete(service);
          break;
        default:
          ring.partition([1]);
      }
    }
    ring.partition([1]);
    ring.advance(SLOW_NODE_MS);
    if (node.failures.length > 0) throw new Error(`failed: ${JSON.stringify(node.failures[0])}`);
    if (node.host.syncInProgress) throw new Error('the synchronization does not end');
    return [...states];
  },
};
