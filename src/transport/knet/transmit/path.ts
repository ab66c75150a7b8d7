import type { KnetCore } from '../../../knet/core.ts';
import type { CryptoProvider } from '../../../knet/crypto.ts';
import type { TransmitBuffers } from '../../../lib/transmit-buffers.ts';
import { countOne, type TransportHost } from '../../transport.ts';
import type { SendTroubles } from '../send-troubles.ts';
import { LaneProvider, TransmitLanes } from './lanes.ts';
import { type NewsTaker, TransmitShared } from './shared.ts';
import { TRANSMIT_ROOM_BYTES } from './thread.ts';

/** The transmit threads as the transport has them: what they are given, and what they bring back. */
export class TransmitPath {
  readonly lanes: TransmitLanes;
  private readonly shared: TransmitShared;
  private readonly taker: NewsTaker;

  constructor(
    host: TransportHost,
    buffers: TransmitBuffers,
    namesAt: number,
    private readonly core: KnetCore,
    troubles: SendTroubles,
    readErrors: () => void,
  ) {
    const { arena } = host;
    this.shared = new TransmitShared(buffers);
    const roomAt = arena.allocate(buffers.threads * TRANSMIT_ROOM_BYTES, 64);
    const { address, byteLength } = arena;
    this.shared.setPlace({ address, byteLength, namesAt, roomAt, roomBytes: TRANSMIT_ROOM_BYTES });
    const counters = {
      handedOver: host.counter('rondo.transmit.handed_over'),
      kept: host.counter('rondo.transmit.kept'),
      waited: host.counter('rondo.transmit.waited'),
    };
    this.lanes = new TransmitLanes(this.shared, core.queues, {
      sealed: (packets, ns) => core.noteSealed(packets, ns),
      count: (what) => countOne(counters[what]),
    });
    this.taker = {
      pendingErrors: readErrors,
      failed: (link, kind, packets) => troubles.failed(link, kind, packets),
      retried: (link, kind) => troubles.retried(link, kind),
      tooBig: (link) => troubles.tooBig(link),
      unreachable: (link) => troubles.unreachable(link),
    };
  }

  /** Loads what a provider loads, in the threads as well. */
  provider(here: CryptoProvider): CryptoProvider {
    return new LaneProvider(here, this.lanes);
  }

  /** Passes on what the threads have met. */
  news(): void {
    this.lanes.note();
    if (this.shared.hasNews) this.shared.takeNews(this.core.hosts.links.length, this.taker);
  }
}
