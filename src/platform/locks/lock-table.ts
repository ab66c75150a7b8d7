/** One request for a lock: the life of the machine that asks, and its number there. */
export interface LockAsker {
  readonly life: string;
  readonly request: number;
}

export interface LockHolder extends LockAsker {
  /** Grows from holder to holder, for ever. */
  readonly token: bigint;
}

export type LockCommand =
  | { readonly op: 'acquire'; readonly name: string; readonly request: number; readonly wait: boolean }
  /** Gives back what is held, or what is waited for. */
  | { readonly op: 'release'; readonly name: string; readonly request: number }
  /** The time of a life that left at this place of the order is over. */
  | { readonly op: 'expire'; readonly life: string; readonly since: number };

interface LockState {
  holder: LockHolder;
  readonly waiters: LockAsker[];
}

/** Waiting requests and holders in all; more are refused. */
const REQUESTS_MAX = 1_000_000;

/** Holders and waiters of all locks: what every member has, a function of the commands and memberships in their order. Pure. */
export class LockTable {
  private locks = new Map<string, LockState>();
  /** Lives that hold a lock and are no members any more, with the place at which they left. */
  private departed = new Map<string, number>();
  private requests = 0;

  /** The new holder, if the command made one; `null`: it did not; `refused`: the request is not in the table. */
  apply(command: LockCommand, from: string, token: bigint): { name: string; holder: LockHolder }[] | 'refused' {
    switch (command.op) {
      case 'acquire':
        return this.acquire(command.name, { life: from, request: command.request }, command.wait, token);
      case 'release':
        return this.release(command.name, { life: from, request: command.request }, token);
      case 'expire':
        return this.departed.get(command.life) === command.since ? this.expire(command.life, token) : [];
    }
  }

  /** Who does not wait is forgotten at once; who holds a lock keeps it until it has expired. */
  members(lives: ReadonlySet<string>, index: number): void {
    for (const life of [...this.departed.keys()]) if (lives.has(life)) this.departed.delete(life);
    for (const { holder, waiters } of this.locks.values()) {
      const stay = waiters.filter(({ life }) => lives.has(life));
      this.requests -= waiters.length - stay.length;
      waiters.splice(0, waiters.length, ...stay);
      if (!lives.has(holder.life) && !this.departed.has(holder.life)) this.departed.set(holder.life, index);
    }
  }

  get absent(): readonly (readonly [string, number])[] {
    return [...this.departed];
  }

  holderOf(name: string): LockHolder | null {
    return this.locks.get(name)?.holder ?? null;
  }

  heldBy(life: string): [string, LockHolder][] {
    return [...this.locks].flatMap(([name, { holder }]) => (holder.life === life ? [[name, holder]] : []));
  }

  isWaiting(name: string, { life, request }: LockAsker): boolean {
    return this.locks.get(name)?.waiters.some((other) => other.life === life && other.request === request) ?? false;
  }

  save(): Uint8Array {
    const locks = [...this.locks].map(([name, { holder, waiters }]) => [
      name,
      { ...holder, token: holder.token.toString() },
      waiters,
    ]);
    return Buffer.from(JSON.stringify({ locks, departed: [...this.departed] }));
  }

  load(bytes: Uint8Array): void {
    const saved = JSON.parse(Buffer.from(bytes).toString()) as {
      readonly locks: readonly [string, LockAsker & { readonly token: string }, LockAsker[]][];
      readonly departed: readonly [string, number][];
    };
    this.departed = new Map(saved.departed);
    this.locks = new Map(
      saved.locks.map(([name, holder, waiters]) => [
        name,
        { holder: { ...holder, token: BigInt(holder.token) }, waiters },
      ]),
    );
    this.requests = saved.locks.reduce((sum, [, , waiters]) => sum + 1 + waiters.length, 0);
  }

  private acquire(name: string, request: LockAsker, wait: boolean, token: bigint): ReturnType<LockTable['apply']> {
    const lock = this.locks.get(name);
    if (this.requests >= REQUESTS_MAX || (lock !== undefined && !wait)) return 'refused';
    this.requests++;
    if (lock !== undefined) {
      lock.waiters.push(request);
      return [];
    }
    const holder = { ...request, token };
    this.locks.set(name, { holder, waiters: [] });
    return [{ name, holder }];
  }

  private release(name: string, request: LockAsker, token: bigint): { name: string; holder: LockHolder }[] {
    const lock = this.locks.get(name);
    if (lock === undefined) return [];
    if (isSame(lock.holder, request)) return this.next(name, lock, token);
    const at = lock.waiters.findIndex((other) => isSame(other, request));
    if (at < 0) return [];
    lock.waiters.splice(at, 1);
    this.requests--;
    return [];
  }

  private expire(life: string, token: bigint): { name: string; holder: LockHolder }[] {
    this.departed.delete(life);
    return [...this.locks].flatMap(([name, lock]) => (lock.holder.life === life ? this.next(name, lock, token) : []));
  }

  private next(name: string, lock: LockState, token: bigint): { name: string; holder: LockHolder }[] {
    this.requests--;
    const waiter = lock.waiters.shift();
    if (waiter === undefined) {
      this.locks.delete(name);
      return [];
    }
    lock.holder = { ...waiter, token };
    return [{ name, holder: lock.holder }];
  }
}

const isSame = (a: LockAsker, b: LockAsker): boolean => a.life === b.life && a.request === b.request;
