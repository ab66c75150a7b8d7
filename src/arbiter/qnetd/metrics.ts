import { createServer, type Server } from 'node:http';
import { listenAddressText, parseListenAddress } from '../../lib/listen-address.ts';
import { Vote } from '../../qnet/ids.ts';
import type { Connections } from './connections.ts';

const CONNECTIONS_MAX = 16;
const REQUEST_MS_MAX = 10_000;
const label = (text: string): string => text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));

/** In Prometheus's text format. */
export function metricsText(connections: Connections): string {
  const { arbiter, counts } = connections;
  const lines = [
    ...metric('clients', 'gauge', [['', arbiter.clients.size]]),
    ...metric('clusters', 'gauge', [['', arbiter.clusters.size]]),
    ...metric('accepted_total', 'counter', [['', counts.accepted]]),
    ...metric('refused_total', 'counter', [['', counts.refused]]),
    ...metric('cut_total', 'counter', [['', counts.cut]]),
    ...metric('messages_received_total', 'counter', [['', counts.received]]),
    ...metric('messages_sent_total', 'counter', [['', counts.sent]]),
  ];
  const votes: [string, number][] = [];
  for (const { name, clients } of arbiter.clusters.values())
    for (const { nodeId, decidedVote } of clients)
      votes.push([`{cluster="${label(name)}",nodeid="${nodeId}"}`, decidedVote === Vote.ACK ? 1 : 0]);
  lines.push(...metric('node_has_vote', 'gauge', votes));
  return `${lines.join('\n')}\n`;
}

const metric = (name: string, type: string, values: readonly (readonly [string, number])[]): string[] => [
  `# TYPE rondo_qnetd_${name} ${type}`,
  ...values.map(([labels, value]) => `rondo_qnetd_${name}${labels} ${value}`),
];

/** Serves them at `/metrics`. Rejects when the address is none, or is taken. */
export function serveMetrics(text: string, connections: Connections): Promise<Server> {
  const address = parseListenAddress(text);
  if (typeof address === 'string') return Promise.reject(new Error(`metrics=${text}: ${address}`));
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: REQUEST_MS_MAX }, (request, response) => {
    const found = request.method === 'GET' && request.url === '/metrics';
    response.writeHead(found ? 200 : 404, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      connection: 'close',
    });
    response.end(found ? metricsText(connections) : 'GET /metrics\n');
  });
  server.maxConnections = CONNECTIONS_MAX;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`metrics at ${listenAddressText(address)}: ${error.message}`)));
    server.listen(address.kind === 'unix' ? { path: address.path } : { host: address.ip, port: address.port }, () =>
      resolve(server),
    );
  });
}
