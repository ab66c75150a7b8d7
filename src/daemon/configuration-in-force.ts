import type { ToRing } from '../bridge/messages.ts';
import { withChanges } from '../bridge/totem-changes.ts';
import type { Icmap } from '../config/icmap/index.ts';
import type { KeyMaterial } from '../config/key-material.ts';
import type { TotemChanges, TotemConfig } from '../config/totem-config.ts';
import type { ConfigurationTarget } from './reloader.ts';

export interface InForcePorts {
  send(message: ToRing): void;
  sendKey(fingerprint: string, key: Uint8Array): void;
  /** Another configuration of the ring is in force. */
  changed(totem: TotemConfig): void;
}

/** The live map and the ring's configuration as it is now: what a change of either acts on, and what others look it up in. */
export class ConfigurationInForce implements ConfigurationTarget {
  /** Of the ring as it is now, for what udp and udpu call reachable. */
  members: readonly number[] = [];
  /** Of the key that the ring thread got last; empty: none. */
  keyId = '';

  constructor(
    readonly cmap: Icmap,
    private current: TotemConfig,
    private readonly ports: InForcePorts,
  ) {}

  get totem(): TotemConfig {
    return this.current;
  }

  /** Addresses of a node in the list of nodes, one a link. */
  addressesOf(nodeId: number): readonly (string | null)[] {
    return this.current.members.find((member) => member.nodeId === nodeId)?.addresses ?? [];
  }

  /** The ring thread gets the key; here it is wiped. */
  handOver(key: KeyMaterial | null): void {
    if (key === null) return;
    if (key.bytes !== null) this.ports.sendKey(key.fingerprint, key.bytes);
    this.keyId = key.id;
    key.wipe();
  }

  reconfigure(totem: TotemConfig, key: KeyMaterial | null = null): void {
    this.handOver(key);
    this.ports.send({ op: 'reconfigure', config: totem });
    this.use(totem);
  }

  change(changes: TotemChanges): void {
    this.ports.send({ op: 'change', changes });
    this.use(withChanges(this.current, changes));
  }

  private use(totem: TotemConfig): void {
    this.current = totem;
    this.ports.changed(totem);
  }
}
