import t from 'tap';
import { Rpc } from '../../src/platform/index.ts';
import { OpenCall } from '../../src/platform/rpc/open-call.ts';
import type { CallName, RpcMessage } from '../../src/platform/rpc/wire.ts';
import { campaignOfCalls } from './calls.ts';
import { FIRST, SEEDS } from './campaign.ts';

t.setTimeout(300_000);

t.test('calls: each is carried out at most once at a member, in one order, and what is told of it is so', async (t) => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const { problems, calls, failures, replies } = await campaignOfCalls(seed);
    t.same(problems, [], `seed ${seed}: ${calls} calls, ${failures} failed`);
    t.ok(replies > 30);
  }
});

/** What the mistakes below are put into. */
interface RpcParts {
  readonly self: Member;
  current: readonly Member[];
  send(message: RpcMessage): void;
  run(from: Member, name: CallName, payload: Uint8Array): void;
  membership(members: readonly Member[]): void;
}
interface OpenCallParts {
  readonly outcomes: unknown[];
  outcome(from: Member, result: object): void;
}
interface Member {
  readonly nodeId: number;
  readonly pid: number;
}
const rpc = Rpc.prototype as unknown as RpcParts;
const openCall = OpenCall.prototype as unknown as OpenCallParts;
const { run, membership } = rpc;
const { outcome } = openCall;

/** Mistakes that `Rpc` could have, each with what the campaign has to say of it. */
const MISTAKES: readonly (readonly [what: string, plant: () => void, found: RegExp])[] = [
  [
    'some calls are carried out again',
    () => {
      rpc.run = function (from, name, payload) {
        run.call(this, from, name, payload);
        if (name.call % 5 === 0) run.call(this, from, { ...name, call: -name.call }, payload);
      };
    },
    /^node \d carried a call out twice$/,
  ],
  [
    'one node carries out a call after the next one',
    () => {
      let held: (() => void) | null = null;
      rpc.run = function (from, name, payload) {
        const goOn = (): void => run.call(this, from, name, payload);
        const isHeld = this.self.nodeId === 2 && held === null;
        if (!isHeld) goOn();
        if (this.self.nodeId === 2) held?.();
        held = isHeld ? goOn : this.self.nodeId === 2 ? null : held;
      };
    },
    /^nodes \d and \d have different orders$/,
  ],
  [
    'a member replies to what it did not carry out',
    () => {
      rpc.run = function (from, name, payload) {
        if (this.self.nodeId !== 3 || name.call % 4 !== 0) return run.call(this, from, name, payload);
        const { session, call } = name;
        const value = `3 ${Buffer.from(payload)}`;
        this.send({ session, call, type: 'reply', payload: Buffer.from(JSON.stringify(value)) });
      };
    },
    /^call \d+ was not carried out on node 3$/,
  ],
  [
    'a reply goes to another call',
    () => {
      let before: object | null = null;
      openCall.outcome = function (from, result) {
        const isReply = 'value' in result;
        outcome.call(this, from, isReply && before !== null ? before : result);
        if (isReply) before = result;
      };
    },
    /^the reply to \d+ came for \d+$/,
  ],
  [
    'a reply counts twice',
    () => {
      openCall.outcome = function (from, result) {
        if ('value' in result) this.outcomes.push({ member: from, ok: true, ...result });
        outcome.call(this, from, result);
      };
    },
    /^a member replied twice$/,
  ],
  [
    'who comes later is not noticed',
    () => {
      rpc.membership = function (members) {
        if (this.current.length < 2) membership.call(this, members);
      };
    },
    /^node \d called all after the faults, and [\d,]+ replied$/,
  ],
];

for (const [what, plant, found] of MISTAKES) {
  t.test(`the rules find it when ${what}`, async (t) => {
    t.teardown(() => {
      Object.assign(rpc, { run, membership });
      Object.assign(openCall, { outcome });
    });
    plant();
    const { problems } = await campaignOfCalls(FIRST);
    t.ok(
      problems.some((problem) => found.test(problem)),
      problems.slice(0, 3).join('; '),
    );
  });
}
