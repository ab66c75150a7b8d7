import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { assert } from '../../lib/assert.ts';
import { closeFd } from '../../os/fd.ts';
import {
  FrameClass,
  type FrameClassValue,
  type MulticastSocket,
  type WatchedInterface,
} from '../../totem/interface.ts';
import { transportDrop } from '../drops.ts';
import { LoopbackQueue } from '../loopback-queue.ts';
import type { LinkStatus, RingTransport, TransportHost } from '../transport.ts';
import { KERNEL_WIRE } from '../wire.ts';
import { DRAIN_FRAMES_MAX, discardWaiting } from './drain.ts';
import type { InterfaceAddress } from './interface-address.ts';
import { InterfaceMonitor } from './interface-monitor.ts';
import { compareMembers, datagramLinkStatus, MemberAddresses } from './members.ts';
import { interfaceIndex } from './multicast-group.ts';
import type { ReceiveBatch } from './receive-batch.ts';
import { type Destinations, SendBatch } from './send-batch.ts';

/** While own frames come in, the sockets are looked at every so many turns: an empty look is a system call. */
const LOCAL_TURNS = 4;

/** A socket that is read; `fd` is -1 while it is closed. */
export interface DatagramInput {
  fd: number;
  readonly batch: ReceiveBatch;
}

/** What tells udp and udpu apart: which sockets there are, and where a multicast goes. */
export interface DatagramSockets {
  /** Read in this order. */
  readonly inputs: readonly DatagramInput[];
  /** The input that a token can overtake; `null` where tokens and multicasts share a socket. */
  readonly multicasts: DatagramInput | null;
  /** Everything leaves here; -1 while closed. May be an input, too. */
  sendFd: number;
  /** Where a multicast goes. */
  readonly destinations: Destinations;
  /** udpu refuses to start without its interface; udp waits for it. */
  readonly fatalWithoutInterface: boolean;
  /** A multicast membership may be gone although the address is not. */
  readonly rebindAlways: boolean;
  /** Members that come or go are logged, as stock's udpu does. */
  readonly logsMembers: boolean;
  /** Opens all of them on this address. Throws an OsError with nothing left open that it does not name. */
  open(at: InterfaceAddress, config: TotemConfig): void;
  /** Whether the datagram that the batch is at is wanted; refusals are counted there. */
  accepts(batch: ReceiveBatch, config: TotemConfig): boolean;
}

export type MakeDatagramSockets = (host: TransportHost, link: LinkConfig, members: MemberAddresses) => DatagramSockets;

/**
 * udp and udpu: one datagram a frame and receiver, one link, no heartbeat of their own. What stock sends to itself through the
 * kernel waits here in a local queue; own copies of ordinary multicasts, which the core drops as already present, are only counted.
 */
export class DatagramTransport implements RingTransport {
  drained = false;
  readonly multicastSocket: MulticastSocket | null;
  readonly heartbeats = null;
  readonly watchedInterface: WatchedInterface = {
    check: () => this.monitor.checkSoon(),
    membershipChanged: (members) => this.monitor.membersChanged(members.length, this.host.nowMs()),
  };
  private readonly link: LinkConfig;
  private readonly members: MemberAddresses;
  private readonly sockets: DatagramSockets;
  private readonly sending: SendBatch;
  private readonly loopback: LoopbackQueue;
  private readonly monitor: InterfaceMonitor;
  private interfaceIndex = 0;
  private turns = 0;

  constructor(
    private readonly host: TransportHost,
    private config: TotemConfig,
    makeSockets: MakeDatagramSockets,
  ) {
    const [link] = config.links;
    assert(link !== undefined, `${config.transport} has one link`);
    this.link = link;
    const { arena, wire = KERNEL_WIRE } = host;
    this.members = new MemberAddresses(arena, host.nodeId, link.family);
    const sockets = makeSockets(host, link, this.members);
    this.sockets = sockets;
    const { multicasts } = sockets;
    // Called from inside `host.receive` for a token: hands over what the group's socket holds, and nothing else.
    this.multicastSocket = multicasts === null ? null : { drain: () => this.readFrom(multicasts, DRAIN_FRAMES_MAX) };
    this.sending = new SendBatch(
      arena,
      () => sockets.sendFd,
      () => sockets.destinations,
      transportDrop(host, 'sendFailed'),
      wire.send,
    );
    this.loopback = new LoopbackQueue(arena, transportDrop(host, 'loopbackFull'));
    this.monitor = new InterfaceMonitor(
      {
        find: () => wire.find(link.bindAddress),
        bind: (at) => this.bind(at),
        unbind: () => this.unbind(),
        up: (at) => {
          host.log('notice', 'TOTEM', `The network interface [${at.address}] is now up.`);
          host.interfaceUp(link.linkId);
        },
        down: () => {
          host.log('notice', 'TOTEM', 'The network interface is down.');
          host.interfaceDown(link.linkId);
        },
      },
      {
        downcheckMs: config.timings.downcheckMs,
        fatalWithout: sockets.fatalWithoutInterface,
        rebindAlways: sockets.rebindAlways,
      },
    );
  }

