export type LeaseCommand =
  | { readonly op: 'take'; readonly name: string; readonly request: number; readonly ttlMs: number }
  | { readonly op: 'renew'; readonly name: string; readonly request: number; readonly ttlMs: number }
  | { readonly op: 'release'; readonly name: string; readonly request: number }
  /** The time that began with this term is over. */
  | { readonly op: 'expire'; readonly name: string; readonly term: number };

/** Who has a lease. */
export interface LeaseHolder {
  readonly life: string;
  readonly nodeId: number;
  readonly pid: number;
  readonly request: number;
  /** Decimal digits; grows from holder to holder of all leases. */
  readonly token: string;
  readonly ttlMs: number;
  /** Place in the order of the last renewal, or of the beginning. */
  readonly term: number;
}

export interface LeaseAsker {
  readonly life: string;
  readonly nodeId: number;
  readonly pid: number;
}

/** Leases that are held at a time, of all programs. */
const LEASES_MAX = 100_000;

/** Holders of leases: what every member has. Pure: time is over when a command says so. */
export class LeaseTable {
  private leases = new Map<string, LeaseHolder>();

  /** The token of a lease that was taken; `renewed`, `released`; `null`: it is somebody else's, or nobody's. */
  apply(command: LeaseCommand, asker: LeaseAsker, index: number, token: bigint): string | null {
    const { name } = command;
    const holder = this.leases.get(name);
    if (command.op === 'take') {
      if (holder !== undefined) return null;
      if (this.leases.size >= LEASES_MAX) return 'full';
      const { request, ttlMs } = command;
      this.leases.set(name, { ...asker, request, ttlMs, term: index, token: token.toString() });
      return token.toString();
    }
    if (holder === undefined) return null;
    if (command.op === 'expire') {
      if (holder.term === command.term) this.leases.delete(name);
      return null;
    }
    if (holder.life !== asker.life || holder.request !== command.request) return null;
    if (command.op === 'release') this.leases.delete(name);
    else this.leases.set(name, { ...holder, ttlMs: command.ttlMs, term: index });
    return command.op === 'release' ? 'released' : 'renewed';
  }

  holderOf(name: string): LeaseHolder | null {
    return this.leases.get(name) ?? null;
  }

  entries(): Iterable<[string, LeaseHolder]> {
    return this.leases;
  }

  save(): unknown {
    return [...this.leases];
  }

  load(saved: unknown): void {
    this.leases = new Map(saved as [string, LeaseHolder][]);
  }
}
