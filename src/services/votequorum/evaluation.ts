import type { DynamicConfiguration, StaticConfiguration } from './configuration.ts';
import { NO_TIE_BREAKER, type TieBreaker } from './quorum-math.ts';

/** What the evaluation needs to know of the running service. */
export interface EvaluationState {
  /** At run time some contradictions disable a feature that would be fatal at start. */
  readonly runtime: boolean;
  readonly qdeviceRegistered: boolean;
  /** Expected votes tracking: what is on disk; `null` when off. */
  readonly trackingBarrier: number | null;
  readonly lastManStanding: boolean;
}

export interface EvaluationLog {
  readonly level: 'warning' | 'crit';
  readonly text: string;
}

export interface Evaluation {
  /** `votes` and `expected`: what stops the daemon at start, or the evaluation at run time. */
  readonly error: string | null;
  readonly twoNode: boolean;
  readonly waitForAll: boolean;
  readonly tieBreaker: TieBreaker;
  /** Device operations are allowed; `null`: no device is configured, the mark stays as it was. */
  readonly qdeviceCanOperate: boolean | null;
  readonly votes: number;
  /** 0: nothing sets it. */
  readonly expectedVotes: number;
  /** 0 without a device; `null`: leave the record as it is. */
  readonly deviceVotes: number | null;
  readonly logs: readonly EvaluationLog[];
}

/**
 * The rules between the options of votequorum, in stock's order (services.md 7.4, config-and-tools.md 1.9). The row
 * numbers in the comments are those of the table there. A pure function: the caller applies the result.
 */
export function evaluate(
  dynamic: DynamicConfiguration,
  fixed: StaticConfiguration,
  state: EvaluationState,
): Evaluation {
  return new Evaluator(dynamic, fixed, state).run();
}

class Evaluator {
  private readonly logs: EvaluationLog[] = [];
  private error: string | null = null;
  private twoNode: boolean;
  private waitForAll: boolean;
  private tieBreaker: TieBreaker;
  private canOperate: boolean | null;
  private deviceVotes: number | null;
  private nodeVotes: number;
  private readonly lastManStanding: boolean;

  constructor(
    private readonly dynamic: DynamicConfiguration,
    private readonly fixed: StaticConfiguration,
    private readonly state: EvaluationState,
  ) {
    this.twoNode = dynamic.twoNode;
    this.tieBreaker = fixed.tieBreaker;
    this.waitForAll = fixed.waitForAll ?? false;
    this.canOperate = dynamic.device === null ? null : true;
    this.deviceVotes = dynamic.device?.votes ?? null;
    this.nodeVotes = dynamic.nodeList?.totalVotes ?? 0;
    this.lastManStanding = state.runtime ? state.lastManStanding : fixed.lastManStanding;
  }

  run(): Evaluation {
    const steps = [() => this.haveVotes(), () => this.twoNodeAndDevice(), () => this.tieBreakerRules()];
    for (const step of [...steps, () => this.deviceConflicts(), () => this.deviceVoteRules()]) {
      step();
      if (this.error !== null) return this.result(0, this.dynamic.expectedVotes);
    }
    return this.votes();
  }

  private result(votes: number, expectedVotes: number): Evaluation {
    return {
      error: this.error,
      twoNode: this.twoNode,
      waitForAll: this.waitForAll,
      tieBreaker: this.tieBreaker,
      qdeviceCanOperate: this.canOperate,
      votes,
      expectedVotes,
      deviceVotes: this.dynamic.device === null ? 0 : this.deviceVotes,
      logs: this.logs,
    };
  }

  private crit(text: string): void {
    this.logs.push({ level: 'crit', text });
  }

  /** Fatal at start; at run time logged, and device operations are refused. */
  private deviceConflict(text: string): void {
    if (!this.state.runtime) {
      this.error ??= `configuration error: ${text}`;
      return;
    }
    this.crit(`configuration error: ${text}`);
    this.crit('disabling quorum device operations');
    this.canOperate = false;
  }

  /** Row 2: without a node list or expected votes there is nothing to count with. */
  private haveVotes(): void {
    if (this.dynamic.nodeList !== null || this.dynamic.expectedVotes !== 0) return;
    const text = 'configuration error: nodelist or quorum.expected_votes must be configured!';
    this.error = text;
    if (this.state.runtime) {
      this.crit(text);
      this.crit('will continue with current runtime data');
    }
  }

