import { createServer } from 'node:net';
import { socketName, socketPath } from '../../src/ipc/names.ts';
import { CONNECTION_RESPONSE_BYTES, ConnectionType, encodeConnectionResponse } from '../../src/ipc/protocol.ts';

// A program that listens where a daemon would, and names files of its choice: node rogue-server.js INSTANCE REQUEST-RING [UID]
const [, , instance = '', ring = '', uid] = process.argv;
if (uid !== undefined) process.setuid?.(Number(uid));
const response = new Uint8Array(CONNECTION_RESPONSE_BYTES);
const rings = [ring, ring, ring] as const;
encodeConnectionResponse(
  response,
  0,
  { error: 0, type: ConnectionType.SHARED_MEMORY, maxMessageBytes: 12328, rings },
  1,
);
createServer((socket) => socket.on('error', () => {}).once('data', () => socket.write(response))).listen(
  socketPath(socketName('cmap', instance), null),
  () => console.log('ready'),
);
