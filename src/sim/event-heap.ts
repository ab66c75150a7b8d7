/** Events in the order of their time, and of their making where the time is equal. */
export interface SimEvent {
  readonly at: number;
  run(): void;
}

export class EventHeap {
  private readonly events: (SimEvent & { readonly order: number })[] = [];
  private made = 0;

  get nextAt(): number {
    return this.events[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(at: number, run: () => void): void {
    const events = this.events;
    const event = { at, run, order: this.made++ };
    let hole = events.push(event) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!before(event, events[parent]!)) break;
      events[hole] = events[parent]!;
      hole = parent;
    }
    events[hole] = event;
  }

  take(): SimEvent | undefined {
    const events = this.events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && before(events[child + 1]!, events[child]!)) child++;
      if (!before(events[child]!, last)) break;
      events[hole] = events[child]!;
      hole = child;
    }
    events[hole] = last;
    return first;
  }
}

const before = (
  a: { readonly at: number; readonly order: number },
  b: { readonly at: number; readonly order: number },
): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
