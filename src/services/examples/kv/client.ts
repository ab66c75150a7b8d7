import { CsError } from '../../api.ts';
import {
  decodeText,
  encodeText,
  KV_CHANGED,
  KV_DELETE,
  KV_GET,
  KV_LIST,
  KV_PUT,
  KV_RESPONSE,
  KV_WATCH,
} from './protocol.ts';

/** A connection to the engine's socket, `kv`: what the client library opens for any service. */
export interface KvChannel {
  call(request: Uint8Array): Promise<Uint8Array>;
}

export class KvError extends Error {
  override readonly name = 'KvError';
  constructor(readonly status: number) {
    super(`the daemon returned status ${status}`);
  }
}

/** Client of the example engine. */
export class KvClient {
  constructor(private readonly channel: KvChannel) {}

  private async ask(request: Uint8Array): Promise<{ readonly status: number; readonly value: string }> {
    const response = await this.channel.call(request);
    const fixed = KV_RESPONSE.decode(response);
    if (fixed === null)
      return { status: new DataView(response.buffer, response.byteOffset).getInt32(16, true), value: '' };
    return { status: fixed.error, value: decodeText(response, KV_RESPONSE.bytes, fixed)?.value ?? '' };
  }

  private async expectOk(request: Uint8Array): Promise<string> {
    const { status, value } = await this.ask(request);
    if (status !== CsError.OK) throw new KvError(status);
    return value;
  }

  /** Resolves when all nodes of the ring have the value, or will have it in the same order. */
  async put(key: string, value: string): Promise<void> {
    const text = encodeText(key, value);
    await this.expectOk(KV_PUT.message(text.sizes, text.tail));
  }

  /** From the local node's copy. */
  async get(key: string): Promise<string | undefined> {
    const text = encodeText(key, '');
    const { status, value } = await this.ask(KV_GET.message(text.sizes, text.tail));
    if (status === CsError.NOT_EXIST) return undefined;
    if (status !== CsError.OK) throw new KvError(status);
    return value;
  }

  async delete(key: string): Promise<void> {
    const text = encodeText(key, '');
    await this.expectOk(KV_DELETE.message(text.sizes, text.tail));
  }

  async list(): Promise<string[]> {
    const keys: unknown = JSON.parse(await this.expectOk(KV_LIST.message()));
    return Array.isArray(keys) ? keys.map(String) : [];
  }

  /** From now on the connection gets an event for every change; `decodeKvEvent` reads it. */
  async watch(): Promise<void> {
    await this.expectOk(KV_WATCH.message());
  }
}

/** `value` is `undefined` when the key was deleted. */
export function decodeKvEvent(event: Uint8Array): { readonly key: string; readonly value: string | undefined } | null {
  const fixed = KV_CHANGED.decode(event);
  const text = fixed === null ? null : decodeText(event, KV_CHANGED.bytes, fixed);
  if (fixed === null || text === null) return null;
  return { key: text.key, value: fixed.error === CsError.OK ? text.value : undefined };
}
