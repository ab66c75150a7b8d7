import type { ClientDatagramSockets, ClientDescriptor } from '../../lib/client-descriptor.ts';
import { scratch } from '../../os/arena.ts';
import { type Credentials, receiveWithCredentials } from '../../os/credentials.ts';
import { Errno, errnoName } from '../../os/errno.ts';
import { writeFdAt } from '../../os/fd.ts';
import {
  connectSocket,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  receiveBytes,
  SOL_SOCKET,
  SocketOption,
  sendBytes,
  setOptionInt,
} from '../../os/socket.ts';
import { encodeSocketAddress } from '../names.ts';
import { CONTROL_FLOW_AT, DatagramName } from '../protocol.ts';
import { ServerConnection } from './connection.ts';
import { datagramBase } from './datagram-files.ts';
import { closeDatagramSockets, removeConnectionFiles } from './files.ts';
import { type RingPool, type Slot, slotRing } from './pool.ts';
import { SetupSocket } from './setup-socket.ts';

/** Datagrams of strangers that are thrown away in one look. */
const STRANGERS_MAX = 16;
const SEND_TRIES = 3;

/**
 * A client over datagrams (libqb-ipc.md 3.9): each message is one, the slot holds the request in hand and what is being written. There is no
 * memory that the client could cut off or change meanwhile.
 *
 * The names of the sockets stand in /proc/net/unix for everybody, so until the daemon's sockets are connected anybody can send to them (to
 * stock's, too, which takes such a datagram as the client's request). So the first requests are taken only with the client's
 * credentials; the first one proves that the client has bound its two names, then the daemon connects to them, and the kernel keeps others out. What
 * came before that is still looked at until the socket is empty.
 */
export class DatagramConnection extends ServerConnection {
  private readonly requestAt: number;
  private readonly responseAt: number;
  private readonly eventAt: number;
  private hasFiles = true;
  /** The kernel said that there is no request, and nothing has come since. */
  private dry = true;
  /** Only the client can send. */
  private exclusive = false;
  private responsesConnected = false;
  private eventsConnected = false;
  /** Length of the request in the slot; 0: none. */
  private received = 0;
  /** Length of the claims in hand. */
  private responseBytes = 0;
  private eventBytes = 0;
  /** An event in the slot that the socket did not take yet: it goes first. */
  private stagedBytes = 0;

  constructor(
    private readonly pool: RingPool,
    private readonly slot: Slot,
    private readonly descriptor: ClientDescriptor,
    private readonly sockets: ClientDatagramSockets,
  ) {
    super(slot.arena, descriptor, new SetupSocket(descriptor.fd), pool.events);
    slot.mapped = true; // what it takes is given back with the slot
    const { maxMessageBytes } = descriptor;
    this.requestAt = slotRing(slot, 0, maxMessageBytes).data;
    this.responseAt = slotRing(slot, 1, maxMessageBytes).data;
    this.eventAt = slotRing(slot, 2, maxMessageBytes).data;
  }

  override get inputFd(): number {
    return this.sockets.request;
  }

  override get roomFd(): number {
    return this.sockets.event;
  }

  override noteInput(): void {
    this.dry = false;
  }

