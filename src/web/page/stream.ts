/** What the stream of events reports. */
export interface StreamUser {
  event(name: string, data: string): void;
  /** The connection is gone; it is tried again. */
  lost(): void;
  /** The token is missing or wrong: nothing more is tried until `open` is called again. */
  locked(): void;
}

const RETRY_MS = 1000;

/** Follows /events. By `fetch`, not EventSource, which cannot carry a token. */
export class EventFeed {
  private attempt = 0;

  constructor(private readonly user: StreamUser) {}

  /** Begins, or begins again, with another token. */
  open(token: string | null): void {
    void this.follow(++this.attempt, token);
  }

  private async follow(attempt: number, token: string | null): Promise<void> {
    while (attempt === this.attempt) {
      try {
        const headers: HeadersInit = token === null ? {} : { Authorization: `Bearer ${token}` };
        const response = await fetch('/events', { headers, cache: 'no-store' });
        if (response.status === 401) {
          this.user.locked();
          return;
        }
        if (response.ok && response.body !== null) await this.read(response.body, attempt);
      } catch {
        // The daemon is not there; it may come back.
      }
      if (attempt !== this.attempt) return;
      this.user.lost();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  private async read(body: ReadableStream<Uint8Array>, attempt: number): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done || attempt !== this.attempt) return;
      text += decoder.decode(value, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.dispatch(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  }

  private dispatch(block: string): void {
    let name = '';
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) name = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
    }
    if (name !== '') this.user.event(name, data);
  }
}
