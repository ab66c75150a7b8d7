import { constants } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { LogLevel } from '../../lib/log.ts';
import { parseIp } from '../../os/sockaddr.ts';
import { Arbiter, type ArbiterClient, type ArbiterSettings } from '../../qnet/arbiter.ts';
import { QnetFramer } from '../../qnet/framer.ts';
import { isCertificateFor } from '../keys.ts';
import { HandshakeTurns } from './handshake-turns.ts';

export interface ConnectionLimits {
  readonly clientsMax: number;
  /** Of an address of version 4, or of a network of 64 bits: whoever has one address of version 6 has all of its network. */
  readonly perAddressMax: number;
  /** Until INIT is done. */
  readonly handshakeMs: number;
  /** TLS handshakes that are begun, in all and of an address, a second. */
  readonly tlsPerSecond: number;
  readonly tlsPerAddressPerSecond: number;
  /** Messages that wait to be sent to a client. */
  readonly sendMessagesMax: number;
  readonly backlog: number;
  readonly watchesClients: boolean;
  /** A client is cut off when this many of its heartbeat intervals pass without a message. */
  readonly silenceFactor: number;
}

/** Of a message of a client whose INIT is not done: PREINIT and INIT of any version are shorter. */
const FIRST_BYTES_MAX = 2048;
/** Of a timer. */
const DELAY_MS_MAX = 2 ** 31 - 1;

interface Link {
  readonly client: ArbiterClient;
  readonly framer: QnetFramer;
  readonly remote: string;
  /** What counts as its address. */
  readonly place: string;
  socket: Socket | TLSSocket;
  waiting: number;
  ends: boolean;
  /** Of its TLS handshake; empty: there was none. */
  handshakeKey: string;
  /** Takes back that it waits for its TLS handshake. */
  waits: (() => void) | null;
  silence: NodeJS.Timeout | null;
  handshake: NodeJS.Timeout | null;
  timer: NodeJS.Timeout | null;
}

/** TCP and TLS of an arbiter: listens, cuts streams into messages, holds its limits. */
export class Connections {
  readonly arbiter: Arbiter;
  private readonly links = new Map<ArbiterClient, Link>();
  private readonly perAddress = new Map<string, number>();
  /** Whose INIT is not done, the oldest first. */
  private readonly beginners = new Set<Link>();
  private readonly servers: Server[] = [];
  private readonly tls: TlsServer | null;
  /** By both ends of the connection: who becomes secure. */
  private readonly handshaking = new Map<string, Link>();
  private readonly turns: HandshakeTurns;
  /** Since the start, for metrics. */
  readonly counts = { accepted: 0, refused: 0, received: 0, sent: 0, cut: 0 };

  constructor(
    private readonly settings: ArbiterSettings,
    private readonly limits: ConnectionLimits,
    keys: SecureContextOptions | null,
    private readonly log: (level: LogLevel, message: string, kind?: string) => void,
  ) {
    this.arbiter = new Arbiter(settings, {
      send: (client, message) => this.send(client, message),
      startTls: () => {}, // once its message has been handled: what follows is not ours to read
      disconnect: (client) => this.end(client),
      certificateIsFor: (client, name) => this.certificateIsFor(client, name),
      heartbeatChanged: (client) => this.watch(client),
      setTimer: (client, on) => this.setTimer(client, on),
      log,
    });
    this.tls = keys === null ? null : this.tlsServer(keys);
    this.turns = new HandshakeTurns({
      perPlaceAtOnce: limits.perAddressMax,
      perPlacePerSecond: limits.tlsPerAddressPerSecond,
      perSecond: limits.tlsPerSecond,
    });
  }

  /** Of TLS, since the start. */
  get handshakes(): { readonly begun: number; readonly delayed: number } {
    return this.turns.counts;
  }

  private tlsServer(keys: SecureContextOptions): TlsServer {
    const requestCert = this.settings.clientCertificateRequired;
    const { handshakeMs } = this.limits;
    const server = createTlsServer({
      ...keys,
      requestCert,
      rejectUnauthorized: requestCert,
      handshakeTimeout: handshakeMs,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // Node.js ends it only when its work has been done
    });
    server.on('secureConnection', (socket) => this.secured(socket));
    server.on('tlsClientError', ({ message }, socket) => {
      const link = this.handshaking.get(endsOf(socket));
      const who = link === undefined ? 'a client that has gone' : `client ${link.remote}`;
      this.log('error', `TLS of ${who} failed: ${message}`, 'TLS failed');
      if (link !== undefined) this.end(link.client);
    });
    return server;
  }

