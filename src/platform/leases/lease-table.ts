export type LeaseCommand =
  /** `wait`: where somebody has it, the request waits for its turn. */
  | {
      readonly op: 'take';
      readonly name: string;
      readonly request: number;
      readonly ttlMs: number;
      readonly wait: boolean;
    }
  | { readonly op: 'renew'; readonly name: string; readonly request: number; readonly ttlMs: number }
  /** Gives back what is held, or what is waited for. */
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
  /**
   * Its holder has asked for it at this place or after it, and so measures its time from before that. `false`: its turn came while it waited, and nobody
   * knows when it will notice.
   */
  readonly confirmed: boolean;
}

interface LeaseWaiter extends LeaseAsker {
  readonly request: number;
  readonly ttlMs: number;
}

export interface LeaseAsker {
  readonly life: string;
  readonly nodeId: number;
  readonly pid: number;
}

/** Leases that are held, and requests that wait, at a time, of all programs. */
const LEASES_MAX = 100_000;

/** Holders of leases, and who waits for them, in the order of their requests: what every member has. Pure: time is over when a command says so. */
export class LeaseTable {
  private leases = new Map<string, LeaseHolder>();
  /** Of leases that somebody has; none is empty. */
  private waiters = new Map<string, LeaseWaiter[]>();
  private waiting = 0;

  /** The token of a lease that was taken; `waiting`, `renewed`, `released`; `null`: it is somebody else's, or nobody's. */
  apply(command: LeaseCommand, asker: LeaseAsker, index: number, token: bigint): string | null {
    const { name } = command;
    const holder = this.leases.get(name);
    if (command.op === 'take') {
      if (holder !== undefined && !command.wait) return null;
      if (this.leases.size + this.waiting >= LEASES_MAX) return 'full';
      const { request, ttlMs } = command;
      if (holder !== undefined) {
        this.setWaiters(name, [...(this.waiters.get(name) ?? []), { ...asker, request, ttlMs }]);
        return 'waiting';
      }
      this.leases.set(name, { ...asker, request, ttlMs, term: index, token: token.toString(), confirmed: true });
      return token.toString();
    }
    if (holder === undefined) return null;
    if (command.op === 'expire') {
      if (holder.term === command.term) this.handOn(name, index, token);
      return null;
    }
    if (!isOf(holder, asker, command.request)) {
      if (command.op === 'release') this.forget(name, (waiter) => isOf(waiter, asker, command.request));
      return null;
    }
    if (command.op === 'release') this.handOn(name, index, token);
    else this.leases.set(name, { ...holder, ttlMs: command.ttlMs, term: index, confirmed: true });
    return command.op === 'release' ? 'released' : 'renewed';
  }

  /** Who is no member any more does not wait any more. What it holds ends by its time. */
  members(lives: ReadonlySet<string>): void {
    for (const name of [...this.waiters.keys()]) this.forget(name, ({ life }) => !lives.has(life));
  }

  isWaiting(name: string, life: string, request: number): boolean {
    return this.waiters.get(name)?.some((waiter) => waiter.life === life && waiter.request === request) ?? false;
  }

  private handOn(name: string, index: number, token: bigint): void {
    const [next, ...others] = this.waiters.get(name) ?? [];
    this.setWaiters(name, others);
    if (next === undefined) this.leases.delete(name);
    else this.leases.set(name, { ...next, term: index, token: token.toString(), confirmed: false });
  }

  private forget(name: string, whom: (waiter: LeaseWaiter) => boolean): void {
    this.setWaiters(name, this.waiters.get(name)?.filter((waiter) => !whom(waiter)) ?? []);
  }

  private setWaiters(name: string, waiters: LeaseWaiter[]): void {
    this.waiting += waiters.length - (this.waiters.get(name)?.length ?? 0);
    if (waiters.length === 0) this.waiters.delete(name);
    else this.waiters.set(name, waiters);
  }

  holderOf(name: string): LeaseHolder | null {
    return this.leases.get(name) ?? null;
  }

  entries(): Iterable<[string, LeaseHolder]> {
    return this.leases;
  }

  save(): unknown {
    return { leases: [...this.leases], waiters: [...this.waiters] };
  }

  load(saved: unknown): void {
    const { leases, waiters } = saved as {
      readonly leases: [string, LeaseHolder][];
      readonly waiters: [string, LeaseWaiter[]][];
    };
    this.leases = new Map(leases);
    this.waiters = new Map(waiters);
    this.waiting = waiters.reduce((sum, [, list]) => sum + list.length, 0);
  }
}

const isOf = (one: LeaseAsker & { readonly request: number }, { life }: LeaseAsker, request: number): boolean =>
  one.life === life && one.request === request;
