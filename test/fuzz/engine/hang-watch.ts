import { Worker } from 'node:worker_threads';

const INPUT_BYTES_MAX = 65_536;
const HANG_MS = 60_000;

/** Runs beside the search: an input that does not end would keep the search itself from saying which one it was. */
const WATCH = `
const { workerData: { shared, hangMs } } = require('node:worker_threads');
const words = new Int32Array(shared, 0, 2), bytes = new Uint8Array(shared, 8);
let last = -1, sinceMs = Date.now(), lookedMs = Date.now();
setInterval(() => {
  const awayMs = Date.now() - lookedMs;
  lookedMs += awayMs;
  if (awayMs > 5000) sinceMs += awayMs; // the whole process was stopped
  const now = Atomics.load(words, 0);
  if (now !== last) { last = now; sinceMs = Date.now(); return; }
  if (Date.now() - sinceMs < hangMs) return;
  const input = Buffer.from(bytes.slice(0, Atomics.load(words, 1))).toString('hex');
  require('node:fs').writeSync(2, 'an input does not end: ' + input + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, 500);
`;

/** Ends the process, with the input on stderr, when an input does not end. */
export class FuzzHangWatch {
  private readonly shared = new SharedArrayBuffer(8 + INPUT_BYTES_MAX);
  private readonly words = new Int32Array(this.shared, 0, 2);
  private readonly bytes = new Uint8Array(this.shared, 8);
  private readonly worker = new Worker(WATCH, { eval: true, workerData: { shared: this.shared, hangMs: HANG_MS } });

  /** The input that runs now. */
  see(input: Uint8Array): void {
    const length = Math.min(input.length, INPUT_BYTES_MAX);
    this.bytes.set(input.subarray(0, length));
    this.words[1] = length;
    Atomics.add(this.words, 0, 1);
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