  /** Rejects when it cannot listen. */
  listen(host: string | null, port: number, family: 4 | 6 | null): Promise<void> {
    const server = createServer((socket) => this.accept(socket));
    this.servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const { backlog } = this.limits;
      // Without an address and a family: both, or what the host has.
      const address = host ?? (family === 4 ? '0.0.0.0' : family === 6 ? '::' : undefined);
      const where = address === undefined ? { port } : { host: address, port };
      server.listen({ ...where, backlog, ipv6Only: family === 6 }, () => {
        server.off('error', reject);
        server.on('error', ({ message }) => this.log('error', `Listening socket: ${message}`));
        resolve();
      });
    });
  }

  close(): void {
    for (const server of this.servers) server.close();
    this.tls?.close();
    this.turns.close();
    for (const { client, socket } of [...this.links.values()]) {
      this.arbiter.disconnected(client, true);
      socket.destroy();
    }
  }

  private accept(socket: Socket): void {
    const { handshakeMs } = this.limits;
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    const place = placeOf(address);
    if (!this.admits(place, address)) {
      socket.destroy();
      return;
    }
    this.counts.accepted += 1;
    this.perAddress.set(place, (this.perAddress.get(place) ?? 0) + 1);
    // As stock's sockets, which take both families, show an address of version 4.
    const shown = address.includes(':') ? address : `::ffff:${address}`;
    const remote = `${this.dual(socket) ? shown : address}:${socket.remotePort}`;
    const client = this.arbiter.connected(remote);
    const framer = new QnetFramer(Math.min(FIRST_BYTES_MAX, this.settings.receiveBytesMax));
    const handshake = setTimeout(() => {
      if (client.cluster !== null) return;
      this.log(
        'warning',
        `Client ${remote} did not finish its handshake within ${handshakeMs} ms. Disconnecting`,
        'handshake',
      );
      this.end(client);
    }, handshakeMs);
    const link: Link = {
      client,
      framer,
      remote,
      place,
      socket,
      waiting: 0,
      ends: false,
      handshakeKey: '',
      waits: null,
      silence: null,
      handshake,
      timer: null,
    };
    this.links.set(client, link);
    this.beginners.add(link);
    socket.setNoDelay(true);
    socket.once('close', () => this.closed(link));
    this.attach(link, socket);
  }

  /** Where all places are taken, the oldest whose INIT is not done gives up its own. */
  private admits(place: string, address: string): boolean {
    const { clientsMax, perAddressMax } = this.limits;
    const present = this.perAddress.get(place) ?? 0;
    if (present < perAddressMax && this.links.size < clientsMax) return true;
    const [oldest] = this.beginners;
    if (present < perAddressMax && oldest !== undefined) {
      this.log('warning', `Maximum clients reached: ${oldest.remote} gives up its place`, 'place given up');
      this.counts.cut += 1;
      this.end(oldest.client);
      return true;
    }
    const limit = present >= perAddressMax ? `${perAddressMax} of its address` : `${this.links.size} in all`;
    this.log('error', `Maximum clients reached (${limit}). Not accepting connection of ${address}`, 'clients reached');
    this.counts.refused += 1;
    return false;
  }

  private readonly dual = (socket: Socket): boolean => socket.remoteFamily === 'IPv6';

  private attach(link: Link, socket: Socket | TLSSocket): void {
    link.socket = socket;
    socket.on('error', ({ message }) => this.log('debug', `Client ${link.remote}: ${message}`, 'client error'));
    socket.on('end', () => socket.destroy());
    socket.on('data', (chunk: Uint8Array) => this.read(link, chunk));
  }

  private read(link: Link, chunk: Uint8Array): void {
    for (let at = 0; !link.ends; ) {
      const taken = link.framer.take(chunk, at);
      if (taken === null) return;
      at = taken.next;
      this.counts.received += 1;
      link.silence?.refresh();
      const { client } = link;
      const plain = !client.tlsStarted;
      if (taken.framed.message === null) this.arbiter.skipped(client, taken.framed.error);
      else this.arbiter.received(client, taken.framed.message);
      if (plain && client.tlsStarted) {
        this.secure(link, chunk.subarray(at));
        return;
      }
    }
  }

  /** What has come behind STARTTLS goes to TLS. */
  private secure(link: Link, rest: Uint8Array): void {
    const raw = link.socket;
    raw.removeAllListeners('data');
    raw.removeAllListeners('end');
    raw.pause();
    if (rest.length > 0) raw.unshift(Buffer.from(rest));
    link.waits = this.turns.ask(link.place, () => {
      link.waits = null;
      if (link.ends) return;
      link.handshakeKey = endsOf(raw);
      this.handshaking.set(link.handshakeKey, link);
      this.tls?.emit('connection', raw);
    });
    if (link.waits === null) return;
    const { tlsPerSecond, tlsPerAddressPerSecond } = this.limits;
    const text = `${tlsPerSecond} a second are begun in all, ${tlsPerAddressPerSecond} of an address`;
    this.log('warning', `TLS handshake of client ${link.remote} has to wait: ${text}`, 'TLS waits');
  }

  private secured(socket: TLSSocket): void {
    const link = this.handshaking.get(endsOf(socket));
    if (link === undefined) {
      socket.destroy();
      return;
    }
    this.handshaking.delete(endsOf(socket));
    socket.disableRenegotiation(); // who tries is cut off
    this.attach(link, socket);
  }

  private certificateIsFor(client: ArbiterClient, name: string): boolean | null {
    const link = this.links.get(client);
    if (link === undefined || !('getPeerCertificate' in link.socket)) return null;
    const { subject, subjectaltname } = link.socket.getPeerCertificate();
    return subject === undefined ? null : isCertificateFor(subject, subjectaltname, name);
  }

  private send(client: ArbiterClient, message: Uint8Array): void {
    const link = this.links.get(client);
    if (link === undefined || link.ends || !link.socket.writable) return;
    if (link.waiting >= this.limits.sendMessagesMax) {
      this.log('error', `Client ${link.remote} does not read what it is sent. Disconnecting`, 'send queue');
      this.counts.cut += 1;
      this.end(client);
      return;
    }
    link.waiting += 1;
    this.counts.sent += 1;
    link.socket.write(message, () => {
      link.waiting -= 1;
    });
  }

  /** Soon: the arbiter may be in the middle of something. */
  private end(client: ArbiterClient): void {
    const link = this.links.get(client);
    if (link === undefined || link.ends) return;
    link.ends = true;
    this.beginners.delete(link);
    setImmediate(() => link.socket.destroy());
  }

  private watch(client: ArbiterClient): void {
    const link = this.links.get(client);
    if (link === undefined) return;
    if (link.handshake !== null) clearTimeout(link.handshake);
    link.handshake = null;
    this.beginners.delete(link);
    link.framer.setBytesMax(this.settings.receiveBytesMax);
    if (!this.limits.watchesClients) return;
    if (link.silence !== null) clearTimeout(link.silence);
    const ms = Math.min(DELAY_MS_MAX, Math.floor(client.heartbeatMs * this.limits.silenceFactor));
    link.silence = setTimeout(() => {
      this.log(
        'warning',
        `Client ${link.remote} doesn't sent any message during ${ms}ms. Disconnecting`,
        'silent client',
      );
      this.end(client);
    }, ms);
  }

  private setTimer(client: ArbiterClient, on: boolean): void {
    const link = this.links.get(client);
    if (link === undefined) return;
    if (link.timer !== null) clearTimeout(link.timer);
    link.timer = on ? setTimeout(() => this.arbiter.timer(client), client.heartbeatMs / 4) : null;
  }

  private closed(link: Link): void {
    const { client, place } = link;
    link.waits?.();
    for (const timer of [link.silence, link.handshake, link.timer]) if (timer !== null) clearTimeout(timer);
    const present = this.perAddress.get(place) ?? 1;
    if (present > 1) this.perAddress.set(place, present - 1);
    else this.perAddress.delete(place);
    this.beginners.delete(link);
    if (this.handshaking.get(link.handshakeKey) === link) this.handshaking.delete(link.handshakeKey);
    this.arbiter.disconnected(client);
    this.links.delete(client);
  }
}

const endsOf = (socket: Socket): string =>
  `${socket.localAddress} ${socket.localPort} ${socket.remoteAddress} ${socket.remotePort}`;

/** What counts as one address. */
export function placeOf(address: string): string {
  const bytes = parseIp(address.split('%')[0]!);
  return bytes?.length === 16 ? Buffer.from(bytes.subarray(0, 8)).toString('hex') : address;
}
