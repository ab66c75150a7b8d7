import type { Test } from 'tap';
import type { ClusterOptions } from '../lab/conf.ts';
import { Lab, ringId } from '../lab/lab.ts';
import { compareSequences, compareWithSent, LoadMember, settle } from '../lab/load.ts';
import type { DaemonKind, LabNode } from '../lab/node.ts';
import { sleep } from '../lab/process.ts';
import { commonLines, firstDifference, sinceConfiguration } from '../lab/records.ts';

type T = Pick<Test, 'setTimeout' | 'teardown' | 'same' | 'equal' | 'ok' | 'comment' | 'fail'>;

/** A cluster with one member of the process group on every node, and what happens to them. */
export class Story {
  members: LoadMember[] = [];
  private seed = 0;

  private constructor(
    readonly t: T,
    readonly lab: Lab,
  ) {}

  static async begin(t: T, options: ClusterOptions, kinds: readonly DaemonKind[]): Promise<Story> {
    t.setTimeout(600_000);
    const lab = await Lab.up(options, kinds);
    t.teardown(() => lab.close());
    return new Story(t, lab);
  }

  /** Runs the steps; a failure comes with the ends of the logs. */
  async play(steps: (story: Story) => Promise<void>): Promise<void> {
    try {
      await steps(this);
    } catch (error) {
      this.t.comment(this.lab.logs());
      throw error;
    }
  }

  async joinAll(): Promise<void> {
    this.members = await Promise.all(this.lab.nodes.map((node) => LoadMember.join(node)));
    await this.quiet();
  }

  ring(node: LabNode): Promise<string | null> {
    return ringId(node);
  }

  /** The ring ids as the nodes see them. */
  rings(): Promise<readonly (string | null)[]> {
    return Promise.all(this.lab.nodes.map((node) => ringId(node)));
  }

  /** Waits until nothing is under way any more and starts the comparison anew. */
  async quiet(members: readonly LoadMember[] = this.members): Promise<void> {
    await settle(members);
    for (const member of members) member.mark();
  }

  memberOf(node: LabNode): LoadMember {
    const member = this.members.find((candidate) => candidate.node === node);
    if (member === undefined) throw new Error(`${node.plan.name} has no member`);
    return member;
  }

  /** Everybody alive sends; returns at once. */
  send(count: number, minBytes = 1, maxBytes = 1_000_000): void {
    for (const member of this.members) {
      if (member.process.alive) member.send(count, minBytes, maxBytes, ++this.seed);
    }
  }

  async settleAndCompare(what: string, members: readonly LoadMember[] = this.members): Promise<void> {
    await settle(members);
    const complaints = compareSequences(members);
    this.t.same(complaints, [], `${what}: same sequence on ${members.length} nodes`);
    if (complaints.length > 0) this.t.comment(this.lab.logs());
    for (const member of members) member.mark();
  }

  /** For groups that nobody has left: also nothing lost, doubled or damaged. */
  compareWithSent(what: string): void {
    this.t.same(compareWithSent(this.members), [], `${what}: everything sent was delivered once`);
  }

  /** Members that stayed together since the group `since` saw the same, changes included. */
  compareSurvivors(what: string, survivors: readonly LoadMember[], since: readonly LoadMember[]): void {
    const addresses = since.map((member) => member.address);
    const views = survivors.map((member) => commonLines(sinceConfiguration(member.record(), addresses)));
    for (const [at, view] of views.entries()) {
      const difference = firstDifference(views[0] ?? [], view, false);
      this.t.equal(
        difference,
        null,
        `${what}: ${survivors[at]?.node.plan.name} saw what ${survivors[0]?.node.plan.name} saw`,
      );
    }
  }

  /** The daemon of a node ends under load by `end`, the others go on, it comes back with a new member. */
  async lose(what: string, node: LabNode, end: () => Promise<unknown>): Promise<void> {
    const before = [...this.members];
    const others = this.members.filter((member) => member.node !== node);
    this.send(200, 1, 200_000);
    await sleep(300);
    await end();
    await this.lab.waitRing(others.map((member) => member.node));
    await this.settleAndCompare(`${what}, the others`, others);
    this.compareSurvivors(what, others, before);
    node.startDaemon();
    await this.lab.waitRing(this.lab.nodes);
    const returned = await LoadMember.join(node);
    this.members = this.lab.nodes.map((other) => (other === node ? returned : this.memberOf(other)));
    await this.quiet();
    this.send(100, 1, 200_000);
    await this.settleAndCompare(`${what}, after the return`);
  }

  /** A node stalls for longer than the token timeout and the consensus. */
  async freeze(what: string, node: LabNode, forMs: number): Promise<void> {
    const before = [...this.members];
    const others = this.members.filter((member) => member.node !== node);
    this.send(200, 1, 200_000);
    await sleep(300);
    node.freeze();
    await sleep(forMs);
    await this.lab.waitRing(others.map((member) => member.node));
    node.thaw();
    await this.lab.waitRing(this.lab.nodes);
    await this.quiet();
    this.compareSurvivors(what, others, before);
    this.send(100, 1, 200_000);
    await this.settleAndCompare(`${what}, after the return`);
  }
}
