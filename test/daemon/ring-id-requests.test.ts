import t from 'tap';
import { RingIdRequests } from '../../src/daemon/ring-id-requests.ts';

class Bench {
  nowMs = 1000;
  readonly served: number[] = [];
  private due: { run: () => void; atMs: number } | null = null;
  readonly requests = new RingIdRequests((upTo) => this.served.push(upTo), {
    nowMs: () => this.nowMs,
    later: (run, ms) => {
      if (this.due !== null) throw new Error('one timer is enough');
      this.due = { run, atMs: this.nowMs + ms };
    },
  });

  pass(ms: number): void {
    this.nowMs += ms;
    if (this.due === null || this.due.atMs > this.nowMs) return;
    const { run } = this.due;
    this.due = null;
    run();
  }
}

t.test('a single request is served at once', async (t) => {
  const bench = new Bench();
  bench.requests.ask(4096);
  bench.pass(1000);
  bench.requests.ask(8192);
  t.same(bench.served, [4096, 8192]);
});

t.test('a flood costs one visit to the disk every 20 ms, and the highest request is served', async (t) => {
  const bench = new Bench();
  for (let i = 1; i <= 1000; i++) {
    bench.requests.ask(i * 4096);
    bench.pass(0.1);
  }
  bench.pass(100);
  t.ok(bench.served.length <= 7, `${bench.served.length} visits`);
  t.equal(bench.served.at(-1), 4096 * 1000);
});

t.test('requests out of order never take anything back', async (t) => {
  const bench = new Bench();
  bench.requests.ask(100);
  bench.requests.ask(300);
  bench.requests.ask(200);
  bench.pass(50);
  t.same(bench.served, [100, 300]);
});
