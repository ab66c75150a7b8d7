export * from '../../src/testing/fake-node.ts';
