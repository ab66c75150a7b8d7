import { QnetMessageType } from '../../src/qnet/ids.ts';
import { encodeQnet } from '../../src/qnet/messages.ts';
import { nodes } from '../qnet/arbiter-harness.ts';

const ringId = { nodeId: 1, seq: 8n };
const init = { nodeId: 1, heartbeatMs: 8000, tieBreaker: { mode: 1, nodeId: 0 }, ringId };
/** A message of each type that clients send. */
export const qnetMessages = (): Uint8Array[] => [
  encodeQnet(QnetMessageType.PREINIT, { sequence: 1, clusterName: new TextEncoder().encode('lab') }),
  encodeQnet(QnetMessageType.STARTTLS, { sequence: 2 }),
  ...[0, 1, 2, 3].map((algorithm) => encodeQnet(QnetMessageType.INIT, { sequence: 3, ...init, algorithm })),
  ...[0, 1, 2, 3].map((listType) =>
    encodeQnet(QnetMessageType.NODE_LIST, {
      sequence: 4,
      listType,
      ringId,
      quorate: 1,
      nodes: nodes(1, 2, 3, 4),
      heuristics: 1,
    }),
  ),
  encodeQnet(QnetMessageType.ASK_FOR_VOTE, { sequence: 5 }),
  encodeQnet(QnetMessageType.VOTE_INFO_REPLY, { sequence: 1 }),
  encodeQnet(QnetMessageType.HEURISTICS_CHANGE, { sequence: 6, heuristics: 2 }),
  encodeQnet(QnetMessageType.SET_OPTION, { sequence: 7, heartbeatMs: 5000, keepActivePartition: 1 }),
  encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: 8 }),
];
