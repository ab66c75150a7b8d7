import koffi from 'koffi';

interface Interest {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly disconnect: true;
}
type PollCallback = (status: number, events: { readonly disconnect: boolean }) => void;
interface PollHandle {
  start(interest: Interest, callback: PollCallback): void;
  close(): void;
  ref(): void;
  unref(): void;
}
/** As the library calls back: its declarations leave the status out. */
const poll = koffi.node.poll as unknown as (fd: number, interest: Interest, callback: PollCallback) => PollHandle;

/**
 * Watches a descriptor from libuv's loop (the main thread, or a worker that runs its event loop). Level-triggered.
 * At most one watcher per descriptor, and it must be stopped before the descriptor is closed or handed to another thread.
 *
 * The FFI library calls back straight from libuv, outside of Node's callback scope: what the handler leaves to `process.nextTick`, to
 * promises and microtasks would wait for the next unrelated event, and exceptions would be lost. Therefore every call is followed by a
 * setImmediate, still in the same turn of the loop, after which Node runs them, and which throws again what the handler threw.
 */
export class FdWatcher {
  private readonly handle: PollHandle;
  private interest: Interest = { readable: true, writable: false, disconnect: true };
  /** libuv has stopped watching. */
  private failed = false;
  private stopped = false;
  private scheduled = false;
  private readonly thrown: unknown[] = [];

  constructor(
    fd: number,
    /** `hungUp`: the peer has closed; what it sent before may still be there. */
    private readonly onReady: (hungUp: boolean) => void,
  ) {
    this.handle = poll(fd, this.interest, this.ready);
  }

  /** Waits for input, for room to write, for both; a hang-up is always reported. */
  watch(readable: boolean, writable: boolean): void {
    this.interest = { readable, writable, disconnect: true };
    if (!this.stopped) this.handle.start(this.interest, this.ready);
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

  /** A negative status: the socket has an error, and libuv has stopped watching. A peer that closes with unread bytes leaves one (ECONNRESET). */
  private readonly ready = (status: number, { disconnect }: { readonly disconnect: boolean }): void => {
    if (this.stopped) return;
    this.failed = status < 0;
    try {
      this.onReady(disconnect || this.failed);
    } catch (error) {
      this.thrown.push(error);
    }
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.afterwards);
  };

  private readonly afterwards = (): void => {
    this.scheduled = false;
    if (this.failed) this.watch(this.interest.readable, this.interest.writable);
    this.failed = false;
    for (const error of this.thrown.splice(0)) throw error;
  };
}
