import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../daemon/loopback-cluster.ts';

const PROGRAMS = '/usr/lib/postgresql';
const USER = 'postgres';

/** Directory of Debian's initdb, postgres and pg_ctl; `null`: not installed. */
export function postgresPrograms(): string | null {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions
    .map((version) => join(PROGRAMS, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')));
  return found !== undefined && existsSync('/usr/bin/psql') ? found : null;
}

/** Why there is no database, for a test's `skip`; `false` when there can be one. */
export const postgresUnavailable = (): string | false =>
  postgresPrograms() === null ? 'needs Debian’s postgresql' : false;

/** The server refuses to run as root: Debian's user for it, or who this is. */
function ordinaryUser(): Pick<SpawnOptions, 'uid' | 'gid'> {
  if (process.getuid?.() !== 0) return {};
  const id = (what: string): number => Number(execFileSync('id', [what, USER], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** A new database in a directory of its own, where everybody who can connect is trusted. */
export class Postgres {
  readonly directory = mkdtempSync(join(tmpdir(), 'rondo-postgres-'));
  readonly data = join(this.directory, 'data');
  private readonly bin = postgresPrograms()!;
  private readonly user = ordinaryUser();
  private server: ChildProcess | null = null;

  constructor() {
    if (this.user.uid !== undefined) chownSync(this.directory, this.user.uid, this.user.gid!);
    const args = ['-D', this.data, '-U', USER, '-A', 'trust', '--no-sync', '--locale=C', '-E', 'UTF8'];
    execFileSync(join(this.bin, 'initdb'), args, { ...this.user, cwd: this.directory, stdio: 'ignore' });
  }

  /** For psql, over a socket in the directory. */
  get url(): string {
    return `postgresql:///postgres?host=${this.directory}&user=${USER}`;
  }

  async start(): Promise<void> {
    const settings = { listen_addresses: '', unix_socket_directories: this.directory, fsync: 'off' };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const options: SpawnOptions = { ...this.user, cwd: this.directory, stdio: 'ignore' };
    this.server = spawn(join(this.bin, 'postgres'), ['-D', this.data, ...args], options);
    const serves = (): boolean => {
      try {
        return this.query('select 1') === '1';
      } catch {
        return false;
      }
    };
    await until(serves, 'the database');
  }

  query(text: string): string {
    const args = ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', text, this.url];
    return execFileSync('psql', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  }

  /** A program of the server's package. */
  program(name: string): string {
    return join(this.bin, name);
  }

  /** Whoever starts the server from now on: with its socket there, and over TCP for everybody in its networks. */
  acceptsNetwork(sockets: string): void {
    const settings = `listen_addresses = '*'\nunix_socket_directories = '${sockets}'\nfsync = off\n`;
    appendFileSync(join(this.data, 'postgresql.conf'), settings);
    appendFileSync(join(this.data, 'pg_hba.conf'), 'host all all samenet trust\n');
  }

  /** A session that begins so and stays, as long as its process. */
  session(text: string): ChildProcess {
    const child = spawn('psql', ['-XqAt', this.url], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin?.write(`${text}\n`);
    return child;
  }

  /** At once: connections are cut. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = null;
    if (server === null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGINT');
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
