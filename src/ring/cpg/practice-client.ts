import { Peek, RingReader } from '../../lib/qbring/reader.ts';
import { RingWriter } from '../../lib/qbring/writer.ts';
import { scratch } from '../../os/arena.ts';
import { notifyBytesAddress } from '../../os/eventfd.ts';
import { closeFd } from '../../os/fd.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, openSocketPair, receiveBytes, sendBytes } from '../../os/socket.ts';
import { CPG_JOIN, CPG_MCAST } from '../../services/codec/cpg.ts';
import { groupNameValue } from '../../services/codec/fields.ts';
import { ServiceId } from '../../services/codec/ids.ts';
import type { RingEngine } from '../ring-engine.ts';

const MESSAGE_BYTES_MAX = 65_536;

/** A request that multicasts so many bytes. */
export const multicastOf = (bytes: number): Uint8Array =>
  CPG_MCAST.message({ guarantee: 2, messageBytes: bytes }, new Uint8Array(bytes));

/** A member of a process group, on the ring thread itself: libcpg's part of a connection. */
export class PracticeClient {
  /** Events that came. */
  events = 0;
  /** The daemon's end: as of all clients, the ring thread only shuts it down. */
  private readonly daemonFd: number;
  private readonly fd: number;
  private readonly requests: RingWriter;
  private readonly responses: RingReader;
  private readonly received: RingReader;

  constructor(ring: Pick<RingEngine, 'attachWithoutFiles'>, id: number, group: string) {
    const [daemonFd, fd] = openSocketPair();
    this.daemonFd = daemonFd;
    this.fd = fd;
    const [request, response, event] = ring.attachWithoutFiles({
      id,
      pid: id,
      euid: 0,
      egid: 0,
      serviceId: ServiceId.CPG,
      processName: 'warm-up',
      maxMessageBytes: MESSAGE_BYTES_MAX,
      fd: daemonFd,
      directory: '',
      directoryFd: -1,
      service: 'cpg',
      datagrams: null,
    });
    this.requests = new RingWriter(request);
    this.responses = new RingReader(response);
    this.received = new RingReader(event);
    this.post(CPG_JOIN.message({ group: groupNameValue(new TextEncoder().encode(group)), pid: id, flags: 0 }), 1);
  }

  /** As many copies of the request as there is room for, at most `count`; returns how many. */
  post(request: Uint8Array, count: number): number {
    let posted = 0;
    while (posted < count && this.requests.tryWrite(request)) posted++;
    this.requests.publish();
    sendBytes(this.fd, notifyBytesAddress, posted, MSG_DONTWAIT | MSG_NOSIGNAL);
    return posted;
  }

  /** Reads what came. */
  take(): void {
    const count = drain(this.received);
    if (count > 0) receiveBytes(this.fd, scratch.address, count, MSG_DONTWAIT);
    this.events += count;
    drain(this.responses);
  }

  hangUp(): void {
    closeFd(this.fd);
  }

  /** After the daemon has given it up. */
  close(): void {
    closeFd(this.daemonFd);
  }
}

function drain(reader: RingReader): number {
  let count = 0;
  for (; reader.peek() === Peek.CHUNK; count++) reader.reclaim();
  reader.release();
  return count;
}
