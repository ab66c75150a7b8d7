import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { assert } from '../../lib/assert.ts';
import { closeFd } from '../../os/fd.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { FrameClass, type FrameClassValue } from '../../totem/interface.ts';
import { openDatagramSocket } from '../datagram/datagram-socket.ts';
import { DRAIN_FRAMES_MAX, discardWaiting } from '../datagram/drain.ts';
import { findInterface, type InterfaceAddress } from '../datagram/interface-address.ts';
import { InterfaceMonitor } from '../datagram/interface-monitor.ts';
import { compareMembers, datagramLinkStatus, MemberAddresses } from '../datagram/members.ts';
import { ReceiveBatch } from '../datagram/receive-batch.ts';
import { SendBatch } from '../datagram/send-batch.ts';
import { LoopbackQueue } from '../loopback-queue.ts';
import type { LinkStatus, RingTransport, TransportHost } from '../transport.ts';
import { interfaceIndex, joinGroup, setMulticastOptions } from './multicast-group.ts';

/** Stock asks for 16 frames of 65 536 bytes (totem.md 2). */
const SOCKET_BUFFER_BYTES = 1_048_576;
const RECEIVE_BUFFERS = 16;
const LOCAL_TURNS = 4;

/**
 * udp: multicasts to a group, tokens from address to address (totem.md 6.3).
 *
 *   receive    bound to (group, p), joined        multicasts of the others
 *   send       bound to (own address, p − 1)      multicasts and tokens
 *   token      bound to (own address, p)          tokens
 *
 * A token can overtake the multicasts that it accounts for, because they come through different sockets: the core asks for
 * `drainMulticasts` before it acts on one.
 */
export class UdpTransport implements RingTransport {
  private readonly link: LinkConfig;
  private readonly members: MemberAddresses;
  private readonly multicasts: ReceiveBatch;
  private readonly tokens: ReceiveBatch;
  private readonly sending: SendBatch;
  private readonly loopback: LoopbackQueue;
  private readonly monitor: InterfaceMonitor;
  private readonly scratchName: number;
  /** Socket address of the group, the one destination of every multicast. */
  private readonly group: { first: number; count: number; nameBytes: number; strideBytes: number };
  private receiveFd = -1;
  private sendFd = -1;
  private tokenFd = -1;
  private interfaceIndex = 0;
  private turns = 0;
  drained = false;

