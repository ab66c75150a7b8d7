import { TrackEvent } from '../../config/icmap/index.ts';
import { CmapType, type CmapValue, cmapBigInt } from '../../lib/cmap-value.ts';
import { decodeCmapMcast, encodeCmapMcast } from '../codec/cmap.ts';
import { CmapFn } from '../codec/ids.ts';
import type { MainEngineContext, SyncHooks } from '../engine.ts';

const KEY = 'totem.config_version';
const Reason = { SYNC: 0, NEW_VERSION: 1 } as const;
const NO_VALUE = new Uint8Array(0);

const versionOf = (value: { type: number; bytes: Uint8Array } | undefined): bigint =>
  value?.type === CmapType.U64 ? (cmapBigInt(value) ?? 0n) : 0n;

/**
 * The exchange of configuration versions (services.md 5.7): a node with an older configuration than somebody else stops,
 * once, at the first sync that it shares with nodes of its previous ring.
 */
export class ConfigVersionExchange implements SyncHooks {
  private transitionalCount = 0;
  private firstSync = true;
  private mine = 0n;
  private highest = 0n;

  constructor(
    private readonly context: MainEngineContext,
    private readonly shutdown: (reason: string) => void,
  ) {
    this.mine = versionOf(context.cmap.get(KEY));
    context.track(KEY, TrackEvent.ADD | TrackEvent.MODIFY | TrackEvent.DELETE, () => {
      this.mine = versionOf(context.cmap.get(KEY));
      this.send(Reason.NEW_VERSION);
    });
  }

  private send(reason: number): boolean {
    const value: CmapValue | undefined = this.context.cmap.get(KEY);
    const item = { key: KEY, type: value?.type ?? 0, value: value?.bytes ?? NO_VALUE };
    return this.context.trySend(CmapFn.MCAST, encodeCmapMcast(reason, [item]));
  }

  init(transitional: readonly number[]): void {
    this.transitionalCount = transitional.length;
    this.mine = versionOf(this.context.cmap.get(KEY));
    this.highest = this.mine;
  }

  process(): boolean {
    return this.send(Reason.SYNC);
  }

  activate(): void {
    if (this.transitionalCount === 0 || !this.firstSync) return;
    this.firstSync = false;
    if (this.mine === 0n || this.highest === 0n || this.highest === this.mine) return;
    const text = `Received config version (${this.highest}) is different than my config version (${this.mine})! Exiting`;
    this.context.log('error', 'CMAP', text);
    this.shutdown(text);
  }

  abort(): void {
    // Nothing is kept between rounds.
  }

  /** A version of a node, the own one included. */
  handle(payload: Uint8Array, nodeId: number): void {
    const message = decodeCmapMcast(payload);
    if (message === null) {
      this.context.log('warning', 'CMAP', `Malformed cmap message from node ${nodeId}`);
      return;
    }
    const item = message.items.find(({ key }) => key === KEY);
    const version = versionOf(item === undefined ? undefined : { type: item.type, bytes: item.value });
    if (nodeId !== this.context.nodeId && version > this.highest) this.highest = version;
    this.context.cmap.setU64(`runtime.members.${nodeId}.config_version`, version);
  }
}
