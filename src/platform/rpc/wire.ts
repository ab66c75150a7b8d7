import { decodeMessagePack, encodeMessagePack, type MessagePackValue } from '../../client/message-pack.ts';

/** One connection of one program, as its calls are told from those of an earlier one with the same process id. */
export interface CallName {
  readonly session: string;
  readonly call: number;
}

export type RpcMessage = CallName &
  (
    | { readonly type: 'one'; readonly nodeId: number; readonly pid: number; readonly payload: Uint8Array }
    | { readonly type: 'all'; readonly payload: Uint8Array }
    | { readonly type: 'reply'; readonly payload: Uint8Array }
    | { readonly type: 'error'; readonly busy: boolean; readonly text: string }
    /** The caller does not wait any more. */
    | { readonly type: 'cancel' }
  );

export const encodeRpc = (message: RpcMessage): Uint8Array => encodeMessagePack(message as unknown as MessagePackValue);

/** What a program names its connection by has 16 characters. */
const SESSION_CHARACTERS_MAX = 64;

/** `null`: not a message of this protocol. Members are believed beyond its form. */
export function decodeRpc(bytes: Uint8Array): RpcMessage | null {
  try {
    const value = decodeMessagePack(bytes) as unknown as Partial<RpcMessage> | null;
    const isMessage =
      typeof value?.type === 'string' &&
      typeof value.session === 'string' &&
      value.session.length <= SESSION_CHARACTERS_MAX;
    return isMessage && typeof value.call === 'number' ? (value as RpcMessage) : null;
  } catch {
    return null;
  }
}
