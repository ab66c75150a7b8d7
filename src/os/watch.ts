import koffi from 'koffi';

/**
 * Watches a descriptor from libuv's loop (the main thread, or a worker that runs its event loop). Level-triggered.
 * At most one watcher per descriptor, and it must be stopped before the descriptor is closed or handed to another thread.
 *
 * The FFI library calls back straight from libuv, outside of Node's callback scope: what the handler leaves to `process.nextTick`, to
 * promises and microtasks would wait for the next unrelated event, and exceptions would be lost. Therefore every call is followed by a
 * setImmediate, still in the same turn of the loop, after which Node runs them, and which throws again what the handler threw.
 */
export class FdWatcher {
  private readonly handle: ReturnType<typeof koffi.node.poll>;
  private stopped = false;
  private scheduled = false;
  private readonly thrown: unknown[] = [];

  constructor(
    readonly fd: number,
    private readonly onReady: () => void,
  ) {
    this.handle = koffi.node.poll(fd, { readable: true, disconnect: true }, this.ready);
  }

  /** Waits for input, for room to write, for both; a hang-up is always reported. */
  watch(readable: boolean, writable: boolean): void {
    if (!this.stopped) this.handle.start({ readable, writable, disconnect: true }, this.ready);
  }

  /** Does not keep the process alive. */
  unref(): void {
    this.handle.unref();
  }

  ref(): void {
    this.handle.ref();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.handle.close();
  }

  private readonly ready = (): void => {
    if (this.stopped) return;
    try {
      this.onReady();
    } catch (error) {
      this.thrown.push(error);
    }
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.afterwards);
  };

  private readonly afterwards = (): void => {
    this.scheduled = false;
    for (const error of this.thrown.splice(0)) throw error;
  };
}
