import type { Clock } from '../../client/clock.ts';
import type { MachineMember } from './replicated.ts';

/** What a comparison of the members' states came to. */
export interface DigestReport {
  /** The place of the order at which the states were compared. */
  readonly index: number;
  /** SHA-256 of each member's state, in base64. */
  readonly digests: readonly { readonly member: MachineMember; readonly digest: string }[];
  /** Members whose state is not that of most. */
  readonly diverging: readonly MachineMember[];
  /** Members that have reported nothing in time. */
  readonly silent: readonly MachineMember[];
}

const CHECKS_MAX = 64;

/** Collects what members report of their states. */
export class DigestCheck {
  private readonly checks = new Map<number, Map<string, { readonly member: MachineMember; readonly digest: string }>>();
  private notify: () => void = () => {};

  note(index: number, member: MachineMember, digest: string): void {
    const check = this.checks.get(index) ?? new Map();
    check.set(member.life, { member, digest });
    this.checks.set(index, check);
    if (this.checks.size > CHECKS_MAX) this.checks.delete(this.checks.keys().next().value as number);
    this.notify();
  }

  async report(index: number, members: readonly MachineMember[], limitMs: number, clock: Clock): Promise<DigestReport> {
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(limitMs, resolve);
      const before = this.notify;
      this.notify = () => {
        before();
        if ((this.checks.get(index)?.size ?? 0) < members.length) return;
        timer.cancel();
        this.notify = before;
        resolve();
      };
      this.notify();
    });
    const digests = [...(this.checks.get(index)?.values() ?? [])];
    const count = (digest: string): number => digests.filter((other) => other.digest === digest).length;
    const most = [...digests].sort((a, b) => count(b.digest) - count(a.digest))[0]?.digest;
    return {
      index,
      digests,
      diverging: digests.filter(({ digest }) => digest !== most).map(({ member }) => member),
      silent: members.filter(({ life }) => !digests.some(({ member }) => member.life === life)),
    };
  }
}
