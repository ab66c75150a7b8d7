/** Short enough for quick stories, long enough for a machine with other things to do. */
export const TOKEN_MS = Number(process.env['RONDO_LAB_TOKEN_MS'] ?? 2000);

/** What a scenario says about its cluster; everything else has the lab's defaults. */
export interface ClusterOptions {
  readonly transport: 'udp' | 'udpu' | 'knet';
  /** Number of links (networks); knet only above one. */
  readonly links?: number;
  readonly family?: 4 | 6;
  readonly tokenMs?: number;
  readonly crypto?: { readonly cipher: string; readonly hash: string; readonly model?: string };
  readonly linkMode?: 'passive' | 'active' | 'rr';
  readonly mtu?: number;
  /** Lines for `totem {}`, `interface {}` blocks included. */
  readonly totem?: readonly string[];
  readonly quorum?: readonly string[];
  /** Extra lines of each node block, by node id. */
  readonly node?: Readonly<Record<number, readonly string[]>>;
  readonly logging?: readonly string[];
  readonly system?: readonly string[];
  /** Whole sections to append. */
  readonly extra?: readonly string[];
  readonly debug?: boolean;
  /** Daemons of ours run from this checkout, which is built; default this one. */
  readonly build?: string;
}

export interface NodePlan {
  readonly id: number;
  readonly name: string;
  readonly addresses: readonly string[];
}

export function planNode(id: number, links: number, family: 4 | 6): NodePlan {
  const addresses = Array.from({ length: links }, (_, link) =>
    family === 4 ? `10.91.${link}.${id}` : `fd91:${link}::${id.toString(16)}`,
  );
  return { id, name: `node${id}`, addresses };
}

/** corosync.conf of one cluster; the same file serves every node. */
export function corosyncConf(options: ClusterOptions, nodes: readonly NodePlan[]): string {
  const crypto = options.crypto;
  const totem = [
    'version: 2',
    'cluster_name: lab',
    `transport: ${options.transport}`,
    `token: ${options.tokenMs ?? TOKEN_MS}`,
    'token_coefficient: 0',
    ...(options.transport === 'udpu' && options.family === 6 ? ['ip_version: ipv6'] : []),
    ...(options.linkMode ? [`link_mode: ${options.linkMode}`] : []),
    ...(crypto
      ? [
          `crypto_cipher: ${crypto.cipher}`,
          `crypto_hash: ${crypto.hash}`,
          ...(crypto.model ? [`crypto_model: ${crypto.model}`] : []),
        ]
      : []),
    ...(options.totem ?? []),
  ];
  const list = nodes.map((node) =>
    block('node', [
      `nodeid: ${node.id}`,
      `name: ${node.name}`,
      ...node.addresses.map((address, link) => `ring${link}_addr: ${address}`),
      ...(options.node?.[node.id] ?? []),
    ]),
  );
  return [
    block('totem', totem),
    block('nodelist', list),
    block('quorum', options.quorum ?? ['provider: corosync_votequorum']),
    block('logging', [
      'to_stderr: no',
      'to_syslog: no',
      'to_logfile: yes',
      'logfile: /var/log/corosync/corosync.log',
      'timestamp: hires',
      `debug: ${options.debug ? 'on' : 'off'}`,
      ...(options.logging ?? []),
    ]),
    block('system', ['sched_rr: no', 'move_to_root_cgroup: no', ...(options.system ?? [])]),
    ...(options.extra ?? []),
    '',
  ].join('\n');
}

export function block(name: string, lines: readonly string[]): string {
  const inner = lines.flatMap((line) => line.split('\n')).map((line) => `  ${line}`);
  return [`${name} {`, ...inner, '}'].join('\n');
}
