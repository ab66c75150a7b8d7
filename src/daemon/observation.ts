import type { RingHeap } from '../bridge/messages.ts';
import { type Position, positionText } from '../config/errors.ts';
import { type Icmap, TRACK_CHANGES, type Tracker } from '../config/icmap/index.ts';
import { cmapNumber } from '../lib/cmap-value.ts';
import type { ConnectivityView } from '../lib/connectivity.ts';
import { failureText } from '../lib/failure.ts';
import { type ListenAddress, listenAddressText, parseListenAddress, sameListenAddress } from '../lib/listen-address.ts';
import type { LogFunction } from '../lib/log.ts';
import { type ConfigurationChange, NO_RING, type RingId, ringIdText } from '../lib/ring-id.ts';
import type { FlightRecord } from '../observe/flight/index.ts';
import { causeSentences, membershipChanges } from '../observe/why/index.ts';
import { Followers } from '../web/followers.ts';
import { History } from '../web/history.ts';
import { openListeningSocket } from '../web/listening-socket.ts';
import { cachedMetrics } from '../web/metrics/exposition.ts';
import { METRICS } from '../web/metrics/table.ts';
import { readPageFiles } from '../web/page-files.ts';
import type { PageChange } from '../web/page-state.ts';
import { type WebAccess, WebServer } from '../web/server.ts';
import { pageMatrix, pageState, urgentPart } from '../web/state.ts';
import type { NodeSnapshot } from '../web/view.ts';
import { MemoryWatch } from './memory-watch.ts';
import { nodeView, type RingNow, type ViewSources } from './node-view.ts';
import type { Phase } from './phases.ts';
import { ticks } from './ticks.ts';
import { isOpenToAll, readWebAccess, WebAccessError } from './web-access.ts';

const SAMPLE_MS = 1_000;
const CHANGES_KEPT = 20;
const EXPLAIN_MS = 100;
/** The thread of the ring turns at least once a second: after so many without a turn it is not well. */
const PULSE_SECONDS_MAX = 4;

export interface ObservationPorts extends Omit<ViewSources, 'memory'> {
  readonly cmap: Pick<Icmap, 'getString' | 'track' | 'untrack'>;
  /** Where keys stand in the file. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly log: LogFunction;
  /** Turns of the ring thread's loop. */
  loopTurns(): number;
  ringHeap(): Promise<RingHeap>;
  /** Latest records of the flight recorder. */
  flightRecords(): readonly FlightRecord[];
}

type Feature = 'metrics' | 'dashboard';
interface Place {
  readonly address: ListenAddress;
  readonly features: readonly Feature[];
}
interface OpenPlace {
  readonly server: WebServer;
  readonly address: ListenAddress;
  access: WebAccess;
}

/** 1 while a reload is under way. */
const RELOAD_KEY = 'config.reload_in_progress';