  override openRings(): boolean {
    return false;
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  override requestsAvailable(): number {
    if (this.fault !== null) return 0;
    return this.fetch() || !this.dry ? 1 : 0;
  }

  override peekRequest(): boolean {
    return this.fetch() && this.takeInHand(this.requestAt, this.received);
  }

  protected override letGo(): void {
    this.received = 0;
  }

  override releaseRequests(): void {}

  /** Whether a request is in the slot; takes the next one if need be. */
  private fetch(): boolean {
    if (this.received > 0) return this.fault === null;
    if (this.hungUp) this.dry = false; // what it left is in the socket
    for (let looks = 0; looks < STRANGERS_MAX && !this.dry && this.fault === null; looks++) {
      const bytes = this.exclusive ? this.receive() : this.receiveFromAnybody();
      if (bytes > this.maxMessageBytes) return this.fail('requestTooLong');
      if (bytes > 0) {
        this.received = bytes;
        return true;
      }
      if (bytes === -Errno.EAGAIN) this.noteEmpty();
      // A client that connects its socket to another one leaves an error, and can do it again.
      else if (bytes !== 0 && bytes !== -Errno.EINTR && bytes !== -Errno.ECONNRESET)
        return this.fail(`receive ${errnoName(bytes)}`);
    }
    return false;
  }

  private noteEmpty(): void {
    this.dry = true;
    if (this.exclusive || !this.responsesConnected || !this.live) return;
    this.exclusive = true;
    setOptionInt(this.sockets.request, SOL_SOCKET, SocketOption.PASSCRED, 0);
  }

  private receive(): number {
    const address = this.slot.arena.address + this.requestAt;
    const bytes = receiveBytes(this.sockets.request, address, this.maxMessageBytes, MSG_DONTWAIT | MSG_TRUNC);
    if (bytes === 0) this.fail('shortRequest');
    return bytes;
  }

  /** The same while strangers can send; 0: one of theirs, thrown away. */
  private receiveFromAnybody(): number {
    const address = this.slot.arena.address + this.requestAt;
    const { bytes, credentials } = receiveWithCredentials(this.sockets.request, address, this.maxMessageBytes);
    if (bytes < 0) return bytes;
    if (!this.isClient(credentials)) {
      this.statistics.strangers++;
      this.connectResponses(); // from then on the kernel refuses them, if the client is there already
      return 0;
    }
    if (!this.live) this.begin();
    if (bytes === 0) this.fail('shortRequest');
    return bytes;
  }

  /** One that has changed its user since is known by its process. */
  private isClient(sender: Credentials | null): boolean {
    return sender !== null && (sender.uid === this.euid || (sender.pid > 0 && sender.pid === this.pid));
  }

  /** The client has bound both of its names. */
  private begin(): void {
    this.live = true;
    this.connectResponses();
    this.connectEvents();
    this.removeFiles();
  }

  private connectResponses(): void {
    if (this.responsesConnected) return;
    this.responsesConnected = this.connectTo(this.sockets.request, DatagramName.RESPONSES_IN);
  }

  private connectEvents(): boolean {
    this.eventsConnected ||= this.connectTo(this.sockets.event, DatagramName.EVENTS_IN);
    return this.eventsConnected;
  }

  private connectTo(fd: number, suffix: string): boolean {
    const bytes = encodeSocketAddress(scratch.u8, 0, datagramBase(this.descriptor) + suffix, null);
    return connectSocket(fd, scratch.address, bytes) === 0;
  }

  // ---- responses -----------------------------------------------------------------------------------------------------

  override claimResponse(lengthBytes: number): number {
    if (!this.live || this.fault !== null || lengthBytes > this.maxMessageBytes) return -1;
    this.responseBytes = lengthBytes;
    return this.responseAt;
  }

  /** One for which the socket has no room is lost: a client that waits for its responses always leaves room. */
  override commitResponse(lengthBytes = this.responseBytes): void {
    if (!this.send(this.sockets.request, this.responseAt, lengthBytes)) this.statistics.sendRetries++;
    this.statistics.responses++;
  }

  // ---- events --------------------------------------------------------------------------------------------------------

  override claimEvent(lengthBytes: number): number {
    if (!this.live || this.fault !== null || this.hungUp || this.queueing) return -1;
    this.eventBytes = lengthBytes;
    return this.eventAt;
  }

  /** Sends it; one for which there is no room waits in the slot, and those after it behind it. */
  override commitEvent(lengthBytes = this.eventBytes): void {
    this.stagedBytes = lengthBytes;
    if (!this.sendStaged() && this.fault === null) this.statistics.queueing = true;
  }

  override flushEvents(): void {}

  override get queueing(): boolean {
    return this.stagedBytes > 0 || this.queue.waiting;
  }

  override get queuedBytes(): number {
    return this.stagedBytes + this.queue.bytes;
  }

  /** To find out costs as much as to try. */
  override get roomForQueue(): boolean {
    return this.live && this.fault === null && !this.hungUp && this.queueing;
  }

  /** As much as a client's ring would hold in one go: others have their turn. */
  override flushQueue(): void {
    if (this.queue.overflowed) this.fail('eventQueueFull');
    if (!this.live || this.fault !== null || this.hungUp || !this.sendStaged()) return;
    let moved = 0;
    for (let length = this.queue.headLength(); length >= 0; length = this.queue.headLength()) {
      if (moved >= this.maxMessageBytes) break;
      this.queue.shiftInto(this.u8, this.eventAt);
      this.stagedBytes = length;
      if (!this.sendStaged()) break;
      moved += length;
    }
    if (!this.queueing) this.countQueued();
    else this.statistics.queued = this.queue.count;
  }

  /** `false`: the event in the slot has to wait. */
  private sendStaged(): boolean {
    if (this.stagedBytes === 0) return true;
    if (!this.connectEvents() || !this.send(this.sockets.event, this.eventAt, this.stagedBytes)) {
      this.statistics.sendRetries++;
      return false;
    }
    this.stagedBytes = 0;
    this.statistics.dispatched++;
    this.statistics.sent++;
    return true;
  }

  /** `false`: no room now. What a client that is gone does not get is nobody's loss. */
  private send(fd: number, at: number, bytes: number): boolean {
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      const sent = sendBytes(fd, this.slot.arena.address + at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) return true;
      switch (-sent) {
        case Errno.EINTR:
        case Errno.ECONNRESET: // see `fetch`; the next try has another result
          break;
        case Errno.EAGAIN:
        case Errno.ENOBUFS:
          return false;
        case Errno.ECONNREFUSED:
        case Errno.ENOTCONN:
        case Errno.EPERM: // its socket is connected to another one
        case Errno.EPIPE:
          return true;
        default:
          return this.fail(`send ${errnoName(sent)}`);
      }
    }
    return false;
  }

  // ---- flow control and end ------------------------------------------------------------------------------------------

  /** The file is not mapped, so the client may do with it what it likes. */
  protected override showFlowControl(word: 0 | 1 | 2): void {
    scratch.i32[0] = word;
    writeFdAt(this.sockets.control, scratch.address, 4, CONTROL_FLOW_AT);
  }

  protected override closeChannels(): void {
    this.removeFiles();
    closeDatagramSockets(this.sockets);
  }

  protected override giveMemory(): void {
    this.pool.give(this.slot);
  }

  private removeFiles(): void {
    if (this.hasFiles) removeConnectionFiles(this.descriptor);
    this.hasFiles = false;
  }
}
