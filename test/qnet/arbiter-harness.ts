import { Arbiter, type ArbiterClient, type ArbiterSettings } from '../../src/qnet/arbiter.ts';
import { QnetMessageType, TlsMode } from '../../src/qnet/ids.ts';
import { decodeQnet, encodeQnet, type QnetMessage, type QnetNode, type QnetOptions } from '../../src/qnet/messages.ts';

export const SETTINGS: ArbiterSettings = {
  tls: TlsMode.UNSUPPORTED,
  clientCertificateRequired: true,
  heartbeatMsMin: 1000,
  heartbeatMsMax: 120_000,
  receiveBytesMax: 1 << 15,
  sendBytesMax: 1 << 15,
  keepActivePartition: false,
  clustersMax: 0,
  listedNodesMax: 500_000,
};

export const nodes = (...ids: readonly number[]): QnetNode[] =>
  ids.map((nodeId) => ({ nodeId, dataCenterId: 0, state: 0 }));

/** An arbiter without a network: what it sends to each client is kept. */
export class ArbiterHarness {
  readonly sent = new Map<ArbiterClient, QnetMessage[]>();
  readonly events: string[] = [];
  readonly timers = new Set<ArbiterClient>();
  certificate: boolean | null = true;
  readonly arbiter: Arbiter;

  constructor(settings: Partial<ArbiterSettings> = {}) {
    this.arbiter = new Arbiter(
      { ...SETTINGS, ...settings },
      {
        send: (client, bytes) => {
          const message = decodeQnet(bytes);
          if (message === null) throw new Error('the arbiter sent what cannot be decoded');
          this.sent.get(client)?.push(message);
        },
        startTls: (client) => this.events.push(`TLS ${client.address}`),
        disconnect: (client) => this.events.push(`disconnect ${client.address}`),
        certificateIsFor: () => this.certificate,
        heartbeatChanged: (client) => this.events.push(`heartbeat ${client.heartbeatMs}`),
        setTimer: (client, on) => (on ? this.timers.add(client) : this.timers.delete(client)),
        log: () => {},
      },
    );
  }

  connect(address = 'address'): ArbiterClient {
    const client = this.arbiter.connected(address);
    this.sent.set(client, []);
    return client;
  }

  /** Sends a message; returns what the client got for it. */
  request(client: ArbiterClient, type: number, options: QnetOptions): QnetMessage[] {
    this.take(client);
    this.arbiter.received(client, encodeQnet(type, options));
    return this.take(client);
  }

  take(client: ArbiterClient): QnetMessage[] {
    return this.sent.get(client)?.splice(0) ?? [];
  }

  /** A client that has sent PREINIT and INIT. */
  join(nodeId: number, options: QnetOptions = {}, name = 'lab'): ArbiterClient {
    const client = this.connect(`node${nodeId}`);
    this.request(client, QnetMessageType.PREINIT, { sequence: 1, clusterName: new TextEncoder().encode(name) });
    const [reply] = this.request(client, QnetMessageType.INIT, {
      sequence: 2,
      nodeId,
      algorithm: 1,
      heartbeatMs: 8000,
      tieBreaker: { mode: 1, nodeId: 0 },
      ringId: { nodeId: 1, seq: 4n },
      ...options,
    });
    if (reply?.error !== 0) throw new Error(`INIT refused: ${reply?.error}`);
    return client;
  }
}
