import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** One node of the demonstration ring: where its files are and how to reach it. */
export interface DemoNode {
  readonly nodeId: number;
  readonly name: string;
  readonly address: string;
  readonly instance: string;
  readonly configFile: string;
  readonly stateDirectory: string;
  readonly lockFile: string;
  readonly logFile: string;
  /** Address and port of its metrics and its page; `null`: it serves none. */
  readonly page: string | null;
}

export interface DemoLayout {
  readonly directory: string;
  readonly transport: 'knet' | 'udpu';
  readonly port: number;
  readonly nodes: readonly DemoNode[];
}

export const DEMO_NODES_MAX = 9;
const KEY_BYTES = 256;
/** Two ports a link are taken (the port and the one below it, udp), so candidates are two apart. */
const PORT_TRIES = 50;

/**
 * Writes configuration, key and empty state directories of `count` nodes on 127.0.0.1 … below `directory`. `pages`: each serves metrics and the
 * page, on the TCP port of the ring's number.
 */
export function writeLayout(
  directory: string,
  count: number,
  transport: 'knet' | 'udpu',
  port: number,
  instancePrefix: string,
  pages = false,
): DemoLayout {
  const keyFile = join(directory, 'authkey');
  if (transport === 'knet') writeFileSync(keyFile, randomBytes(KEY_BYTES), { mode: 0o400 });
  const nodes = Array.from({ length: count }, (_, index): DemoNode => {
    const home = join(directory, `node${index + 1}`);
    return {
      nodeId: index + 1,
      name: `node${index + 1}`,
      address: `127.0.0.${index + 1}`,
      instance: `${instancePrefix}-${index + 1}`,
      configFile: join(home, 'corosync.conf'),
      stateDirectory: join(home, 'state'),
      lockFile: join(home, 'rondod.pid'),
      logFile: join(home, 'corosync.log'),
      page: pages ? `127.0.0.${index + 1}:${port}` : null,
    };
  });
  for (const node of nodes) {
    mkdirSync(node.stateDirectory, { recursive: true });
    writeFileSync(node.configFile, configText(nodes, node, transport, port, keyFile));
  }
  return { directory, transport, port, nodes };
}

export function configText(
  nodes: readonly DemoNode[],
  local: DemoNode,
  transport: 'knet' | 'udpu',
  port: number,
  keyFile: string,
): string {
  const crypto = transport === 'knet' ? `  crypto_cipher: aes256\n  crypto_hash: sha256\n  keyfile: ${keyFile}\n` : '';
  const pages = local.page === null ? '' : `  metrics: ${local.page}\n  dashboard: ${local.page}\n`;
  const members = nodes
    .map(
      (node) => `  node {\n    ring0_addr: ${node.address}\n    name: ${node.name}\n    nodeid: ${node.nodeId}\n  }\n`,
    )
    .join('');
  return `# Made by npm start; gone when it ends.
totem {
  version: 2
  cluster_name: demo
  transport: ${transport}
${crypto}  token: 1000
  token_coefficient: 0
  interface {
    linknumber: 0
    mcastport: ${port}
  }
}
nodelist {
${members}}
quorum {
  provider: corosync_votequorum
}
logging {
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: ${local.logFile}
}
system {
  state_dir: ${local.stateDirectory}
  sched_rr: no
  warm_up: no
${pages}}
`;
}

/** A port that is free on every address now. */
export async function findPort(addresses: readonly string[], random: () => number): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
    const port = 20_000 + 2 * Math.floor(random() * 10_000);
    if (await allFree(addresses, port)) return port;
  }
  throw new Error(`no UDP port is free on ${addresses.join(', ')}; close programs that use ports 20000 to 40000`);
}

async function allFree(addresses: readonly string[], port: number): Promise<boolean> {
  for (const address of addresses) {
    for (const candidate of [port, port - 1]) if (!(await isFree(address, candidate))) return false;
    if (!(await isFreeForPage(address, port))) return false;
  }
  return true;
}

function isFreeForPage(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
