import { DecisionAlgorithm } from '../ids.ts';
import { FfsplitRules } from './ffsplit.ts';
import { LmsRules } from './lms.ts';
import type { RulePorts, Rules, Voter } from './rules.ts';
import { TestRules } from './test.ts';
import { TwoNodeLmsRules } from './two-node-lms.ts';

/** The rules of an algorithm for one cluster; `null`: there is no such algorithm. */
export function rulesOf<V extends Voter>(algorithm: number, ports: RulePorts<V>): Rules<V> | null {
  switch (algorithm) {
    case DecisionAlgorithm.TEST:
      return new TestRules(ports);
    case DecisionAlgorithm.FFSPLIT:
      return new FfsplitRules(ports);
    case DecisionAlgorithm.TWO_NODE_LMS:
      return new TwoNodeLmsRules(ports);
    case DecisionAlgorithm.LMS:
      return new LmsRules(ports);
    default:
      return null;
  }
}
