import { EtherTarget, etherTarget } from '../../knet/ether.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';
import { Errno } from '../../os/errno.ts';
import { closeFd, readFd, writeFd } from '../../os/fd.ts';
import { countOne, type StatCounter, type TransportHost } from '../transport.ts';

/** Frames that a turn of the loop takes from the device: the ring comes first. What waits longer, the device's queue bounds, and drops. */
const FRAMES_A_TURN_MAX = 32;
const FRAME_BYTES_MAX = 65_535;

/** The virtual Ethernet device on the ring thread: what the machine sends goes to other nodes, and the other way round. */
export class NozzlePort {
  private readonly buffer: number;
  private fd = -1;

  constructor(
    private readonly host: Pick<TransportHost, 'arena' | 'watch' | 'unwatch' | 'log'>,
    private readonly memory: FrameMemory,
    /** Counts frames for nobody, and those that the device does not take. */
    private readonly lost: StatCounter,
    /** `false`: the node cannot be reached. */
    private readonly send: (offset: number, length: number, target: number) => boolean,
  ) {
    this.buffer = host.arena.allocate(FRAME_BYTES_MAX + 1, 64);
  }

  /** There may be more than the last `poll` read. */
  more = false;

  get open(): boolean {
    return this.fd >= 0;
  }

  /** The descriptor belongs to this port from now on; -1: none. */
  use(fd: number): void {
    this.close();
    this.fd = fd;
    if (fd >= 0) this.host.watch(fd);
  }

  close(): void {
    this.more = false;
    if (this.fd < 0) return;
    this.host.unwatch(this.fd);
    closeFd(this.fd);
    this.fd = -1;
  }

  /** Frames of the machine into the transmit queue; returns how many. */
  poll(): number {
    const { arena } = this.host;
    for (let frames = 0; frames < FRAMES_A_TURN_MAX; frames++) {
      const bytes = readFd(this.fd, arena.address + this.buffer, FRAME_BYTES_MAX);
      if (bytes <= 0) {
        this.more = false;
        if (bytes !== -Errno.EAGAIN) this.gone(bytes);
        return frames;
      }
      const target = etherTarget(this.memory, this.buffer, bytes);
      if (target === EtherTarget.NOBODY || !this.send(this.buffer, bytes, target)) countOne(this.lost);
    }
    this.more = true;
    return FRAMES_A_TURN_MAX;
  }

  /** A frame of another node for this machine. */
  deliver(offset: number, length: number): void {
    if (this.fd < 0 || writeFd(this.fd, this.host.arena.address + offset, length) < 0) countOne(this.lost);
  }

  /** Somebody removed the device. It would keep the loop awake. */
  private gone(error: number): void {
    this.close();
    this.host.log(
      'error',
      'TOTEM',
      `The nozzle device is gone (error ${-error}); a reload with another one makes it again`,
    );
  }
}
