import { Vote } from '../ids.ts';
import type { RulePorts, Rules, TimerVerdict, Voter, VoteVerdict } from './rules.ts';

/** `test`: everybody gets the vote, always: parts of a cluster are quorate side by side. For tests of the protocol only. */
export class TestRules<V extends Voter> implements Rules<V> {
  constructor(private readonly ports: RulePorts<V>) {}

  joined({ nodeId }: V): void {
    const danger = "It's not recommended to use it because it can create multiple quorate partitions!";
    this.ports.log('warning', `algo-test: node ${nodeId} uses the test algorithm. ${danger}`);
  }
  configured(): VoteVerdict {
    return { vote: Vote.NO_CHANGE };
  }
  membership(): VoteVerdict {
    return { vote: Vote.ACK };
  }
  quorum(): VoteVerdict {
    return { vote: Vote.NO_CHANGE };
  }
  askedForVote(): VoteVerdict {
    return { vote: Vote.ACK };
  }
  voteInfoReplied(): void {}
  heuristics(): VoteVerdict {
    return { vote: Vote.NO_CHANGE };
  }
  timer(): TimerVerdict {
    return { vote: null, again: false };
  }
  left(): void {}
}
