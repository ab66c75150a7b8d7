import type {
  CallHandler,
  LibraryCall,
  MainEngineContext,
  MessageHandler,
  RunningService,
  ServiceEngine,
} from '../engine.ts';

/**
 * An engine as version 1 of the interface had it: declaration and running service in one object, functions and messages in
 * order of their numbers, and one way to send, `context.mcast`, which did what `trySend` does.
 */
export interface EngineVersion1
  extends Omit<ServiceEngine<MainEngineContext>, 'calls' | 'messages' | 'takesPartInSync' | 'start'>,
    Omit<RunningService, 'calls' | 'messages'> {
  readonly library: readonly (Omit<LibraryCall, 'id'> & { readonly name: string; readonly handle: CallHandler })[];
  readonly exec: readonly { readonly name: string; readonly handle: MessageHandler }[];
  start(context: MainEngineContext & { readonly mcast: MainEngineContext['trySend'] }): void | Promise<void>;
}

/** The same engine for this daemon; `null`: it is none. */
export function fromVersion1(made: unknown): ServiceEngine<MainEngineContext> | null {
  if (!isVersion1(made)) return null;
  const engine = made;
  const { serviceId, name, description, unloadPriority, allowInquorate, library, exec, sync } = engine;
  const calls: Record<string, LibraryCall> = {};
  for (const [id, fn] of library.entries()) {
    const { flowControl, requestBytesMin } = fn;
    const { rejection } = fn;
    const declared = { id, flowControl, requestBytesMin };
    calls[id] = rejection === undefined ? declared : { ...declared, rejection: (status) => rejection.call(fn, status) };
  }
  return {
    serviceId,
    name,
    description,
    hidden: engine.hidden === true,
    unloadPriority,
    allowInquorate,
    calls,
    messages: exec.map((_, fn) => String(fn)),
    takesPartInSync: sync !== undefined,
    start: async (context) => {
      await engine.start(Object.assign(context, { mcast: context.trySend }));
      return running(engine);
    },
  };
}

/** Optional members are called on the engine itself, and only if they are there at the time. */
function running(engine: EngineVersion1): RunningService {
  const calls = engine.library.map((fn, id): [string, CallHandler] => [
    String(id),
    (c, request) => fn.handle(c, request),
  ]);
  const messages = engine.exec.map((message, fn): [string, MessageHandler] => [
    String(fn),
    (payload, nodeId) => message.handle(payload, nodeId),
  ]);
  const { sync } = engine;
  return {
    calls: Object.fromEntries(calls),
    messages: Object.fromEntries(messages),
    ...(sync === undefined ? {} : { sync }),
    stop: () => engine.stop?.() ?? true,
    configurationChange: (change) => engine.configurationChange?.(change),
    connectionOpened: (connection) => engine.connectionOpened?.(connection),
    connectionClosed: (connection) => engine.connectionClosed?.(connection),
    engineFailed: (serviceId) => engine.engineFailed?.(serviceId),
    dump: () => engine.dump?.() ?? '',
  };
}

function isVersion1(made: unknown): made is EngineVersion1 {
  if (typeof made !== 'object' || made === null) return false;
  const { library, exec, start } = made as Partial<EngineVersion1>;
  return Array.isArray(library) && Array.isArray(exec) && typeof start === 'function';
}
