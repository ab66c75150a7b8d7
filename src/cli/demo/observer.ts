import { setTimeout as delay } from 'node:timers/promises';
import { Cmap } from '../../client/cmap.ts';
import { Cpg, type CpgMember } from '../../client/cpg.ts';
import { Quorum, type RingIdentity } from '../../client/quorum.ts';
import { type VoteInfo, Votequorum } from '../../client/votequorum.ts';
import type { DemoNode } from './generate.ts';
import { OrderLog, Rate, ringLabel } from './model.ts';

const POLL_MS = 500;
const RETRY_MS = 200;
const CONNECT_WAIT_MS = 60_000;
export const DEMO_GROUP = 'demo';

/** Watches one node through its own IPC, as a client program does, and is its member of the demo group. */
export class NodeObserver {
  ready = false;
  ringId: RingIdentity | null = null;
  members: readonly number[] = [];
  quorate = false;
  votes: VoteInfo | null = null;
  tokensPerSec = 0;
  messagesPerSec = 0;
  delivered = 0;
  groups: readonly CpgMember[] = [];
  readonly order = new OrderLog();
  private readonly tokens = new Rate();
  private readonly messages = new Rate();
  private cpg: Cpg | null = null;
  private abort: AbortController | null = null;

  constructor(
    readonly node: DemoNode,
    private readonly onReady: () => void,
    private readonly onChange: (text: string) => void,
  ) {}

  /** Follows the daemon until `end()`; connects again when it went away. */
  begin(): void {
    if (this.abort !== null) return;
    const abort = new AbortController();
    this.abort = abort;
    void this.follow(abort.signal);
  }

  end(): void {
    this.abort?.abort();
    this.abort = null;
    this.reset();
  }

  /** Sends to the group from this node's member; `false`: not now. */
  send(text: string): boolean {
    try {
      return this.cpg?.trySend(text) ?? false;
    } catch {
      return false;
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.session(signal);
      } catch {
        // The daemon ended or is not there yet.
      }
      this.reset();
      if (!signal.aborted) await delay(RETRY_MS);
    }
  }

  private async session(signal: AbortSignal): Promise<void> {
    const options = { instance: this.node.instance, signal, waitReadyMs: CONNECT_WAIT_MS };
    const open: { close(): void | Promise<void> }[] = [];
    try {
      const quorum = await Quorum.connect(options);
      open.push(quorum);
      const stats = await Cmap.connect({ ...options, map: 'stats' });
      open.push(stats);
      const votequorum = await Votequorum.connect(options);
      open.push(votequorum);
      const cpg = await Cpg.connect(options);
      open.push(cpg);
      await cpg.join(DEMO_GROUP, { signal });
      this.cpg = cpg;
      this.ready = true;
      this.onReady();
      // Whichever ends first, by the daemon's end or by `end()`, ends the session.
      await Promise.race([this.watchQuorum(quorum), this.readMessages(cpg), this.poll(stats, votequorum, cpg, signal)]);
    } finally {
      for (const connection of open) void connection.close();
    }
  }

  private async watchQuorum(quorum: Quorum): Promise<void> {
    for await (const event of await quorum.watch()) {
      if (event.type === 'quorum') {
        if (event.quorate !== this.quorate) this.onChange(event.quorate ? 'has quorum' : 'lost quorum');
        this.quorate = event.quorate;
        continue;
      }
      const joined = event.joined.length > 0 ? `, joined ${event.joined.join(' ')}` : '';
      const left = event.left.length > 0 ? `, left ${event.left.join(' ')}` : '';
      this.ringId = event.ringId;
      this.members = event.members;
      this.onChange(`ring ${ringLabel(event.ringId)}: members ${event.members.join(' ')}${joined}${left}`);
    }
  }

  private async readMessages(cpg: Cpg): Promise<void> {
    for await (const event of cpg.events()) {
      if (event.type !== 'message') continue;
      this.delivered++;
      this.order.add(Buffer.from(event.data).toString());
    }
  }

  private async poll(stats: Cmap, votequorum: Votequorum, cpg: Cpg, signal: AbortSignal): Promise<void> {
    for (;;) {
      const tokens = await stats.getNumber('stats.srp.orf_token_rx');
      this.tokensPerSec = this.tokens.sample(tokens, performance.now());
      this.messagesPerSec = this.messages.sample(this.delivered, performance.now());
      this.votes = await votequorum.info();
      this.groups = await cpg.processes();
      await delay(POLL_MS, undefined, { signal });
    }
  }

  private reset(): void {
    this.ready = false;
    this.cpg = null;
    this.quorate = false;
    this.members = [];
    this.ringId = null;
    this.tokens.sample(null, 0);
    this.messages.sample(null, 0);
  }
}