/** Metrics and the page, where the configuration wants them: the daemon's parts on one side, HTTP on the other. What fails here ends nothing else. */
export class Observation implements Phase {
  readonly name = 'web';
  private readonly memory: MemoryWatch;
  private readonly history = new History();
  private readonly metrics = cachedMetrics(METRICS, () => this.view());
  private open: OpenPlace[] = [];
  private reloads: Tracker | null = null;
  private ring: RingNow = { ringId: NO_RING, members: [] };
  private changes: readonly PageChange[] = [];
  /** How often changes were put into words. */
  private explained = 0;
  private stopSamples: (() => void) | null = null;
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
    if (this.open.length === 0) return;
    this.reloads = this.ports.cmap.track(RELOAD_KEY, TRACK_CHANGES, (_event, _key, value) => {
      if (value !== null && cmapNumber(value) === 0) this.renew();
    });
    this.memory.start();
    this.stopSamples = ticks.every(SAMPLE_MS, () => this.second());
  }

  end(): void {
    this.stopSamples?.();
    if (this.explaining !== null) clearTimeout(this.explaining);
    this.memory.stop();
    if (this.reloads !== null) this.ports.cmap.untrack(this.reloads);
    for (const { server } of this.open) server.close();
    this.open = [];
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
    if (this.open.length > 0) this.explainLater(ringId);
  }

  /** Once the recorder has all of it, and once for many changes in a row. */
  private explainLater(ringId: RingId): void {
    if (this.unexplained.push(ringId) > CHANGES_KEPT) this.unexplained.shift();
    this.explaining ??= setTimeout(() => {
      this.explaining = null;
      this.explain(this.unexplained.splice(0).map(ringIdText));
    }, EXPLAIN_MS);
  }

  private explain(rings: readonly string[]): void {
    const names = new Map(this.ports.totem().members.map(({ nodeId, name }) => [nodeId, name]));
    const name = (nodeId: number): string => names.get(nodeId) || `node ${nodeId}`;
    const recorded = membershipChanges(this.ports.flightRecords());
    this.explained++;
    this.changes = this.changes.map((change) => {
      if (!rings.includes(change.ring)) return change;
      const found = recorded.find(({ to }) => to !== null && ringIdText(to) === change.ring);
      return found === undefined ? change : { ...change, why: causeSentences(found, name) };
    });
  }

  private view(): NodeSnapshot {
    return nodeView({ ...this.ports, memory: () => this.memory.view() }, this.ring);
  }

  private second(): void {
    this.memory.tend();
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
    this.refuse([`system.${feature}`], text, address, 'write for example 127.0.0.1:9180');
    return null;
  }

  private openPlace({ address, features }: Place): void {
    const what = features.map((feature) => `system.${feature}`);
    const where = listenAddressText(address);
    try {
      const access = readWebAccess(this.ports.cmap, address);
      if (isOpenToAll(access, address)) {
        const todo =
          'give a file with a token (system.http_token_file), a certificate and its key (system.http_certificate_file, http_key_file), or a loopback address';
        this.refuse(what, where, 'everybody in the network could read it', todo);
        return;
      }
      const page = features.includes('dashboard') ? { files: readPageFiles(), followers: this.followers() } : null;
      const content = {
        metrics: features.includes('metrics') ? this.metrics : null,
        page,
        health: () => this.health(),
        readiness: () => this.readiness(),
      };
      const server = new WebServer(openListeningSocket(address), content, access, (text) =>
        this.ports.log('warning', 'MAIN', text, 'web'),
      );
      server.open();
      this.open.push({ server, address, access });
      const paths = features.map((feature) => (feature === 'metrics' ? '/metrics' : '/')).join(' and ');
      this.reportServing(`Serving ${paths} at ${where}`, address, access);
    } catch (error) {
      this.refuse(what, where, failureText(error), 'the daemon goes on without it', error);
    }
  }

  private reportServing(what: string, address: ListenAddress, { rules, tls }: WebAccess): void {
    const { log } = this.ports;
    const secure = tls === null ? '' : ` over TLS (${tls.description})`;
    log('info', 'MAIN', `${what}${secure}${rules.token === null ? '' : ', to those who have the token'}`, 'serving');
    if (tls?.caution != null) this.warnOf('system.http_certificate_file', `The certificate: ${tls.caution}`);
    if (rules.token === null && address.kind === 'tcp' && !address.loopback)
      log('warning', 'MAIN', `${what}: everybody who reaches it may read; system.http_token_file says who may`, 'web');
  }

  /** After a reload: token, certificate and key are read again, so that a renewed one is used. What cannot serve leaves the old ones in force. */
  private renew(): void {
    for (const place of this.open) {
      const where = listenAddressText(place.address);
      try {
        const access = readWebAccess(this.ports.cmap, place.address);
        const [before, now] = [place.access.tls?.fingerprint, access.tls?.fingerprint];
        place.access = access;
        place.server.admit(access);
        if (now === before) continue;
        this.ports.log(
          'info',
          'MAIN',
          `${where} has another certificate from now on: ${access.tls?.description}`,
          'certificate',
        );
        if (access.tls?.caution != null)
          this.warnOf('system.http_certificate_file', `The certificate: ${access.tls.caution}`);
      } catch (error) {
        this.warnOf(
          keyOf(error),
          `${where} goes on with the token and the certificate that it has: ${failureText(error)}`,
        );
      }
    }
  }

  private refuse(what: readonly string[], where: string, why: string, todo: string, error?: unknown): void {
    const place = this.placeOf(keyOf(error) ?? what[0]);
    const text = `${place}${what.join(' and ')} ${where} is not served: ${why}; ${todo}`;
    this.ports.log('error', 'MAIN', text, 'not served');
  }

  private warnOf(key: string | undefined, text: string): void {
    this.ports.log('warning', 'MAIN', `${this.placeOf(key)}${text}`, 'web access');
  }

  /** FILE:LINE:COLUMN, where the file has the key. */
  private placeOf(key: string | undefined): string {
    return key === undefined ? '' : positionText(this.ports.positions.get(key));
  }

  // ---- what is shown ----

  private followers(): Followers {
    let seen: readonly ConnectivityView[] | null = null;
    let matrix = '';
    return new Followers({
      state: () =>
        JSON.stringify(pageState(this.view(), this.changes, this.history.samples.at(-1) ?? null, Date.now())),
      urgent: () => `${this.explained} ${urgentPart(this.view())}`,
      matrix: () => {
        const now = this.ports.seen();
        if (now !== seen) matrix = JSON.stringify(pageMatrix(now));
        seen = now;
        return matrix;
      },
      history: () => JSON.stringify(this.history.samples),
    });
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

const keyOf = (error: unknown): string | undefined => (error instanceof WebAccessError ? error.key : undefined);
