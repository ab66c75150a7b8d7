import { RondoError } from '../lib/errors.ts';

export type NodeErrorCode =
  /** The configuration or an option cannot be used. */
  | 'RONDO_NODE_CONFIG'
  /** The node ended before it served clients: no such address here, a port in use, a state directory that another node has. */
  | 'RONDO_NODE_START'
  /** It did not form a ring in time. */
  | 'RONDO_NODE_TIMEOUT';

/** A node within this program could not be made. */
export class NodeError extends RondoError<NodeErrorCode> {
  static override readonly errorName = 'NodeError';
}
