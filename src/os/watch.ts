import koffi from 'koffi';

/**
 * Watches a descriptor from libuv's loop (the main thread, or a worker that runs its event loop). Level-triggered.
 * At most one watcher per descriptor, and it must be stopped before the descriptor is closed or handed to another thread.
 *
 * The FFI library calls back straight from libuv, outside of Node's callback scope: promises resolved there would wait for the next
 * unrelated event, and exceptions would be lost. Therefore the handler runs from setImmediate, still in the same turn of the loop.
 */
export class FdWatcher {
  private readonly handle: ReturnType<typeof koffi.node.poll>;
  private stopped = false;
  private scheduled = false;

  constructor(
    readonly fd: number,
    private readonly onReady: () => void,
  ) {
    this.handle = koffi.node.poll(fd, { readable: true, disconnect: true }, this.schedule);
  }

  /** Waits for input, for room to write, for both; a hang-up is always reported. */
  watch(readable: boolean, writable: boolean): void {
    if (!this.stopped) this.handle.start({ readable, writable, disconnect: true }, this.schedule);
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

  private readonly schedule = (): void => {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(this.run);
  };

  private readonly run = (): void => {
    this.scheduled = false;
    if (!this.stopped) this.onReady();
  };
}
