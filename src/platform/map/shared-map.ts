import { checkedText } from '../../client/arguments.ts';
import { EventStream } from '../../client/event-stream.ts';
import type { CallOptions } from '../../client/session.ts';
import { MachineError } from '../errors.ts';
import { ExactMachine } from '../replicated/exact-machine.ts';
import { OnMachine } from '../replicated/on-machine.ts';
import type { ApplyContext, SharedOptions, SubmitOptions } from '../replicated/replicated.ts';

/** What JSON has. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export type SharedMapOptions = SharedOptions;

export interface MapEntry<V> {
  readonly value: V;
  /** Of its last change. Revisions grow with every change of the map, at all members alike. */
  readonly revision: number;
}

export interface MapChange<V> {
  readonly key: string;
  /** `null`: deleted. */
  readonly value: V | null;
  readonly revision: number;
}

export interface MapChangeOptions extends SubmitOptions {
  /** Only if the entry has this revision; 0: only if there is none. */
  readonly ifRevision?: number;
}

export interface MapWatchOptions extends CallOptions {
  /** Changes of keys that begin so. Default: all. */
  readonly prefix?: string;
  /** Changes after this revision. Default: after the last one that this member has. */
  readonly since?: number;
}

/** Changes that are kept for watches that begin in the past. */
const HISTORY_CHANGES = 4096;
/** Changes that wait for a reader of a watch; one that is further behind fails. */
const WATCH_CHANGES = 100_000;

interface MapCommand<V> {
  readonly key: string;
  readonly value: V | null;
  readonly ifRevision: number | null;
}

/** Entries, history, up to where it is forgotten, last revision. */
type SavedMap<V> = [[string, MapEntry<V>][], MapChange<V>[], number, number];

/** A map that all members have, with revisions, conditional changes and watches. Values are JSON; `null` stands for none. */
export class SharedMap<V extends JsonValue> extends OnMachine {
  private values = new Map<string, MapEntry<V>>();
  private history: MapChange<V>[] = [];
  /** Changes up to this revision are not in the history. */
  private forgotten = 0;
  private last = 0;
  private over: { readonly error: Error | null } | null = null;
  protected override machine!: ExactMachine<MapCommand<V>, number | null>;
  private readonly watches = new Set<{
    readonly stream: EventStream<MapChange<V>>;
    readonly prefix: string;
    sentUpTo: number;
  }>();

  private constructor() {
    super();
  }

  static async open<V extends JsonValue>(options: SharedMapOptions): Promise<SharedMap<V>> {
    const map = new SharedMap<V>();
    const state = {
      apply: (command: MapCommand<V>, { index }: ApplyContext) => map.apply(command, index),
      save: (): SavedMap<V> => [[...map.values], map.history, map.forgotten, map.last],
      load: (saved: unknown) => map.load(saved as SavedMap<V>),
    };
    await ExactMachine.open<MapCommand<V>, number | null>('map', options, state, (machine) => {
      map.machine = machine;
      void machine.ended.then((error) => map.endWatches(error));
    });
    return map;
  }

  /** The revision of the change; `null`: the entry has another revision than `ifRevision`, nothing changed. */
  set(key: string, value: V, options: MapChangeOptions = {}): Promise<number | null> {
    return this.change(key, value, options);
  }

  /** As `set`. Deleting what is not there is no change, and gives `null`. */
  delete(key: string, options: MapChangeOptions = {}): Promise<number | null> {
    return this.change(key, null, options);
  }

  /** As this member has it: at once, and perhaps not the newest. */
  get(key: string): MapEntry<V> | null {
    return this.values.get(key) ?? null;
  }

  /** Up to date: not older than any change that was confirmed before, anywhere. */
  async read(key: string, options: SubmitOptions = {}): Promise<MapEntry<V> | null> {
    await this.machine.barrier(options);
    return this.get(key);
  }

  /** All entries as this member has them. */
  entries(prefix = ''): [string, MapEntry<V>][] {
    return [...this.values].filter(([key]) => key.startsWith(prefix));
  }

  /** Of the last change that this member has: with `entries()` before, a watch from here on misses nothing. */
  get revision(): number {
    return this.last;
  }

  /**
   * Every change, in order and without gaps; ends with its loop, its signal, or `close()`.
   *
   * @throws MachineError RONDO_MACHINE_FAILED, from the loop: the map has failed; see `ended`.
   * @throws MachineError RONDO_REVISION_GONE, also later: changes in between are not kept any more. Read the entries and watch again.
   */
  watch({ prefix = '', since = this.last, signal }: MapWatchOptions = {}): AsyncIterableIterator<MapChange<V>> {
    const stream = new EventStream<MapChange<V>>(WATCH_CHANGES, {
      onFull: () => stream.fail(gone(this.last)),
      onDrained: () => {},
      onReturn: () => this.watches.delete(watch),
    });
    const watch = { stream, prefix, sentUpTo: since };
    this.watches.add(watch);
    this.forward(watch);
    if (this.over !== null) stream.endAs(this.over.error);
    return stream.endOn(signal);
  }

  async close(): Promise<void> {
    await this.machine.close();
    this.endWatches(null);
  }

  private async change(key: string, value: V | null, options: MapChangeOptions): Promise<number | null> {
    checkedText(key, 'the key of a map');
    return this.machine.submit({ key, value, ifRevision: options.ifRevision ?? null }, options);
  }

  private apply({ key, value, ifRevision }: MapCommand<V>, index: number): number | null {
    const revision = this.values.get(key)?.revision ?? 0;
    if ((ifRevision !== null && ifRevision !== revision) || (value === null && revision === 0)) return null;
    if (value === null) this.values.delete(key);
    else this.values.set(key, { value, revision: index });
    this.history.push({ key, value, revision: index });
    if (this.history.length > HISTORY_CHANGES) this.forgotten = this.history.shift()!.revision;
    this.last = index;
    for (const watch of this.watches) this.forward(watch);
    return index;
  }

  private endWatches(error: Error | null): void {
    this.over ??= { error };
    for (const { stream } of this.watches) stream.endAs(error);
    this.watches.clear();
  }

  private load(saved: SavedMap<V>): void {
    [, this.history, this.forgotten, this.last] = saved;
    this.values = new Map(saved[0]);
    for (const watch of this.watches) this.forward(watch);
  }

  /** What a watch has not been given yet. */
  private forward(watch: {
    readonly stream: EventStream<MapChange<V>>;
    readonly prefix: string;
    sentUpTo: number;
  }): void {
    if (watch.sentUpTo < this.forgotten) {
      watch.stream.fail(gone(watch.sentUpTo));
      this.watches.delete(watch);
      return;
    }
    const first = this.history.findLastIndex(({ revision }) => revision <= watch.sentUpTo) + 1;
    watch.sentUpTo = Math.max(watch.sentUpTo, this.last);
    for (const change of this.history.slice(first)) if (change.key.startsWith(watch.prefix)) watch.stream.push(change);
  }
}

const gone = (revision: number): MachineError =>
  new MachineError(
    'RONDO_REVISION_GONE',
    `changes after revision ${revision} are not kept any more`,
    'Read the entries, and watch from then on',
  );
