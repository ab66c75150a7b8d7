import type { CsStatus } from '../../lib/errors.ts';
import type { CallHandler, EngineConnection, LibraryCall } from '../engine.ts';
import { type Fields, type RequestStruct, type ResponseStruct, statusResponse, type Values } from './struct.ts';

/**
 * A request and its response: what engine and client both know of it. Id and shortest length are those of the structure.
 */
export interface Call<Q extends Fields = Fields, A extends Fields = Fields> extends LibraryCall {
  readonly request: RequestStruct<Q>;
  readonly response: ResponseStruct<A>;
}

export interface CallRules {
  /** The request needs room in the Totem queue and no sync in progress; default: it does not. */
  readonly flowControl?: boolean;
  /** The library does not look at the status and reads the whole structure (services.md T15). */
  readonly rejectedWhole?: boolean;
}

export function call<Q extends Fields, A extends Fields>(
  request: RequestStruct<Q>,
  response: ResponseStruct<A>,
  { flowControl = false, rejectedWhole = false }: CallRules = {},
): Call<Q, A> {
  const declared = { id: request.id, requestBytesMin: request.bytes, flowControl, request, response };
  return rejectedWhole ? { ...declared, rejection: (error) => response.message(error) } : declared;
}

/** A whole response, a status for a response that is nothing else, or `null`: the response comes later. */
export type CallResult = Uint8Array | CsStatus | null;

/** Serves one call: the values of the request, and its bytes for what has a variable part. */
export type CallServer<Q extends Fields> = (
  values: Values<Q>,
  connection: EngineConnection,
  request: Uint8Array,
) => CallResult;

/** What the request of a call carries. */
export type RequestOf<C> = C extends Call<infer Q> ? Values<Q> : never;
/** What its response carries. */
export type ResponseOf<C> = C extends Call<Fields, infer A> ? Values<A> : never;

type Servers<Calls> = { readonly [Name in keyof Calls]: Calls[Name] extends Call<infer Q> ? CallServer<Q> : never };

/** The handlers of an engine's calls: they decode the request, and send what they return as the response. */
export function serve<Calls extends Readonly<Record<string, Call>>>(
  calls: Calls,
  servers: Servers<Calls>,
): Readonly<Record<keyof Calls, CallHandler>> {
  const handlers: Partial<Record<keyof Calls, CallHandler>> = {};
  for (const name of Object.keys(calls) as (keyof Calls)[])
    handlers[name] = handlerOf(calls[name]!, servers[name] as CallServer<Fields>);
  return handlers as Record<keyof Calls, CallHandler>;
}

function handlerOf({ request: struct, response }: Call, server: CallServer<Fields>): CallHandler {
  return (connection, request) => {
    const result = server(struct.decodeChecked(request), connection, request);
    if (result !== null) connection.respond(typeof result === 'number' ? statusResponse(response.id, result) : result);
  };
}
