import { Rpc, type RpcOutcome } from '../../src/platform/index.ts';
import type { TestCluster } from '../../src/testing/index.ts';
import { campaign, type Field } from './campaign.ts';
import { restOn } from './fault-dice.ts';

/** What came of a campaign of calls. */
export interface CallsFound {
  /** Rules that were broken; none are to be. */
  readonly problems: readonly string[];
  readonly calls: number;
  readonly failures: number;
  readonly replies: number;
}

/** Calls between the three nodes of a simulated cluster with faults, and the rules that hold for them all the time. */
export async function campaignOfCalls(seed: number): Promise<CallsFound> {
  const world = new CallsWorld();
  const { cluster } = await campaign(seed, (field) => world.open(field));
  world.check();
  await world.callAllAgain(cluster);
  await world.close(cluster);
  return world.found;
}

class CallsWorld {
  private readonly problems = new Set<string>();
  private readonly all = new Map<number, Rpc<number, string>>();
  /** Calls in the order in which a member carried them out. */
  private readonly carriedOut = new Map<number, number[]>();
  private readonly reported: { readonly call: number; readonly nodeId: number }[] = [];
  private lastCall = 0;
  private failures = 0;

  async open(field: Field): Promise<(nodeId: number, isOver: () => boolean) => Promise<void>> {
    const { cluster, int } = field;
    for (const nodeId of cluster.nodeIds) {
      const list: number[] = [];
      this.carriedOut.set(nodeId, list);
      const handle = async (call: number): Promise<string> => {
        list.push(call);
        if (call % 3 === 0) await restOn(cluster, nodeId, call % 50);
        return `${nodeId} ${call}`;
      };
      const options = { ...cluster.connectOptions(nodeId), name: 'r', handle };
      this.all.set(nodeId, await cluster.run(Rpc.open<number, string>(options)));
    }
    await cluster.settle();
    return async (nodeId, isOver) => {
      while (!isOver()) {
        try {
          await this.callOne(this.all.get(nodeId)!, int);
        } catch {
          this.failures++;
        }
        await restOn(cluster, nodeId, int(100));
      }
    };
  }

  private async callOne(rpc: Rpc<number, string>, int: Field['int']): Promise<void> {
    const call = ++this.lastCall;
    const limit = { timeoutMs: 200 + int(2000) };
    const dice = int(3);
    const members = rpc.members();
    if (dice === 0 && members.length > 0) this.note(call, await rpc.call(members[int(members.length)]!, call, limit));
    else if (dice === 1) this.note(call, await rpc.first(call, limit));
    else this.noteAll(call, await rpc.callAll(call, limit));
  }

  private noteAll(call: number, outcomes: readonly RpcOutcome<string>[]): void {
    const nodes = outcomes.map(({ member }) => member.nodeId);
    if (new Set(nodes).size < nodes.length) this.problems.add('a member replied twice');
    for (const outcome of outcomes) if (outcome.ok) this.note(call, outcome.value);
  }

  private note(call: number, value: string): void {
    const [nodeId, seen] = value.split(' ').map(Number);
    if (seen !== call) this.problems.add(`the reply to ${seen} came for ${call}`);
    this.reported.push({ call, nodeId: nodeId! });
  }

  /** What was carried out, and in which order. */
  check(): void {
    for (const [nodeId, list] of this.carriedOut) {
      const once = new Set(list);
      if (once.size < list.length) this.problems.add(`node ${nodeId} carried a call out twice`);
      for (const [other, others] of this.carriedOut) {
        if (other <= nodeId) continue;
        const common = new Set(others.filter((call) => once.has(call)));
        const [mine, theirs] = [list, others].map((calls) => calls.filter((call) => common.has(call)));
        if (mine!.join() !== theirs!.join()) this.problems.add(`nodes ${nodeId} and ${other} have different orders`);
      }
    }
    for (const { call, nodeId } of this.reported)
      if (!this.carriedOut.get(nodeId)!.includes(call))
        this.problems.add(`call ${call} was not carried out on node ${nodeId}`);
  }

  /** The cluster is whole again: so are the calls. */
  async callAllAgain(cluster: TestCluster): Promise<void> {
    for (const [nodeId, rpc] of this.all) {
      try {
        const outcomes = await cluster.run(rpc.callAll(++this.lastCall));
        const replied = outcomes.filter(({ ok }) => ok).map(({ member }) => member.nodeId);
        if (replied.sort().join() !== '1,2,3' || outcomes.length !== 3)
          this.problems.add(`node ${nodeId} called all after the faults, and ${replied.join()} replied`);
      } catch (error) {
        this.problems.add(`node ${nodeId} called all after the faults: ${String(error)}`);
      }
    }
  }

  async close(cluster: TestCluster): Promise<void> {
    await cluster.run(Promise.all([...this.all.values()].map((rpc) => rpc.close())));
    await cluster.close();
  }

  get found(): CallsFound {
    return {
      problems: [...this.problems],
      calls: this.lastCall,
      failures: this.failures,
      replies: this.reported.length,
    };
  }
}