  /** Row 3: two-node mode and a device exclude each other; at run time the registered device wins. */
  private twoNodeAndDevice(): void {
    if (!this.twoNode || this.dynamic.device === null) return;
    const text = 'two_node and quorum device cannot be configured at the same time!';
    if (this.state.runtime && this.state.qdeviceRegistered) {
      this.crit(`configuration error: ${text}`);
      this.crit('quorum device is registered, disabling two_node');
      this.twoNode = false;
    } else if (this.state.runtime) {
      this.crit(`configuration error: ${text}`);
      this.crit('quorum device is not registered, allowing two_node');
      this.canOperate = false;
    } else this.error = `configuration error: ${text}`;
  }

  /** Rows 8 to 11: wait-for-all follows two-node; a tie breaker needs an even number of votes, or wait-for-all. */
  private tieBreakerRules(): void {
    if (this.fixed.waitForAll === null) this.waitForAll = this.twoNode;
    if (this.tieBreaker.mode === 'none') return;
    if (this.twoNode) {
      this.crit('two_node and auto_tie_breaker cannot be configured at the same time. two_node is disabled');
      this.twoNode = false;
    }
    if (this.nodeVotes % 2 === 0 || this.waitForAll) return;
    if (this.lastManStanding) {
      this.error = 'configuration error: auto_tie_breaker & last_man_standing not available in odd sized cluster';
      if (this.state.runtime) this.crit(this.error);
      return;
    }
    this.crit('auto_tie_breaker is meaningless in an odd sized cluster without wait_for_all. It is disabled');
    this.tieBreaker = NO_TIE_BREAKER;
  }

  /** Rows 12 to 14: a device excludes last man standing, a tie breaker and downscaling. */
  private deviceConflicts(): void {
    if (this.dynamic.device === null) return;
    const conflict = (on: boolean, option: string): void => {
      if (on) this.deviceConflict(`quorum.device is not compatible with ${option}`);
    };
    conflict(this.lastManStanding, 'last_man_standing');
    conflict(this.tieBreaker.mode !== 'none', 'auto_tie_breaker');
    conflict(this.fixed.allowDownscale, 'allow_downscale');
  }

  /** Rows 15 to 18: the device's votes are given, or one less than the nodes'; what is left must stay two votes or more. */
  private deviceVoteRules(): void {
    const { device, expectedVotes, nodeList } = this.dynamic;
    if (device === null) return;
    if (expectedVotes !== 0 && this.deviceVotes === null) {
      this.deviceConflict('quorum.device.votes must be specified when quorum.expected_votes is set');
    }
    if (this.deviceVotes === null && nodeList !== null && nodeList.nodeCount !== nodeList.totalVotes) {
      this.deviceConflict('quorum.device.votes must be specified when not all nodes votes 1');
    }
    if (this.deviceVotes !== null && this.deviceVotes > 0 && expectedVotes !== 0) {
      if (expectedVotes - this.deviceVotes < 2) {
        this.deviceConflict('quorum.device.votes is too high or expected_votes is too low');
      }
    }
    const auto = this.deviceVotes === null && expectedVotes === 0 && nodeList !== null;
    if (auto && nodeList.nodeCount === nodeList.totalVotes) {
      this.deviceVotes = this.nodeVotes - 1;
      this.nodeVotes += this.deviceVotes;
    }
  }

  /** Rows 19 to 22: own and expected votes, from the tracking file, the node list or `expected_votes`. */
  private votes(): Evaluation {
    const { nodeList } = this.dynamic;
    const votes = nodeList?.ownVotes ?? this.dynamic.votes;
    // With tracking the barrier takes the place of the option. Nothing tracked yet and no node list: the option counts
    // all the same, where stock would go on with no expected votes at all.
    const { trackingBarrier } = this.state;
    const option = this.dynamic.expectedVotes;
    const configured = trackingBarrier === null ? option : trackingBarrier || (nodeList === null ? option : 0);
    const expected = configured !== 0 ? configured : nodeList === null ? 0 : this.nodeVotes;
    return this.result(votes, expected);
  }
}
