import { attachConnection } from '../../src/ipc/server/attach.ts';
import type { ServerConnection } from '../../src/ipc/server/connection.ts';
import { createConnectionFiles, removeConnectionFiles, ringFileNames } from '../../src/ipc/server/files.ts';
import { RingPool } from '../../src/ipc/server/pool.ts';
import { QB_HEADER, qbDataBytes } from '../../src/lib/qbring/layout.ts';
import { Arena } from '../../src/os/arena.ts';
import { closeFd, OpenFlag, openFileIn } from '../../src/os/fd.ts';
import { openSocketPair } from '../../src/os/socket.ts';

const MESSAGE_BYTES = 12328;
/** Of each of the three rings. */
export const RING_DATA_BYTES = qbDataBytes(MESSAGE_BYTES);

export interface HostileConnection {
  readonly connection: ServerConnection;
  /** The client's end of the socket. */
  readonly fd: number;
  /** Request, response, event: places in the client's memory, in words. */
  readonly rings: readonly { readonly header: number; readonly data: number }[];
}

/** Connections as a client and a server have them, the client's mapping beside the server's. */
export class HostileBench {
  readonly client = Arena.map(4096 + 3 * (QB_HEADER.mappedBytes + 2 * RING_DATA_BYTES));
  private readonly pool = new RingPool(null, 8 << 20, 1);

  open(): HostileConnection {
    const { client, pool } = this;
    const [server, fd] = openSocketPair();
    const files = createConnectionFiles('fuzz', server, { pid: process.pid, uid: 0, gid: 0 }, MESSAGE_BYTES);
    if (typeof files === 'number') throw new Error(`files ${files}`);
    const fds = ringFileNames('fuzz').map((name) => openFileIn(files.directoryFd, name, OpenFlag.RDWR));
    const rings = [0, 1, 2].map((i) => {
      const at = 4096 + i * (QB_HEADER.mappedBytes + 2 * RING_DATA_BYTES);
      client.mapFile(at, QB_HEADER.mappedBytes, fds[2 * i]!);
      client.mapFileTwice(at + QB_HEADER.mappedBytes, RING_DATA_BYTES, fds[2 * i + 1]!);
      return { header: at >> 2, data: (at + QB_HEADER.mappedBytes) >> 2 };
    });
    for (const fd of fds) closeFd(fd);
    const connection = attachConnection(pool, {
      id: 1,
      fd: server,
      pid: process.pid,
      euid: 0,
      egid: 0,
      serviceId: 2,
      processName: 'fuzz',
      ...files,
      maxMessageBytes: MESSAGE_BYTES,
    });
    if (typeof connection === 'number') {
      removeConnectionFiles(files);
      throw new Error(`attach ${connection}`);
    }
    return { connection, fd, rings };
  }
}
