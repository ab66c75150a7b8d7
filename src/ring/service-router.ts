import type { RemoteEngine } from '../bridge/messages.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { REQUEST_HEADER_BYTES } from '../lib/ipc-header.ts';
import { Group } from '../totem/index.ts';
import type { DropCounters } from './drop-counters.ts';

/** Who gets the messages of one service, in total order. The memory is valid during the call. */
export interface RingHandler {
  delivered(fn: number, nodeId: number, memory: FrameMemory, offset: number, length: number): void;
}

export interface RouterPorts {
  /** To the main thread: a message with its header. */
  handOver(nodeId: number, bytes: Uint8Array, offset: number, length: number): void;
  mcast(group: number, message: Uint8Array, offset: number): boolean;
  readonly drops: DropCounters<RouterDropReason>;
}

/** Why a message of the ring reached no service. */
export const ROUTER_DROP_REASONS = ['short', 'foreignEndian', 'noService', 'noGroup'] as const;
export type RouterDropReason = (typeof ROUTER_DROP_REASONS)[number];

const SERVICES_MAX = 64;

/**
 * Routes messages of the ring by service id, and multicasts of the main thread by process group.
 *
 *   group "a"         header says which service and function      → its handler here, or the main thread; and observers
 *   a service's own   no header on the wire: it is put on for the main thread, and taken off on the way out
 */
export class ServiceRouter {
  private readonly handlers = new Array<RingHandler | null>(SERVICES_MAX).fill(null);
  private readonly observers = new Array<RingHandler | null>(SERVICES_MAX).fill(null);
  private readonly remote = new Array<boolean>(SERVICES_MAX).fill(false);
  /** Process group of a service, by service id. */
  private readonly groupOf = new Array<number>(SERVICES_MAX).fill(Group.SERVICES);
  /** Service of a process group of its own, by group. */
  private readonly ownerOf: number[] = [];

  constructor(
    private readonly ports: RouterPorts,
    remote: readonly RemoteEngine[],
    /** Names of the process groups behind `Group`'s, as they were registered with Totem. */
    groups: readonly string[],
  ) {
    for (const { serviceId, processGroup } of remote) {
      this.remote[serviceId] = true;
      if (processGroup === null) continue;
      const group = Group.SERVICES + 1 + groups.indexOf(processGroup);
      this.groupOf[serviceId] = group;
      this.ownerOf[group] = serviceId;
    }
  }

  /** A service of this thread. */
  handle(serviceId: number, handler: RingHandler): void {
    this.handlers[serviceId] = handler;
  }

  /** Hears the messages of a service of the main thread before it does. */
  observe(serviceId: number, observer: RingHandler): void {
    this.observers[serviceId] = observer;
  }

  /** A message of any group but "sync", in total order. */
  deliver(
    group: number,
    nodeId: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    foreignEndian: boolean,
  ): void {
    if (group !== Group.SERVICES) {
      this.deliverBare(this.ownerOf[group] ?? -1, nodeId, memory, offset, length);
      return;
    }
    // Rings of both byte orders cannot synchronise (services.md 1.3), so there is nothing to convert.
    if (length < REQUEST_HEADER_BYTES) this.ports.drops.short();
    else if (foreignEndian) this.ports.drops.foreignEndian();
    else this.deliverToService(nodeId, memory, offset, length);
  }

  private deliverToService(nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    const id = memory.view.getInt32(offset, true);
    const serviceId = id >>> 16;
    const fn = id & 0xffff;
    const handler = this.handlers[serviceId] ?? null;
    if (handler !== null) handler.delivered(fn, nodeId, memory, offset, length);
    else if (this.remote[serviceId] === true) {
      this.observers[serviceId]?.delivered(fn, nodeId, memory, offset, length);
      this.ports.handOver(nodeId, memory.bytes, offset, length);
    } else this.ports.drops.noService();
  }

  /** A message of an engine on the main thread, header filled in. `false`: no room. */
  mcast(message: Uint8Array): boolean {
    const serviceId = message[2]! | (message[3]! << 8);
    const group = this.groupOf[serviceId] ?? Group.SERVICES;
    return this.ports.mcast(group, message, group === Group.SERVICES ? 0 : REQUEST_HEADER_BYTES);
  }

  /** Messages of a service's own group have no header; the engine's side of the bridge wants one. */
  private deliverBare(serviceId: number, nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    if (serviceId < 0) {
      this.ports.drops.noGroup();
      return;
    }
    const message = new Uint8Array(REQUEST_HEADER_BYTES + length);
    message[2] = serviceId;
    new DataView(message.buffer).setUint32(8, message.length, true);
    message.set(memory.bytes.subarray(offset, offset + length), REQUEST_HEADER_BYTES);
    this.ports.handOver(nodeId, message, 0, message.length);
  }
}
