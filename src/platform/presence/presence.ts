import { ArgumentError } from '../../client/errors.ts';
import { EventStream } from '../../client/event-stream.ts';
import type { CallOptions } from '../../client/session.ts';
import { MachineError } from '../errors.ts';
import type { JsonValue } from '../map/shared-map.ts';
import { ExactMachine } from '../replicated/exact-machine.ts';
import { OnMachine } from '../replicated/on-machine.ts';
import type { ApplyContext, MachineMember, SharedOptions, SubmitOptions } from '../replicated/replicated.ts';

export interface PresenceOptions<A extends JsonValue> extends SharedOptions {
  /** What the others learn of this program: JSON, at most 64 KiB. */
  readonly attributes: A;
}

/** A program that is there. */
export interface PresentMember<A extends JsonValue> extends MachineMember {
  readonly attributes: A;
}

export interface PresenceChange<A extends JsonValue> {
  readonly type: 'joined' | 'changed' | 'left';
  readonly member: PresentMember<A>;
}

const ATTRIBUTE_BYTES_MAX = 64 * 1024;
/** Changes that wait for a reader of a watch; one that is further behind fails. */
const WATCH_CHANGES = 100_000;

/**
 * Who is there, with attributes: a set that all members have, in which those who die, leave or are cut off are no more.
 *
 * ```ts
 * const presence = await Presence.open({ name: 'web', attributes: { url: 'http://10.0.0.1', weight: 3 } });
 * for (const { nodeId, attributes } of presence.members()) console.log(nodeId, attributes.url);
 * ```
 */
export class Presence<A extends JsonValue> extends OnMachine {
  private present = new Map<string, PresentMember<A>>();
  private over: { readonly error: Error | null } | null = null;
  protected override machine!: ExactMachine<string, boolean>;
  private readonly watches = new Set<EventStream<PresenceChange<A>>>();

  private constructor(private attributes: A) {
    super();
  }

  /** Resolves when all members have this one's attributes. */
  static async open<A extends JsonValue>(options: PresenceOptions<A>): Promise<Presence<A>> {
    encoded(options.attributes);
    const presence = new Presence<A>(options.attributes);
    const { attributes, ...shared } = options;
    const state = {
      apply: (text: string, { from }: ApplyContext) => presence.apply(text, from),
      members: (members: readonly MachineMember[]) => presence.membersChanged(members),
      save: () => [...presence.present],
      load: (saved: unknown) => presence.become(new Map(saved as [string, PresentMember<A>][])),
    };
    await ExactMachine.open<string, boolean>('presence', shared, state, (machine) => {
      presence.machine = machine;
      void machine.ended.then((error) => presence.endWatches(error));
    });
    try {
      await presence.set(attributes);
    } catch (error) {
      await presence.close();
      throw error;
    }
    return presence;
  }

  /** This program among the others. */
  get life(): string {
    return this.machine.life;
  }

  /** As this member has it: while it is cut off, as it was before. In the order in which they came. */
  members(): PresentMember<A>[] {
    return [...this.present.values()];
  }

  /** Up to date. */
  async read(options: SubmitOptions = {}): Promise<PresentMember<A>[]> {
    await this.machine.barrier(options);
    return this.members();
  }

  /** Other attributes for this member; resolves when all have them. @throws as `Replicated.submit`. */
  async set(attributes: A, options: SubmitOptions = {}): Promise<void> {
    const text = encoded(attributes);
    this.attributes = attributes;
    await this.machine.submit(text, options);
  }

  /**
   * Who joins, changes and leaves from here on; ends with its loop, its signal, or `close()`.
   *
   * @throws MachineError, from the loop. RONDO_REVISION_GONE: the reader is more than 100 000 changes behind. RONDO_MACHINE_FAILED: see `ended`.
   */
  watch({ signal }: CallOptions = {}): AsyncIterableIterator<PresenceChange<A>> {
    const stream = new EventStream<PresenceChange<A>>(WATCH_CHANGES, {
      onFull: () => stream.fail(new MachineError('RONDO_REVISION_GONE', 'the reader of these changes is too slow')),
      onDrained: () => {},
      onReturn: () => this.watches.delete(stream),
    });
    this.watches.add(stream);
    if (this.over !== null) stream.endAs(this.over.error);
    return stream.endOn(signal);
  }

  async close(): Promise<void> {
    await this.machine.close();
    this.endWatches(null);
  }

  private endWatches(error: Error | null): void {
    this.over ??= { error };
    for (const stream of this.watches) stream.endAs(error);
    this.watches.clear();
  }

  private apply(text: string, life: string): boolean {
    const member = this.machine.memberOf(life);
    if (member === null) return false; // it has left
    this.become(new Map([...this.present, [life, { ...member, attributes: JSON.parse(text) as A }]]));
    return true;
  }

  private membersChanged(members: readonly MachineMember[]): void {
    const lives = new Set(members.map(({ life }) => life));
    this.become(new Map([...this.present].filter(([life]) => lives.has(life))));
    const { life } = this.machine;
    if (lives.has(life) && !this.present.has(life)) this.machine.announce(encoded(this.attributes));
  }

  private become(next: Map<string, PresentMember<A>>): void {
    const before = this.present;
    this.present = next;
    for (const [life, member] of before) if (!next.has(life)) this.report('left', member);
    for (const [life, member] of next) {
      const old = before.get(life);
      if (old === undefined) this.report('joined', member);
      else if (JSON.stringify(old.attributes) !== JSON.stringify(member.attributes)) this.report('changed', member);
    }
  }

  private report(type: PresenceChange<A>['type'], member: PresentMember<A>): void {
    for (const stream of this.watches) stream.push({ type, member });
  }
}

function encoded(attributes: JsonValue): string {
  const text = JSON.stringify(attributes);
  if (text === undefined) throw new ArgumentError('attributes are JSON');
  const bytes = Buffer.byteLength(text);
  if (bytes > ATTRIBUTE_BYTES_MAX) {
    throw new ArgumentError(`attributes have at most ${ATTRIBUTE_BYTES_MAX} bytes as JSON, not ${bytes}`);
  }
  return text;
}
