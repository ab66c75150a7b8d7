import { REQUEST_HEADER_BYTES } from '../../lib/ipc-header.ts';
import type { RingId } from '../../lib/ring-id.ts';
import { YKD_SERVICE_ID } from '../codec/ykd.ts';
import type { MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import { YkdCore } from './core.ts';

export interface YkdOptions {
  /** The quorum service: gets every decision. */
  setQuorum(members: readonly number[], quorate: boolean, ringId: RingId): void;
}

/**
 * The quorum provider `corosync_ykd`: no votes, no configuration, no clients of its own.
 */
export class YkdEngine implements ServiceEngine<MainEngineContext, never, 'message'> {
  readonly serviceId = YKD_SERVICE_ID;
  readonly name = 'ykd';
  readonly description = 'quorum provider ykd';
  readonly hidden = true;
  readonly processGroup = 'ykd';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = {};
  readonly messages = ['message'] as const;
  readonly takesPartInSync = false;

  constructor(private readonly options: YkdOptions) {}

  start(context: MainEngineContext): RunningService<never, 'message'> {
    const core = new YkdCore(context.nodeId, {
      send: (message) => send(context, message),
      decided: (view, primary, ringId) => {
        if (primary) context.log('notice', 'YKD', 'This processor is within the primary component.');
        this.options.setQuorum(view, primary, ringId);
      },
      malformed: (nodeId) => context.log('warning', 'YKD', `Malformed message from node ${nodeId}`),
    });
    return {
      calls: {},
      messages: { message: (payload, nodeId) => core.deliver(nodeId, payload.slice(REQUEST_HEADER_BYTES)) },
      configurationChange: (change) => {
        if (change.kind === 'regular') core.configuration(change.members, change.ringId);
      },
    };
  }
}

function send(context: MainEngineContext, message: Uint8Array): void {
  const payload = new Uint8Array(REQUEST_HEADER_BYTES + message.length);
  payload.set(message, REQUEST_HEADER_BYTES);
  context.send(0, payload);
}
