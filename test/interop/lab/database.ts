import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Postgres } from '../../platform/postgres.ts';
import { hasCommand } from './host.ts';
import type { DaemonKind, LabNode } from './node.ts';
import { PacemakerLab } from './pacemaker.ts';
import { run, until } from './process.ts';

/** Beside the addresses of the nodes. */
export const DATABASE_ADDRESS = '10.91.0.100';
const DEVICE = 'eth0';
/** Where the node that has the database mounts its files; /run is each node's own. */
const MOUNT_POINT = '/run/database';
const SOCKETS = '/run/database-sockets';
const CLIENT_MS = 120_000;

type Parameters = Readonly<Record<string, string>>;

function primitive(id: string, type: string, parameters: Parameters): string {
  const pairs = Object.entries(parameters).map(
    ([name, value]) => `<nvpair id="${id}-${name}" name="${name}" value="${value}"/>`,
  );
  const operations = [
    `<op id="${id}-start" name="start" interval="0" timeout="90s"/>`,
    `<op id="${id}-stop" name="stop" interval="0" timeout="90s"/>`,
    `<op id="${id}-monitor" name="monitor" interval="5s" timeout="60s"/>`,
  ];
  return `<primitive id="${id}" class="ocf" provider="heartbeat" type="${type}">
    <instance_attributes id="${id}-parameters">${pairs.join('')}</instance_attributes>
    <operations>${operations.join('')}</operations></primitive>`;
}

/** The agent of file systems wants it, also where nothing is to be loaded; a container may not have it. Only the node sees it. */
async function provideModprobe(node: LabNode): Promise<void> {
  if (hasCommand('modprobe')) return;
  const directory = join(node.space.directory, 'sbin');
  mkdirSync(directory);
  writeFileSync(join(directory, 'modprobe'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  await node.space.must('mount', ['--bind', directory, '/usr/local/sbin']);
}

/** Three nodes with Pacemaker, storage that all of them could mount, and a database that one of them has. */
export class DatabaseLab {
  private constructor(
    private readonly pacemaker: PacemakerLab,
    private readonly database: Postgres,
  ) {}

  static async up(kinds: readonly DaemonKind[], database: Postgres): Promise<DatabaseLab> {
    database.acceptsNetwork(SOCKETS);
    const cluster = new DatabaseLab(await PacemakerLab.up(kinds), database);
    for (const node of cluster.nodes) await provideModprobe(node);
    return cluster;
  }

  get nodes(): readonly [LabNode, LabNode, LabNode] {
    const { lab } = this.pacemaker;
    return [lab.node(1), lab.node(2), lab.node(3)];
  }

  reach(node: LabNode, what: string, ...patterns: readonly RegExp[]): Promise<string[]> {
    return this.pacemaker.reach(node, what, ...patterns);
  }

  /** Files, then address, then server; they stay where they are. The test is the one that turns the power off, so there is nothing to fence. */
  async configure(): Promise<void> {
    const [node] = this.nodes;
    const { pacemaker, database } = this;
    await pacemaker.must(node, 'crm_attribute', '-n', 'stonith-enabled', '-v', 'false');
    await pacemaker.must(node, 'crm_attribute', '-t', 'rsc_defaults', '-n', 'resource-stickiness', '-v', '1000');
    const members = [
      primitive('db-files', 'Filesystem', {
        device: database.directory,
        directory: MOUNT_POINT,
        fstype: 'none',
        options: 'bind',
      }),
      primitive('db-address', 'IPaddr2', { ip: DATABASE_ADDRESS, cidr_netmask: '24', nic: DEVICE }),
      primitive('db-server', 'pgsql', {
        pgctl: database.program('pg_ctl'),
        pgdata: `${MOUNT_POINT}/data`,
        socketdir: SOCKETS,
      }),
    ];
    await pacemaker.must(node, 'cibadmin', '-C', '-o', 'resources', '-X', `<group id="db">${members.join('')}</group>`);
    for (const [at, score] of ['300', '200', '100'].entries()) {
      const rule = `<rsc_location id="at-${at + 1}" rsc="db" node="node${at + 1}" score="${score}"/>`;
      await pacemaker.must(node, 'cibadmin', '-C', '-o', 'constraints', '-X', rule);
    }
  }

  /** By a client at `node` that connects to the address until that works, as one of an application does. */
  query(node: LabNode, text: string): Promise<string> {
    const args = ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', DATABASE_ADDRESS, '-U', 'postgres', '-c', text];
    let seen = '';
    return until(
      `the result of ${text}`,
      async () => {
        const { code, stdout, stderr } = await node.space.run('timeout', ['10', 'psql', ...args]);
        seen = stderr;
        return code === 0 ? stdout.trim() : null;
      },
      CLIENT_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${seen}\n${this.pacemaker.lab.logs()}`);
    });
  }

  /** Everything of the node ends at once, and nothing of what it had in memory is left. */
  async powerOff(node: LabNode): Promise<void> {
    const { pid } = node.space;
    const others = `pgrep --ns ${pid} --nslist net . | grep -vx ${pid}`;
    await run('sh', ['-c', `while p=$(${others}); do kill -9 $p; sleep 0.1; done`]);
    await node.space.run('umount', ['-l', MOUNT_POINT]);
    await node.space.run('ip', ['address', 'del', `${DATABASE_ADDRESS}/24`, 'dev', DEVICE]);
  }

  async powerOn(node: LabNode): Promise<void> {
    const { pacemaker } = this;
    pacemaker.startNode(node);
    await pacemaker.lab.waitRing(pacemaker.lab.nodes);
    pacemaker.startManager(node);
  }

  async standby(node: LabNode, on: boolean): Promise<void> {
    const name = node.plan.name;
    await this.pacemaker.must(node, 'crm_attribute', '-N', name, '-n', 'standby', '-v', on ? 'on' : 'off');
  }

  async hasAddress(node: LabNode): Promise<boolean> {
    const { stdout } = await node.space.run('ip', ['-o', 'address', 'show', 'dev', DEVICE]);
    return stdout.includes(` ${DATABASE_ADDRESS}/`);
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await this.powerOff(node);
    await this.pacemaker.close();
  }
}
