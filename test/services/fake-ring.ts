export * from '../../src/testing/fake-ring.ts';