  open(): void {
    for (const { addresses } of this.config.members) this.logMember('adding new', addresses[0] ?? null);
    this.monitor.start(this.host.nowMs());
  }

  poll(budgetFrames: number): number {
    let handled = 0;
    this.drained = false;
    for (let waiting = this.loopback.length; waiting > 0 && this.loopback.peek(); waiting--) {
      this.host.receive(this.loopback.offset, this.loopback.bytes);
      this.loopback.release();
      this.flush();
      handled++;
    }
    if (handled > 0 && this.turns++ % LOCAL_TURNS !== 0) return handled;
    const { inputs } = this.sockets;
    for (let i = 0; i < inputs.length; i++) handled += this.readFrom(inputs[i]!, budgetFrames - handled);
    this.drained = handled < budgetFrames;
    return handled;
  }

  hasLocalInput(): boolean {
    return this.loopback.length > 0;
  }

  sendToken(target: number, offset: number, length: number): void {
    if (target === this.host.nodeId) {
      this.loopback.push(offset, length);
      return;
    }
    const name = this.members.nameOf(target);
    if (name >= 0 && this.sockets.sendFd >= 0) this.sending.unicast(offset, length, name, this.members.nameBytes);
  }

  multicast(offset: number, length: number, frameClass: FrameClassValue): void {
    if (frameClass === FrameClass.FLUSH) this.loopback.push(offset, length);
    else this.host.noteOwnCopies(1);
    if (this.sockets.sendFd >= 0 && this.sockets.destinations.count > 0) this.sending.multicast(offset, length);
  }

  /** One datagram, one link: there is nothing to do better than the first time. */
  resend(offset: number, length: number, _copies: number): void {
    this.multicast(offset, length, FrameClass.NOFLUSH);
  }

  flush(): void {
    if (!this.sending.isEmpty) this.sending.flush();
  }

  sendNow(): void {
    this.flush();
  }

  knowsTarget(target: number): boolean {
    return target === this.host.nodeId || this.members.nameOf(target) >= 0;
  }

  discardInput(): number {
    let discarded = this.loopback.clear();
    for (const { batch } of this.sockets.inputs) discarded += batch.discardRest();
    for (const { fd, batch } of this.sockets.inputs) discarded += discardWaiting(fd, batch);
    return discarded;
  }

  tick(): void {
    this.monitor.tick(this.host.nowMs());
  }

  nextDeadlineMs(): number {
    return this.monitor.nextCheckMs;
  }

  reconfigure(config: TotemConfig): readonly string[] {
    const { added, removed, moved, members } = compareMembers(this.config.members, config.members);
    for (const { addresses } of removed) this.logMember('removing', addresses[0] ?? null);
    for (const { addresses } of added) this.logMember('adding new', addresses[0] ?? null);
    this.config = { ...config, members };
    this.monitor.setDowncheckMs(config.timings.downcheckMs);
    this.setMembers();
    return moved.map(({ nodeId }) => `the address of node ${nodeId} cannot change while the daemon runs`);
  }

  linkStatus(): readonly LinkStatus[] {
    return [datagramLinkStatus(this.config, this.link, this.monitor.state === 'regular', this.members)];
  }

  close(): void {
    this.flush();
    this.unbind();
  }

  private readFrom(input: DatagramInput, budgetFrames: number): number {
    const { batch } = input;
    let handled = 0;
    while (input.fd >= 0 && handled < budgetFrames) {
      const buffers = batch.receive(input.fd);
      while (batch.next()) {
        handled++;
        if (!this.sockets.accepts(batch, this.config)) continue;
        this.host.receive(batch.offset, batch.bytes);
        this.flush();
      }
      if (buffers < batch.size) break;
    }
    return handled;
  }

  private bind(at: InterfaceAddress): void {
    this.unbind();
    try {
      this.sockets.open(at, this.config);
    } catch (error) {
      this.closeSockets();
      throw error;
    }
    for (const { fd } of this.sockets.inputs) this.host.watch(fd);
    this.interfaceIndex = interfaceIndex(at);
    this.setMembers();
  }

  private unbind(): void {
    if (this.sockets.sendFd < 0) return;
    this.sending.clear();
    for (const { fd, batch } of this.sockets.inputs) {
      batch.discardRest();
      this.host.unwatch(fd);
    }
    this.closeSockets();
  }

  private closeSockets(): void {
    const { inputs, sendFd } = this.sockets;
    const fds = new Set([sendFd, ...inputs.map(({ fd }) => fd)]);
    for (const fd of fds) if (fd >= 0) closeFd(fd);
    for (const input of inputs) input.fd = -1;
    this.sockets.sendFd = -1;
  }

  private setMembers(): void {
    this.members.set(this.config.members, this.link.port, this.interfaceIndex);
  }

  private logMember(what: string, address: string | null): void {
    if (address === null || !this.sockets.logsMembers) return;
    this.host.log('notice', 'TOTEM', `${what} UDPU member {${address}}`);
  }
}
