import { frameMemory } from '../lib/frame-memory.ts';
import { type CpgConnection, type CpgPort, SCRATCH_BYTES } from '../services/cpg/cpg-connection.ts';
import { CpgCore, type CpgResult } from '../services/cpg/cpg-core.ts';
import type { TrackingFile } from '../services/votequorum/tracking-file.ts';
import type { Outgoing } from './fake-node.ts';
import type { FakeRing } from './fake-ring.ts';
import { type NodeSettings, QuorumNode } from './quorum-node.ts';

const MESSAGE_BYTES_MAX = 1_048_576;
/** Service and function of a message: `service << 16 | function` in its first word. */
const SERVICE_SHIFT = 16;
const FUNCTION_MASK = 0xffff;

export interface CpgClient {
  readonly id: number;
  respond(message: Uint8Array): void;
  dispatch(message: Uint8Array): void;
}

/** A client's place in the CPG core of a node. */
export class CpgClientPort {
  private readonly memory = frameMemory(new Uint8Array(SCRATCH_BYTES + MESSAGE_BYTES_MAX));
  private readonly connection: CpgConnection;

  constructor(
    private readonly core: CpgCore,
    client: CpgClient,
  ) {
    let event = frameMemory(new Uint8Array(0));
    const port: CpgPort = {
      id: client.id,
      user: { uid: 0, privileged: true },
      memory: this.memory,
      scratch: 0,
      respond: (message) => client.respond(message),
      dispatch: (message) => client.dispatch(message),
      claim: (bytes) => {
        event = frameMemory(new Uint8Array(bytes));
        return 0;
      },
      get claimed() {
        return event;
      },
      commit: () => client.dispatch(event.bytes),
      hasHungUp: () => false,
    };
    this.connection = core.opened(port);
  }

  request(request: Uint8Array): CpgResult {
    this.memory.bytes.set(request, SCRATCH_BYTES);
    return this.core.request(this.connection, SCRATCH_BYTES, request.length);
  }

  close(): void {
    this.core.closed(this.connection);
  }
}

/** A node with cmap, quorum, votequorum and cpg: the engines of the daemon, on a ring without a network. */
export class VirtualNode extends QuorumNode {
  readonly cpg: CpgCore;

  constructor(ring: FakeRing, nodeId: number, settings: NodeSettings, trackingFile: TrackingFile) {
    super(ring, nodeId, settings, trackingFile);
    this.cpg = new CpgCore({
      nodeId,
      mcast: (message) => this.enqueue('a', message),
      mcastParts: (headIn, head, headBytes, bodyIn, body, bodyBytes) => {
        const parts = [headIn.subarray(head, head + headBytes), bodyIn.subarray(body, body + bodyBytes)];
        return this.enqueue('a', Buffer.concat(parts));
      },
      syncInProgress: () => this.sync.isInProgress(),
      hasRoom: () => true,
      canEverSend: (bytes) => bytes <= MESSAGE_BYTES_MAX + SCRATCH_BYTES,
      zeroCopy: { open: () => false, close: () => {}, read: () => null, closeAll: () => {} },
      log: () => {},
      dropped: () => {},
    });
    this.sync.add(this.cpg.sync);
  }

  override deliver(message: Outgoing): void {
    const memory = frameMemory(message.bytes);
    const word = message.group === 'a' ? memory.view.getInt32(0, true) : -1;
    if (word >> SERVICE_SHIFT !== this.cpg.sync.serviceId) {
      super.deliver(message);
      return;
    }
    this.cpg.deliver(word & FUNCTION_MASK, message.from, memory, 0, message.bytes.length);
    this.runLater();
  }
}
