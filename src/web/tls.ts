import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { WEB_LIMITS } from './limits.ts';

/** The oldest version that readers may speak. */
const VERSION_MIN = 'TLSv1.2';

/** A certificate with its key, ready to serve. The key itself is in OpenSSL's memory only. */
export class TlsIdentity {
  private constructor(
    /** Never listens: it is given connections. */
    private readonly server: Server,
    /** SHA-256 of the certificate: the same for the same one. */
    readonly fingerprint: string,
    /** Whose it is and until when, in one line. */
    readonly description: string,
    /** Why readers that look at it will not like it; `null`: they may. */
    readonly caution: string | null,
  ) {
    server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /**
   * From the bytes of both files, PEM: the certificate first, then those that lead to its authority. The bytes are the caller's to wipe.
   *
   * @param nowMs Unix time
   */
  static from(certificate: Uint8Array, key: Uint8Array, nowMs: number): TlsIdentity | TlsProblem {
    const [cert, pem] = [bufferOver(certificate), bufferOver(key)];
    let own: X509Certificate;
    try {
      own = new X509Certificate(cert);
    } catch {
      return { file: 'certificate', text: 'it holds no certificate in PEM' };
    }
    if (pem.includes('ENCRYPTED'))
      return { file: 'key', text: 'it is encrypted with a passphrase, which nobody can give' };
    try {
      if (!own.checkPrivateKey(createPrivateKey(pem)))
        return { file: 'key', text: 'it is not the key of the certificate' };
    } catch {
      return { file: 'key', text: 'it holds no private key in PEM' };
    }
    try {
      const handshakeTimeout = WEB_LIMITS.handshakeMs;
      const server = createServer({
        cert,
        key: pem,
        minVersion: VERSION_MIN,
        honorCipherOrder: true,
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // Node.js ends it only when its work has been done
        handshakeTimeout,
      });
      const description = `${own.subject.replaceAll('\n', ', ')}, valid until ${isoSeconds(own.validTo)}`;
      return new TlsIdentity(server, own.fingerprint256, description, cautionOf(own, nowMs));
    } catch (error) {
      return { file: 'certificate', text: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Who gets the connections whose handshake is done. */
  secured(taken: (secure: TLSSocket) => void): void {
    this.server.removeAllListeners('secureConnection');
    this.server.on('secureConnection', (secure) => {
      secure.disableRenegotiation(); // who tries is cut off
      secure.on('error', () => secure.destroy());
      taken(secure);
    });
  }

  /** A connection that was just accepted: it is secured in time, or closed. */
  handshake(socket: Socket): void {
    this.server.emit('connection', socket);
  }
}

/** Which of the two files cannot serve, and why. */
export interface TlsProblem {
  readonly file: 'certificate' | 'key';
  readonly text: string;
}

const bufferOver = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
const isoSeconds = (text: string): string => new Date(text).toISOString().replace('.000', '');

function cautionOf({ validFrom, validTo }: X509Certificate, nowMs: number): string | null {
  if (nowMs > Date.parse(validTo)) return `it expired at ${isoSeconds(validTo)}`;
  if (nowMs < Date.parse(validFrom)) return `it is not valid before ${isoSeconds(validFrom)}`;
  return null;
}
