import { type ConfigEnvironment, nodeEnvironment } from './environment.ts';
import type { UnresolvedAddress } from './totem/resolve-nodes.ts';
import type { TotemConfig } from './totem-config.ts';

export const RETRY_MS_FIRST = 2_000;
export const RETRY_MS_MAX = 60_000;

export interface ResolvedAddress extends UnresolvedAddress {
  readonly address: string;
}

/**
 * Keeps asking for the names that had no address when the configuration was loaded, less and less often. The look-ups
 * run in threads of their own (getaddrinfo), one at a time, so a dead name server delays nothing else.
 */
export class AddressRetry {
  private open: UnresolvedAddress[] = [];
  private timer: NodeJS.Timeout | null = null;
  private delayMs = RETRY_MS_FIRST;
  private generation = 0;

  constructor(
    private readonly onResolved: (resolved: readonly ResolvedAddress[]) => void,
    private readonly environment: ConfigEnvironment = nodeEnvironment(),
  ) {}

  /** Replaces what is asked for; an empty list stops it. */
  watch(unresolved: readonly UnresolvedAddress[]): void {
    this.stop();
    this.open = [...unresolved];
    this.delayMs = RETRY_MS_FIRST;
    this.schedule();
  }

  stop(): void {
    this.generation++;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.open = [];
  }

  private schedule(): void {
    if (this.open.length === 0) return;
    this.timer = setTimeout(() => void this.ask(this.generation), this.delayMs);
    this.timer.unref();
    this.delayMs = Math.min(this.delayMs * 2, RETRY_MS_MAX);
  }

  private async ask(generation: number): Promise<void> {
    const resolved: ResolvedAddress[] = [];
    const open: UnresolvedAddress[] = [];
    for (const name of this.open) {
      const address = await this.lookup(name);
      if (generation !== this.generation) return;
      if (address === null) open.push(name);
      else resolved.push({ ...name, address });
    }
    this.open = open;
    if (resolved.length > 0) this.onResolved(resolved);
    if (generation === this.generation) this.schedule();
  }

  private async lookup({ text, families }: UnresolvedAddress): Promise<string | null> {
    for (const family of families) {
      const [address] = await this.environment.lookup(text, family);
      if (address !== undefined) return address;
    }
    return null;
  }
}

/** The configuration with the new addresses filled in. */
export function withAddresses(totem: TotemConfig, resolved: readonly ResolvedAddress[]): TotemConfig {
  const members = totem.members.map((member) => ({
    ...member,
    addresses: member.addresses.map((address, linkId) => {
      const found = resolved.find((entry) => entry.nodeId === member.nodeId && entry.linkId === linkId);
      return address ?? found?.address ?? null;
    }),
  }));
  return { ...totem, members };
}
