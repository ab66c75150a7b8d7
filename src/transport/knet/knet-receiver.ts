import type { AddressTable } from '../../knet/address.ts';
import { KNET } from '../../knet/constants.ts';
import type { RxBatch } from '../../knet/rx-batch.ts';
import type { Arena } from '../../os/arena.ts';
import { BUFFER_BYTES, ReceiveBatch } from '../datagram/receive-batch.ts';
import type { StatCounter } from '../transport.ts';
import type { Wire } from '../wire.ts';
import { lookUpSource } from './knet-addresses.ts';

/** Reads packets into the core's own buffers and fills a batch of the core; the tag of a packet is where its source address lies. */
export class KnetReceiver {
  private readonly received: ReceiveBatch;
  private offered = 0;
  private used = 0;
  /** `received` shows a packet that had no room in the last batch. */
  private held = false;
  /** The source address looked up last: the kernel joins packets of one sender. */
  private name = 0;
  private source = 0;

  constructor(
    private readonly arena: Arena,
    rxAt: number,
    rxBytes: number,
    private readonly addresses: AddressTable,
    truncated: StatCounter,
    read?: Wire['receive'],
  ) {
    this.received = new ReceiveBatch(arena, Math.floor(rxBytes / BUFFER_BYTES), truncated, rxAt, read);
  }

  /** What the last `receive` returned when nothing was read: 0 or -errno. */
  get error(): number {
    return this.received.error;
  }

  /** One system call. Returns whether something was read; then call `fill` until it returns false. */
  receive(fd: number, buffersMax: number): boolean {
    this.offered = Math.max(1, Math.min(this.received.size, buffersMax));
    this.used = this.received.receive(fd, this.offered);
    this.held = false;
    this.name = 0;
    return this.used > 0;
  }

  /** The last `receive` filled every buffer that it was given: more may wait. */
  get filled(): boolean {
    return this.used >= this.offered;
  }

  /** Adds what was received to the batch, until that is full. `false`: there was nothing more. */
  fill(batch: RxBatch): boolean {
    const { received } = this;
    for (; this.held || received.next(); this.held = false) {
      if (batch.full) {
        this.held = true;
        return true;
      }
      if (received.source !== this.name) {
        this.name = received.source;
        this.source = lookUpSource(this.arena, this.name, this.addresses);
      }
      batch.add(received.offset, Math.min(received.bytes, KNET.datagramBytesMax), this.source, this.name);
    }
    return batch.count > 0;
  }

  discard(): void {
    this.received.discardRest();
    this.held = false;
  }
}
