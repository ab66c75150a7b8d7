import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { LogLevel } from '../../lib/log.ts';
import { lookUpName } from '../../os/look-up-name.ts';
import type { DeviceEnd } from '../../qnet/device.ts';
import { QnetFramer } from '../../qnet/framer.ts';
import { isCertificateFor, isSignedBy, secureContextOf, type TlsKeys } from '../keys.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** 0: any. */
  readonly family: 0 | 4 | 6;
}

export interface LinkEvents {
  opened(): void;
  received(message: Uint8Array): void;
  /** Once for each link. */
  closed(why: DeviceEnd): void;
}

export interface LinkLimits {
  readonly receiveBytesMax: number;
  readonly sendMessagesMax: number;
  readonly connectMs: number;
}

/** One connection to the arbiter. */
export class ServerLink {
  private readonly framer: QnetFramer;
  private socket: Socket | TLSSocket;
  private why: DeviceEnd = 'cannotConnect';
  private over = false;
  private waiting = 0;
  private connectTimer: NodeJS.Timeout | null = null;

  private constructor(
    private readonly raw: Socket,
    private readonly limits: LinkLimits,
    private readonly events: LinkEvents,
    private readonly log: (level: LogLevel, message: string, kind?: string) => void,
  ) {
    this.framer = new QnetFramer(limits.receiveBytesMax);
    this.socket = raw;
  }

  static open(
    address: ServerAddress,
    limits: LinkLimits,
    events: LinkEvents,
    log: (level: LogLevel, message: string, kind?: string) => void,
  ): ServerLink {
    const raw = connectTcp({ ...address, autoSelectFamily: true, lookup: lookUpName });
    const link = new ServerLink(raw, limits, events, log);
    link.connectTimer = setTimeout(() => {
      log('error', 'Connect timeout');
      link.end('cannotConnect');
    }, limits.connectMs);
    raw.setNoDelay(true);
    raw.once('connect', () => {
      link.why = 'serverClosed';
      events.opened();
    });
    raw.once('close', () => link.closed());
    link.attach(raw);
    return link;
  }

  private attach(socket: Socket | TLSSocket): void {
    socket.on('error', ({ message }) => this.log('error', `Connection to qnetd: ${message}`));
    socket.on('end', () => socket.destroy());
    socket.on('data', (chunk: Uint8Array) => this.read(chunk));
  }

  private read(chunk: Uint8Array): void {
    for (let at = 0; !this.over; ) {
      const taken = this.framer.take(chunk, at);
      if (taken === null) return;
      at = taken.next;
      if (taken.framed.message === null) {
        this.log(
          'warning',
          `Server sent message ${taken.framed.type} of ${taken.framed.bytes} bytes. Disconnecting`,
          'message too long',
        );
        this.end('undecodable');
      } else this.events.received(taken.framed.message);
    }
  }

  /** Resolves names, connects, INIT: all of it was in time. */
  established(): void {
    if (this.connectTimer !== null) clearTimeout(this.connectTimer);
    this.connectTimer = null;
  }

  setReceiveBytesMax(bytes: number): void {
    this.framer.setBytesMax(bytes);
  }

  send(message: Uint8Array): void {
    if (this.over) return;
    if (this.waiting >= this.limits.sendMessagesMax) {
      this.log('error', 'Too many messages wait to be sent. Disconnecting from server');
      this.end('serverClosed');
      return;
    }
    this.waiting += 1;
    this.socket.write(message, () => {
      this.waiting -= 1;
    });
  }

  /** `name`: whom the server's certificate must be for. */
  startTls(keys: TlsKeys, name: string): void {
    this.raw.removeAllListeners('data');
    this.raw.removeAllListeners('end');
    const { ca } = keys;
    // Verified by hand: a certificate that has expired is accepted, as by stock, so that a cluster does not lose its arbiter at midnight.
    // Nothing is sent before.
    const socket = connectTls({
      socket: this.raw,
      secureContext: secureContextOf(keys),
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    socket.cork();
    socket.once('secureConnect', () => {
      const problem = this.certificateProblem(socket, ca, name);
      if (problem === null) {
        socket.uncork();
        return;
      }
      this.log('error', `Server certificate verification failure: ${problem}.`);
      this.end('incompatible');
    });
    this.socket = socket;
    this.attach(socket);
  }

  private certificateProblem(socket: TLSSocket, ca: Buffer, name: string): string | null {
    const { subject, subjectaltname, raw } = socket.getPeerCertificate();
    if (!isCertificateFor(subject, subjectaltname, name)) return `it is not for ${name}`;
    // A string, whatever its type says.
    const error: unknown = socket.authorizationError;
    if (socket.authorized) return null;
    // Of several faults OpenSSL names the last: one that has expired may be anybody's.
    if (error !== 'CERT_HAS_EXPIRED' || !isSignedBy(raw, ca)) return String(error);
    this.log('warning', 'Server certificate is expired.');
    return null;
  }

  /** Soon: `closed` is called then. */
  end(why: DeviceEnd): void {
    if (this.over) return;
    this.over = true;
    this.why = why;
    setImmediate(() => this.raw.destroy());
  }

  private closed(): void {
    this.established();
    this.over = true;
    if (this.socket !== this.raw) this.socket.destroy();
    this.events.closed(this.why);
  }
}