  constructor(
    private readonly host: TransportHost,
    private config: TotemConfig,
  ) {
    const [link] = config.links;
    assert(link !== undefined, 'udp has one link');
    this.link = link;
    const { arena } = host;
    this.members = new MemberAddresses(arena, host.nodeId, link.family);
    this.multicasts = new ReceiveBatch(arena, RECEIVE_BUFFERS);
    this.tokens = new ReceiveBatch(arena, RECEIVE_BUFFERS);
    const group = { first: arena.allocate(SOCKADDR_BYTES_MAX, 8), count: 1, nameBytes: 0, strideBytes: 0 };
    this.group = group;
    this.sending = new SendBatch(
      arena,
      () => this.sendFd,
      () => group,
    );
    this.loopback = new LoopbackQueue(arena);
    this.scratchName = arena.allocate(SOCKADDR_BYTES_MAX, 8);
    this.monitor = new InterfaceMonitor(
      {
        find: () => findInterface(link.bindAddress),
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
      { downcheckMs: config.timings.downcheckMs, fatalWithout: false, rebindAlways: true },
    );
  }

  open(nowMs: number): void {
    this.monitor.start(nowMs);
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
    handled += this.readFrom(this.receiveFd, this.multicasts, budgetFrames - handled);
    handled += this.readFrom(this.tokenFd, this.tokens, budgetFrames - handled);
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
    if (name >= 0 && this.sendFd >= 0) this.sending.unicast(offset, length, name, this.members.nameBytes);
  }

  multicast(offset: number, length: number, frameClass: FrameClassValue): void {
    if (frameClass === FrameClass.FLUSH) this.loopback.push(offset, length);
    else this.host.noteOwnCopies(1);
    if (this.sendFd >= 0) this.sending.multicast(offset, length);
  }

  flush(): void {
    if (!this.sending.isEmpty) this.sending.flush();
  }

  knowsTarget(target: number): boolean {
    return target === this.host.nodeId || this.members.nameOf(target) >= 0;
  }

  membershipChanged(members: readonly number[]): void {
    this.monitor.membersChanged(members.length, this.host.nowMs());
  }

  /** Called from inside `host.receive` for a token: hands over what the group's socket holds, and nothing else. */
  drainMulticasts(): void {
    this.readFrom(this.receiveFd, this.multicasts, DRAIN_FRAMES_MAX);
  }

  checkInterface(): void {
    this.monitor.checkSoon();
  }

  discardInput(): number {
    let discarded = this.multicasts.discardRest() + this.tokens.discardRest() + this.loopback.clear();
    discarded += discardWaiting(this.receiveFd, this.multicasts);
    return discarded + discardWaiting(this.tokenFd, this.tokens);
  }

  tick(nowMs: number): void {
    this.monitor.tick(nowMs);
  }

  nextDeadlineMs(): number {
    return this.monitor.nextCheckMs;
  }

  reconfigure(config: TotemConfig): readonly string[] {
    const { moved, members } = compareMembers(this.config.members, config.members);
    this.config = { ...config, members };
    this.monitor.setDowncheckMs(config.timings.downcheckMs);
    this.setMembers();
    return moved.map(({ nodeId }) => `the address of node ${nodeId} cannot change while the daemon runs`);
  }

  cryptoPhase(): string | null {
    return null;
  }

  linkStatus(): readonly LinkStatus[] {
    return [datagramLinkStatus(this.config, this.link, this.monitor.state === 'regular')];
  }

  close(): void {
    this.flush();
    this.unbind();
  }

  private readFrom(fd: number, batch: ReceiveBatch, budgetFrames: number): number {
    let handled = 0;
    while (fd >= 0 && handled < budgetFrames) {
      const buffers = batch.receive(fd);
      while (batch.next()) {
        handled++;
        this.host.receive(batch.offset, batch.bytes);
        this.flush();
      }
      if (buffers < batch.size) break;
    }
    return handled;
  }

  private bind(at: InterfaceAddress): void {
    this.unbind();
    const { multicastAddress, port, broadcast, ttl } = this.link;
    const common = {
      scopeId: at.index,
      bufferBytes: SOCKET_BUFFER_BYTES,
      reuseAddress: true,
      broadcast,
      ipDscp: this.config.ipDscp,
    };
    const open = (address: string, at: number): number =>
      openDatagramSocket(this.host.arena, this.scratchName, { ...common, address, port: at });
    try {
      this.receiveFd = open(multicastAddress, port);
      this.sendFd = open(at.address, port - 1);
      this.tokenFd = open(at.address, port);
      if (!broadcast) {
        joinGroup(this.receiveFd, multicastAddress, at);
        setMulticastOptions(this.sendFd, at, ttl);
      }
    } catch (error) {
      this.closeSockets();
      throw error;
    }
    this.host.watch(this.receiveFd);
    this.host.watch(this.tokenFd);
    this.interfaceIndex = interfaceIndex(at);
    const { group, host } = this;
    group.nameBytes = encodeSockaddr(host.arena.u8, group.first, multicastAddress, port, this.interfaceIndex);
    this.setMembers();
  }

  private unbind(): void {
    if (this.sendFd < 0) return;
    this.sending.clear();
    this.multicasts.discardRest();
    this.tokens.discardRest();
    this.host.unwatch(this.receiveFd);
    this.host.unwatch(this.tokenFd);
    this.closeSockets();
  }

  private closeSockets(): void {
    for (const fd of [this.receiveFd, this.sendFd, this.tokenFd]) if (fd >= 0) closeFd(fd);
    this.receiveFd = -1;
    this.sendFd = -1;
    this.tokenFd = -1;
  }

  private setMembers(): void {
    this.members.set(this.config.members, this.link.port, this.interfaceIndex);
  }
}
