import type { Icmap } from '../config/icmap/index.ts';
import { keyFileExposure, readKeyFile } from '../config/key-material.ts';
import { failureText } from '../lib/failure.ts';
import { type ListenAddress, listenAddressText, parseListenAddress, sameListenAddress } from '../lib/listen-address.ts';
import type { LogFunction } from '../lib/log.ts';
import { type ConfigurationChange, NO_RING, type RingId, ringIdText } from '../lib/ring-id.ts';
import type { FlightRecord } from '../observe/flight/index.ts';
import { Followers } from '../web/followers.ts';
import { History } from '../web/history.ts';
import { WEB_LIMITS } from '../web/limits.ts';
import { openListeningSocket } from '../web/listening-socket.ts';
import { type ExpositionFormat, renderMetrics } from '../web/metrics/exposition.ts';
import { METRICS } from '../web/metrics/table.ts';
import { readPageFiles } from '../web/page-files.ts';
import type { PageChange } from '../web/page-state.ts';
import { WebServer } from '../web/server.ts';
import { pageState } from '../web/state.ts';
import { BearerToken } from '../web/token.ts';
import type { NodeSnapshot } from '../web/view.ts';
import { causeOfRing } from './change-cause.ts';
import { MemoryWatch } from './memory-watch.ts';
import { nodeView, type RingNow, type ViewSources } from './node-view.ts';
import type { Phase } from './phases.ts';

const SAMPLE_MS = 1_000;
const CHANGES_KEPT = 20;
const EXPLAIN_MS = 100;
/** The thread of the ring turns at least once a second: after so many without a turn it is not well. */
const PULSE_SECONDS_MAX = 4;

export interface ObservationPorts extends Omit<ViewSources, 'memory'> {
  readonly cmap: Pick<Icmap, 'getString'>;
  readonly log: LogFunction;
  /** Turns of the ring thread's loop. */
  loopTurns(): number;
  ringHeap(): Promise<unknown>;
  /** Latest records of the flight recorder. */
  flightRecords(): readonly FlightRecord[];
}

type Feature = 'metrics' | 'dashboard';
interface Place {
  readonly address: ListenAddress;
  readonly features: readonly Feature[];
}

/** Metrics and the page, where the configuration wants them: the daemon's parts on one side, HTTP on the other. What fails here ends nothing else. */
export class Observation implements Phase {
  readonly name = 'web';
  private readonly memory: MemoryWatch;
  private readonly history = new History();
  private readonly renderings = new Map<ExpositionFormat, { readonly atMs: number; readonly text: Promise<string> }>();
  private servers: WebServer[] = [];
  private ring: RingNow = { ringId: NO_RING, members: [] };
  private changes: readonly PageChange[] = [];
  private timer: NodeJS.Timeout | null = null;
  /** Of the transitional configuration, which comes first. */
  private left: readonly number[] = [];
  private readonly unexplained: RingId[] = [];
  private explaining: NodeJS.Timeout | null = null;
  private turns = 0;
  private pulseSeconds = 0;

  constructor(private readonly ports: ObservationPorts) {
    this.memory = new MemoryWatch(() => ports.ringHeap());
  }

  begin(): void {
    const places = this.places();
    if (places.length === 0) return;
    for (const place of places) this.openPlace(place);
    if (this.servers.length === 0) return;
    this.memory.start();
    this.timer = setInterval(() => this.second(), SAMPLE_MS);
    this.timer.unref();
  }

  end(): void {
    if (this.timer !== null) clearInterval(this.timer);
    if (this.explaining !== null) clearTimeout(this.explaining);
    this.memory.stop();
    for (const server of this.servers) server.close();
    this.servers = [];
  }

  /** The ring thread reports another membership. */
  changed({ kind, ringId, members, joined, left }: ConfigurationChange): void {
    if (kind === 'transitional') {
      this.left = left;
      return;
    }
    this.ring = { ringId, members };
    const change = { at: Date.now(), ring: ringIdText(ringId), members, joined, left: this.left, why: '' };
    this.changes = [change, ...this.changes].slice(0, CHANGES_KEPT);
    this.left = [];
    if (this.servers.length > 0) this.explainLater(ringId);
  }

  /** Once the recorder has all of it, and once for many changes in a row. */
  private explainLater(ringId: RingId): void {
    if (this.unexplained.push(ringId) > CHANGES_KEPT) this.unexplained.shift();
    this.explaining ??= setTimeout(() => {
      this.explaining = null;
      const records = this.ports.flightRecords();
      for (const ring of this.unexplained.splice(0)) this.explain(ring, records);
    }, EXPLAIN_MS);
  }

  private explain(ringId: RingId, records: readonly FlightRecord[]): void {
    const names = new Map(this.ports.totem().members.map(({ nodeId, name }) => [nodeId, name]));
    const why = causeOfRing(records, ringId, (nodeId) => names.get(nodeId) || `node ${nodeId}`);
    const ring = ringIdText(ringId);
    this.changes = this.changes.map((change) => (change.ring === ring ? { ...change, why } : change));
  }

