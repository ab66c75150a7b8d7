import type { ConfigurationChange } from '../../lib/ring-id.ts';
import { chars, u32 } from '../codec/fields.ts';
import { messageNames, multicast, receive, tryMulticast } from '../codec/message.ts';
import { execStruct, type ValuesOf } from '../codec/struct.ts';
import type { EngineTimer, MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import type { Awaitable, PreparedReload, Refusal, Reloader } from './ports.ts';

/** Below the ids of loadable engines, above stock's: a stock daemon drops the messages without a word. */
export const AGREEMENT_SERVICE_ID = 15;
const REASON_BYTES = 256;
const VOTE_TIMEOUT_MS = 15_000;
const MEMBERSHIP_CHANGED: Refusal = { reason: 'the membership changed in the meantime' };
const BALLOTS_MAX = 5;
/** After a change: the sync comes first, and the hellos of newcomers. */
const SETTLE_MS = 200;

const HELLO = execStruct(AGREEMENT_SERVICE_ID, 0, 'agreement hello', 24, { version: u32('version', 16) });
const PREPARE = execStruct(AGREEMENT_SERVICE_ID, 1, 'agreement prepare', 24, { ticket: u32('ticket', 16) });
const VOTE = execStruct(AGREEMENT_SERVICE_ID, 2, 'agreement vote', 288, {
  requester: u32('requester', 16),
  ticket: u32('ticket', 20),
  isYes: u32('isYes', 24),
  reason: chars('reason', 32, REASON_BYTES),
});
const MESSAGES = { hello: HELLO, prepare: PREPARE, vote: VOTE } as const;
type Message = keyof typeof MESSAGES;
type Vote = ValuesOf<typeof VOTE>;

interface Ballot {
  readonly ticket: number;
  readonly waitingFor: Set<number>;
  readonly finish: (refusal: Refusal | null) => void;
  readonly timer: EngineTimer;
}

/**
 * "All nodes or none" for reloads (an extension that stock cannot see). Stock's reload is one message: every node reads
 * its own file when it comes, and some may fail. If every member of the ring is ours, they are asked first:
 *
 *   requester  ── prepare ──►  all: parse, validate, plan; change nothing  ── vote ──►  requester
 *              ── stock's reload, only if all said yes ──►  all: apply what was prepared
 *
 * In a ring with a stock member nothing is asked, and the reload is stock's.
 */
export class ReloadAgreement implements ServiceEngine<MainEngineContext, never, Message> {
  readonly serviceId = AGREEMENT_SERVICE_ID;
  readonly name = 'rondo';
  readonly description = 'agreement on reloads';
  readonly hidden = true;
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = {};
  readonly messages = messageNames(MESSAGES);
  readonly takesPartInSync = false;
  /** For cfg, which asks it. */
  readonly running: Promise<AgreementService>;
  private started: (service: AgreementService) => void = () => {};

  constructor(private readonly reloader: Reloader) {
    this.running = new Promise((resolve) => {
      this.started = resolve;
    });
  }

  start(context: MainEngineContext): AgreementService {
    const service = new AgreementService(context, this.reloader);
    this.started(service);
    return service;
  }
}

/** Without promises of its own: what answers at once is answered at once, as the simulator needs it. */
export class AgreementService implements RunningService<never, Message> {
  readonly calls = {};
  readonly messages = receive(MESSAGES, {
    hello: (_values, nodeId) => void this.ours.add(nodeId),
    prepare: ({ ticket }, nodeId) => this.prepareDelivered(ticket, nodeId),
    vote: (vote, nodeId) => this.voteDelivered(vote, nodeId),
  });
  private members: readonly number[] = [];
  /** Members that have announced that they know this protocol. */
  private readonly ours = new Set<number>();
  private ballot: Ballot | null = null;
  private lastTicket = 0;
  /** Why this node said no to its own question. */
  private ownRefusal: Refusal | null = null;
  /** What this node prepared last for each requester: several nodes may ask at once, and each of their reloads is what was agreed on for it. */
  private readonly prepared = new Map<number, Awaitable<PreparedReload>>();

  constructor(
    private readonly context: MainEngineContext,
    private readonly reloader: Reloader,
  ) {}

  configurationChange(change: ConfigurationChange): void {
    for (const nodeId of change.left) this.ours.delete(nodeId);
    if (change.kind !== 'regular') return;
    this.members = change.members;
    this.prepared.clear();
    this.ballot?.finish(MEMBERSHIP_CHANGED);
    multicast(this.context, HELLO, { version: 1 }); // leaves after the sync, with the services' other messages
  }

  // ---- the requester ----

  mayReload(): Promise<Refusal | null> {
    return new Promise((resolve) => this.decide(resolve));
  }

  /** `null`: go ahead. Otherwise why not. When the membership changes in between, the new members are asked. */
  decide(done: (refusal: Refusal | null) => void, ballot = 1): void {
    this.ask((refusal) => {
      if (refusal !== MEMBERSHIP_CHANGED || ballot === BALLOTS_MAX) done(refusal);
      else this.context.setTimer(SETTLE_MS, () => this.decide(done, ballot + 1));
    });
  }

  private ask(done: (refusal: Refusal | null) => void): void {
    const everybody = this.members.length > 0 && this.members.every((nodeId) => this.ours.has(nodeId));
    if (!everybody) done(null);
    else if (this.ballot !== null) done({ reason: 'another reload is being agreed upon' });
    else this.askAll(done);
  }

  private askAll(done: (refusal: Refusal | null) => void): void {
    const ticket = ++this.lastTicket;
    const finish = (refusal: Refusal | null): void => {
      timer.cancel();
      this.ballot = null;
      done(refusal);
    };
    const timer = this.context.setTimer(VOTE_TIMEOUT_MS, () => {
      finish({ reason: `no response from nodes ${[...(this.ballot?.waitingFor ?? [])].join(' ')}` });
    });
    this.ballot = { ticket, waitingFor: new Set(this.members), finish, timer };
    if (!tryMulticast(this.context, PREPARE, { ticket })) finish({ reason: 'the send queue is full' });
  }

  private voteDelivered(vote: Vote, nodeId: number): void {
    const { ballot } = this;
    if (ballot === null) return;
    if (vote.requester !== this.context.nodeId || vote.ticket !== ballot.ticket) return;
    if (vote.isYes === 0) {
      const isOwn = nodeId === this.context.nodeId;
      ballot.finish(isOwn ? (this.ownRefusal ?? vote) : { reason: `node ${nodeId}: ${vote.reason}` });
      return;
    }
    ballot.waitingFor.delete(nodeId);
    if (ballot.waitingFor.size === 0) ballot.finish(null);
  }

  // ---- all nodes ----

  private prepareDelivered(ticket: number, nodeId: number): void {
    const plan = this.plan();
    this.prepared.set(nodeId, plan);
    if (plan instanceof Promise) void plan.then((prepared) => this.sendVote(nodeId, ticket, prepared));
    else this.sendVote(nodeId, ticket, plan);
  }

  private plan(): Awaitable<PreparedReload> {
    try {
      const plan = this.reloader.prepare();
      return plan instanceof Promise ? plan.catch(refusalOf) : plan;
    } catch (error) {
      return refusalOf(error);
    }
  }

  private sendVote(requester: number, ticket: number, prepared: PreparedReload): void {
    if (requester === this.context.nodeId) this.ownRefusal = prepared.ok ? null : prepared;
    const reason = prepared.ok ? '' : printable(prepared.reason).slice(0, REASON_BYTES - 1);
    multicast(this.context, VOTE, { requester, ticket, isYes: prepared.ok ? 1 : 0, reason });
  }

  /** What was prepared for the requester's reload: exactly that is applied, whatever the file says by now. Once. */
  takePrepared(requester: number): Awaitable<PreparedReload> | null {
    const plan = this.prepared.get(requester) ?? null;
    this.prepared.delete(requester);
    return plan;
  }
}

const refusalOf = (error: unknown): PreparedReload => ({
  ok: false,
  reason: error instanceof Error ? error.message : String(error),
});

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
