/** What `import 'rondo'` gives: the client of a node, and what programs build on it. */
export * from '../client/index.ts';
export * from './index.ts';