  private view(): NodeSnapshot {
    return nodeView({ ...this.ports, memory: () => this.memory.view() }, this.ring);
  }

  private second(): void {
    this.history.take(this.view(), Date.now());
    const turns = this.ports.loopTurns();
    this.pulseSeconds = turns === this.turns ? this.pulseSeconds + 1 : 0;
    this.turns = turns;
  }

  // ---- what is where ----

  private places(): readonly Place[] {
    const metrics = this.addressOf('metrics');
    const dashboard = this.addressOf('dashboard');
    if (metrics !== null && dashboard !== null && sameListenAddress(metrics, dashboard))
      return [{ address: metrics, features: ['metrics', 'dashboard'] }];
    return [
      ...(metrics === null ? [] : [{ address: metrics, features: ['metrics'] as const }]),
      ...(dashboard === null ? [] : [{ address: dashboard, features: ['dashboard'] as const }]),
    ];
  }

  private addressOf(feature: Feature): ListenAddress | null {
    const text = this.ports.cmap.getString(`system.${feature}`);
    if (text === null) return null;
    const address = parseListenAddress(text);
    if (typeof address !== 'string') return address;
    this.refuse(`system.${feature} ${text}`, address, 'write for example 127.0.0.1:9180');
    return null;
  }

  private openPlace({ address, features }: Place): void {
    const what = features.map((feature) => `system.${feature}`).join(' and ');
    const where = listenAddressText(address);
    try {
      const token = this.token();
      if (token === null && address.kind === 'tcp' && !address.loopback) {
        const todo = 'give a file with a token (system.http_token_file), or a loopback address';
        this.refuse(`${what} ${where}`, 'everybody in the network could read it', todo);
        return;
      }
      const page = features.includes('dashboard') ? { files: readPageFiles(), followers: this.followers() } : null;
      const content = {
        metrics: features.includes('metrics') ? (format: ExpositionFormat) => this.metrics(format) : null,
        page,
        health: () => this.health(),
        readiness: () => this.readiness(),
      };
      // With a token no name helps a foreign site: a browser does not send it by itself.
      const rules = { token, localNamesOnly: token === null };
      const server = new WebServer(openListeningSocket(address), content, rules, (text) =>
        this.ports.log('warning', 'MAIN', text, 'web'),
      );
      server.open();
      this.servers.push(server);
      const paths = features.map((feature) => (feature === 'metrics' ? '/metrics' : '/')).join(' and ');
      this.ports.log(
        'info',
        'MAIN',
        `Serving ${paths} at ${where}${token === null ? '' : ', to those who have the token'}`,
      );
    } catch (error) {
      this.refuse(`${what} ${where}`, failureText(error), 'the daemon goes on without it');
    }
  }

  private refuse(what: string, why: string, todo: string): void {
    this.ports.log('error', 'MAIN', `${what} is not served: ${why}; ${todo}`, 'not served');
  }

  /** Throws when a token is wanted and its file cannot serve. */
  private token(): BearerToken | null {
    const path = this.ports.cmap.getString('system.http_token_file');
    if (path === null) return null;
    const file = readKeyFile(path, WEB_LIMITS.tokenBytesMax + 2);
    try {
      const exposure = keyFileExposure(file, process.geteuid?.() ?? 0);
      if (exposure !== null) throw new Error(`the token file ${path} is not secret: ${exposure}`);
      const token = BearerToken.from(file.bytes);
      if (typeof token === 'string') throw new Error(`the token file ${path} cannot serve: ${token}`);
      return token;
    } finally {
      file.bytes.fill(0);
    }
  }

  // ---- what is shown ----

  private followers(): Followers {
    return new Followers(
      () => JSON.stringify(pageState(this.view(), this.changes, this.history.samples.at(-1) ?? null, Date.now())),
      () => JSON.stringify(this.history.samples),
    );
  }

  /** One rendering serves all who ask within a second. */
  private metrics(format: ExpositionFormat): Promise<string> {
    const nowMs = performance.now();
    const known = this.renderings.get(format);
    if (known !== undefined && nowMs - known.atMs < WEB_LIMITS.cacheMs) return known.text;
    const text = renderMetrics(METRICS, this.view(), format);
    this.renderings.set(format, { atMs: nowMs, text });
    return text;
  }

  private health(): string {
    return this.pulseSeconds < PULSE_SECONDS_MAX
      ? ''
      : `the thread of the ring has not turned for ${this.pulseSeconds} s`;
  }

  private readiness(): string {
    const { ring, quorum } = this.view();
    const missing = [
      ...(this.health() === '' ? [] : [this.health()]),
      ...(ring.members.length > 0 ? [] : ['no ring has formed yet']),
      ...(ring.synchronised ? [] : ['the services are being synchronised']),
      ...(quorum.quorate ? [] : ['not quorate']),
    ];
    return missing.join('; ');
  }
}
