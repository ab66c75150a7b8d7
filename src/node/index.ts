/** A whole node within a program, and clusters of real nodes within one. See docs/platform.md. */
export { createNode, EmbeddedNode, type EmbeddedNodeOptions, type NodeEnd } from './create-node.ts';
export { NodeError, type NodeErrorCode } from './errors.ts';
export { createLoopbackCluster, LoopbackNodes, type LoopbackOptions } from './loopback.ts';
