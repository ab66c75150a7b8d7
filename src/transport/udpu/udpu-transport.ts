import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { assert } from '../../lib/assert.ts';
import { closeFd } from '../../os/fd.ts';
import { SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { FrameClass, type FrameClassValue } from '../../totem/interface.ts';
import { openDatagramSocket } from '../datagram/datagram-socket.ts';
import { discardWaiting } from '../datagram/drain.ts';
import { findInterface, type InterfaceAddress } from '../datagram/interface-address.ts';
import { InterfaceMonitor } from '../datagram/interface-monitor.ts';
import { compareMembers, datagramLinkStatus, MemberAddresses } from '../datagram/members.ts';
import { ReceiveBatch } from '../datagram/receive-batch.ts';
import { SendBatch } from '../datagram/send-batch.ts';
import { LoopbackQueue } from '../loopback-queue.ts';
import type { LinkStatus, RingTransport, StatCounter, TransportHost } from '../transport.ts';

/** Stock asks for 16 receive frames of 136 192 bytes (totem.md 2). */
const SOCKET_BUFFER_BYTES = 2_179_072;
const RECEIVE_BUFFERS = 16;
/** While own frames come in, the socket is looked at every so many turns: an empty look is a system call. */
const LOCAL_TURNS = 4;

/**
 * udpu: every multicast is one datagram per member (totem.md 6.2), batched.
 *
 * One socket does everything: stock receives all datagrams on the token socket too, and checks the source by address only, so
 * the ephemeral source ports of its sending sockets are not needed. What stock sends to itself through the kernel waits here in
 * a local queue; own copies of ordinary multicasts, which the core drops as already present, are only counted.
 */
export class UdpuTransport implements RingTransport {
  private readonly link: LinkConfig;
  private readonly members: MemberAddresses;
  private readonly received: ReceiveBatch;
  private readonly sending: SendBatch;
  private readonly loopback: LoopbackQueue;
  private readonly monitor: InterfaceMonitor;
  private readonly rejected: StatCounter;
  private readonly scratchName: number;
  private fd = -1;
  private interfaceIndex = 0;
  private turns = 0;
  drained = false;

  constructor(
    private readonly host: TransportHost,
    private config: TotemConfig,
  ) {
    const [link] = config.links;
    assert(link !== undefined, 'udpu has one link');
    this.link = link;
    const { arena } = host;
    this.members = new MemberAddresses(arena, host.nodeId, link.family);
    this.received = new ReceiveBatch(arena, RECEIVE_BUFFERS);
    this.sending = new SendBatch(
      arena,
      () => this.fd,
      () => this.members,
    );
    this.loopback = new LoopbackQueue(arena);
    this.scratchName = arena.allocate(SOCKADDR_BYTES_MAX, 8);
    this.rejected = host.counter('rondo.transport.rejected_unlisted');
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
      { downcheckMs: config.timings.downcheckMs, fatalWithout: true, rebindAlways: false },
    );
  }

  open(nowMs: number): void {
    for (const { addresses } of this.config.members) this.logMember('adding new', addresses[0] ?? null);
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
    while (this.fd >= 0 && handled < budgetFrames) {
      const buffers = this.received.receive(this.fd);
      while (this.received.next()) {
        handled++;
        if (this.config.blockUnlistedIps && !this.members.isListed(this.received.source)) {
          this.rejected.values[this.rejected.slot]!++;
          continue;
        }
        this.host.receive(this.received.offset, this.received.bytes);
        this.flush();
      }
      if (buffers < this.received.size) {
        this.drained = true;
        break;
      }
    }
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
    if (name >= 0 && this.fd >= 0) this.sending.unicast(offset, length, name, this.members.nameBytes);
  }

  multicast(offset: number, length: number, frameClass: FrameClassValue): void {
    if (frameClass === FrameClass.FLUSH) this.loopback.push(offset, length);
    else this.host.noteOwnCopies(1);
    if (this.fd >= 0 && this.members.count > 0) this.sending.multicast(offset, length);
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

  /** Tokens and multicasts share the socket: the network keeps their order, nothing is to be drained. */
  drainMulticasts(): void {}

  checkInterface(): void {
    this.monitor.checkSoon();
  }

  discardInput(): number {
    const discarded = this.received.discardRest() + this.loopback.clear();
    return discarded + discardWaiting(this.fd, this.received);
  }

  tick(nowMs: number): void {
    this.monitor.tick(nowMs);
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

  private bind(at: InterfaceAddress): void {
    this.unbind();
    this.fd = openDatagramSocket(this.host.arena, this.scratchName, {
      address: at.address,
      port: this.link.port,
      scopeId: at.index,
      bufferBytes: SOCKET_BUFFER_BYTES,
      reuseAddress: false,
      broadcast: false,
      ipDscp: this.config.ipDscp,
    });
    this.host.watch(this.fd);
    this.interfaceIndex = at.index;
    this.setMembers();
  }

  private unbind(): void {
    if (this.fd < 0) return;
    this.sending.clear();
    this.received.discardRest();
    this.host.unwatch(this.fd);
    closeFd(this.fd);
    this.fd = -1;
  }

  private setMembers(): void {
    this.members.set(this.config.members, this.link.port, this.interfaceIndex);
  }

  private logMember(what: string, address: string | null): void {
    if (address !== null) this.host.log('notice', 'TOTEM', `${what} UDPU member {${address}}`);
  }
}
