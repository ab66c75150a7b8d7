/** Clusters in one process, for the tests of programs. See docs/platform.md. */
export { createTestCluster, TestCluster, type TestClusterOptions } from './test-cluster.ts';
