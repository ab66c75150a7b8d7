import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { certificateDer, KeyDirectory, PUBLIC_MODE, readInput } from '../../arbiter/authority.ts';
import { KeyProblem, TlsFile } from '../../arbiter/keys.ts';
import { inPrivateDirectory } from '../../os/private-directory.ts';
import { getopt } from './getopt.ts';
import { EXIT_FAILURE, EXIT_SUCCESS, type Tool, type ToolIo } from './tool.ts';

const QNETD_KEYS = '/etc/corosync/qnetd/nssdb';
const NODE_KEYS = '/etc/corosync/qdevice/net/nssdb';
const AUTHORITY_FILE = 'qnetd-cacert.crt';
const REQUEST_FILE = 'qdevice-net-node.crq';
const PKCS12_FILE = 'qdevice-net-node.p12';
const CLUSTER_NICKNAME = 'Cluster Cert';
const QNETD_CERTUTIL = 'corosync-qnetd-certutil';
const QNETD_LETTERS = 'Ghisc:n:';
const NODE_LETTERS = 'hiMmQrc:S:C:n:';
const USAGE_STATUS = 2;
const SECRET_MODE = 0o600;
/** Where keys pass through on their way from host to host, under root's hands. */
const ROOT_WORK = '/run';
/** Nobody but root makes keys; the arbiter's user is in the group. */
const DIRECTORY_MODE = 0o750;

interface Given {
  operation: string;
  certificate: string;
  cluster: string;
  shell: string;
  copy: string;
}

/** Reads a command line; a number is the exit status. */
function given(args: readonly string[], letters: string, io: ToolIo, program: string) {
  const { options, operands, errors } = getopt(program, args, letters);
  const values: Given = { operation: '', certificate: '', cluster: '', shell: 'ssh', copy: 'scp' };
  for (const { letter, value } of options) {
    if (letter === 'c') values.certificate = value;
    else if (letter === 'n') values.cluster = value;
    else if (letter === 'S') values.shell = value;
    else if (letter === 'C') values.copy = value;
    else if (letter === 'G')
      continue; // no group writes here anyway
    else if (letter === '?') {
      const [, missing] = /requires an argument -- '(.)'/.exec(errors[0] ?? '') ?? [];
      const [, unknown = ''] = /-- '(.)'/.exec(errors[0] ?? '') ?? [];
      io.err(missing === undefined ? `Invalid option: -${unknown}\n` : `Option -${missing} requires an argument.\n`);
      return null;
    } else values.operation = letter;
  }
  return { ...values, operands };
}

/** What a command line names and is not there, or does not name. */
class UsageProblem extends Error {
  override readonly name = 'UsageProblem';
}

/** Runs an operation; a problem is one line and status 1, one with the command line's words status 2. */
function guarded(io: ToolIo, act: () => number): number {
  try {
    return act();
  } catch (error) {
    io.err(`${error instanceof Error ? error.message : error}\n`);
    return error instanceof KeyProblem ? EXIT_FAILURE : USAGE_STATUS;
  }
}

/** The file that the command line names; looked for before anything else, as stock does. */
function certificateFile(path: string): Buffer {
  if (!existsSync(path)) throw new UsageProblem(`Can't open certificate file ${path}`);
  return readInput(path);
}

function lacks(io: ToolIo, text: string): number {
  io.err(`${text}\n`);
  return USAGE_STATUS;
}

/** `corosync-qnetd-certutil`: the authority, on the arbiter's host. */
export const QNETD_CERTUTIL_TOOL: Tool = {
  name: QNETD_CERTUTIL,
  letters: QNETD_LETTERS,
  async run(args, io, program) {
    const values = given(args, QNETD_LETTERS, io, program);
    if (values === null) return EXIT_FAILURE;
    const keys = new KeyDirectory(QNETD_KEYS);
    if (values.operation === 'i') return guarded(io, () => initAuthority(keys, io));
    if (values.operation === 's') return guarded(io, () => signCluster(keys, values, io, program));
    io.out(qnetdUsage(program));
    return EXIT_SUCCESS;
  },
};

function initAuthority(keys: KeyDirectory, io: ToolIo): number {
  if (keys.isThere)
    throw new KeyProblem(`Certificate database (${keys.path}) already exists. Delete it to initialize new db`);
  io.out(`Creating ${keys.path}\n`);
  keys.make(DIRECTORY_MODE);
  io.out('Creating new CA\n');
  keys.makeAuthority('QNet CA');
  keys.makeServer('Qnetd Server');
  keys.mark();
  keys.write(AUTHORITY_FILE, readInput(keys.file(TlsFile.AUTHORITY)), PUBLIC_MODE);
  io.out(`QNetd CA certificate is exported as ${keys.file(AUTHORITY_FILE)}\n`);
  return EXIT_SUCCESS;
}

function signCluster(keys: KeyDirectory, { certificate, cluster }: Given, io: ToolIo, program: string): number {
  if (!existsSync(certificate)) throw new UsageProblem(`Can't open certificate file ${certificate}`);
  if (cluster === '') return lacks(io, 'You have to specify cluster name');
  const request = readInput(certificate);
  if (cluster.includes('/')) return lacks(io, 'A cluster whose name has a slash cannot have a file for it');
  if (!keys.isThere) throw new KeyProblem(`Certificate database doesn't exists. Use ${program} -i to create it`);
  io.out('Signing cluster certificate\n');
  const file = `cluster-${cluster}.crt`;
  keys.write(file, certificateDer(keys.sign(request)), PUBLIC_MODE);
  io.out(`Certificate stored in ${keys.file(file)}\n`);
  return EXIT_SUCCESS;
}

/** `corosync-qdevice-net-certutil`: the keys of a cluster's nodes. */
export const QDEVICE_CERTUTIL_TOOL: Tool = {
  name: 'corosync-qdevice-net-certutil',
  letters: NODE_LETTERS,
  async run(args, io, program) {
    const values = given(args, NODE_LETTERS, io, program);
    if (values === null) return EXIT_FAILURE;
    const keys = new KeyDirectory(NODE_KEYS);
    switch (values.operation) {
      case 'i':
        return guarded(io, () => initNode(keys, certificateFile(values.certificate), io));
      case 'r':
        if (values.cluster === '') return lacks(io, 'You have to specify cluster name');
        return guarded(io, () => requestCertificate(present(keys, program), values.cluster, io));
      case 'M':
        return guarded(io, () => {
          const certificate = certificateFile(values.certificate);
          return importSigned(present(keys, program), certificate, io);
        });
      case 'm':
        return guarded(io, () => {
          const bytes = certificateFile(values.certificate);
          io.out('Importing cluster certificate and key\n');
          present(keys, program).importPkcs12(bytes);
          return EXIT_SUCCESS;
        });
      case 'Q':
        return guarded(io, () => quickStart(values, values.operands, io, program));
      default:
        io.out(nodeUsage(program));
        return EXIT_SUCCESS;
    }
  },
};

function present(keys: KeyDirectory, program: string): KeyDirectory {
  if (!keys.isThere) throw new KeyProblem(`Certificate database doesn't exists. Use ${program} -i to create it`);
  return keys;
}

function initNode(keys: KeyDirectory, authority: Buffer, io: ToolIo): number {
  if (keys.isThere) throw new KeyProblem('Certificate database already exists. Delete it to continue');
  io.out(`Creating ${keys.path}\n`);
  keys.make(DIRECTORY_MODE);
  io.out('Importing CA\n');
  keys.importAuthority(authority);
  keys.mark();
  return EXIT_SUCCESS;
}

function requestCertificate(keys: KeyDirectory, cluster: string, io: ToolIo): number {
  io.out('Creating new certificate request\n');
  keys.write(REQUEST_FILE, keys.makeRequest(cluster), PUBLIC_MODE);
  io.out(`Certificate request stored in ${keys.file(REQUEST_FILE)}\n`);
  return EXIT_SUCCESS;
}

function importSigned(keys: KeyDirectory, certificate: Buffer, io: ToolIo): number {
  io.out('Importing signed cluster certificate\n');
  keys.write(PKCS12_FILE, keys.importSigned(certificate, CLUSTER_NICKNAME), SECRET_MODE);
  io.out(`Certificate stored in ${keys.file(PKCS12_FILE)}\n`);
  return EXIT_SUCCESS;
}

/** `-Q`: all of it, over a remote shell. */
function quickStart(values: Given, operands: readonly string[], io: ToolIo, program: string): number {
  const { cluster, shell, copy } = values;
  const [server, first, ...others] = operands;
  if (cluster === '') return lacks(io, 'You have to specify cluster name');
  if (server === undefined) return lacks(io, 'No QNetd server address provided.');
  if (first === undefined) return lacks(io, 'No nodes provided.');
  const call = (command: string, ...args: readonly string[]): void => {
    const [name = '', ...more] = command.split(' ').filter((word) => word !== '');
    execFileSync(name, [...more, ...args], { stdio: 'inherit' });
  };
  const own = basename(program);
  const on = (host: string, line: string): void => call(shell, `root@${host}`, line);
  const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const between = (from: string, to: string): void => {
    inPrivateDirectory(process.geteuid?.() === 0 ? ROOT_WORK : tmpdir(), (work) => {
      call(copy, from, join(work, 'file'));
      call(copy, join(work, 'file'), to);
    });
  };
  for (const node of [first, ...others]) on(node, `test ! -d ${NODE_KEYS}`);
  on(server, `test -f ${QNETD_KEYS}/${AUTHORITY_FILE} || ${QNETD_CERTUTIL} -i`);
  for (const node of [first, ...others]) {
    between(`root@${server}:${QNETD_KEYS}/${AUTHORITY_FILE}`, `root@${node}:/etc/corosync/${AUTHORITY_FILE}`);
    on(node, `${own} -i -c /etc/corosync/${AUTHORITY_FILE} && rm /etc/corosync/${AUTHORITY_FILE}`);
  }
  on(first, `${own} -r -n ${quoted(cluster)}`);
  between(`root@${first}:${NODE_KEYS}/${REQUEST_FILE}`, `root@${server}:${QNETD_KEYS}/${REQUEST_FILE}`);
  on(server, `${QNETD_CERTUTIL} -s -c ${QNETD_KEYS}/${REQUEST_FILE} -n ${quoted(cluster)}`);
  between(`root@${server}:${QNETD_KEYS}/cluster-${cluster}.crt`, `root@${first}:${NODE_KEYS}/cluster-${cluster}.crt`);
  on(first, `${own} -M -c ${quoted(`${NODE_KEYS}/cluster-${cluster}.crt`)}`);
  for (const node of others) {
    between(`root@${first}:${NODE_KEYS}/${PKCS12_FILE}`, `root@${node}:${NODE_KEYS}/${PKCS12_FILE}`);
    on(node, `${own} -m -c ${NODE_KEYS}/${PKCS12_FILE}`);
  }
  return EXIT_SUCCESS;
}

const qnetdUsage = (program: string): string => `${program}: [-i|-s] [-c certificate] [-G] [-n cluster_name]

 -i                  Initialize QNetd CA and generate server certificate
 -s                  Sign cluster certificate (needs cluster certificate)
 -c certificate      CRQ certificate file name
 -G                  Do not set group write bit for new files
 -n cluster_name     Name of cluster (for -s operation)
`;

const nodeUsage = (program: string): string =>
  `${program}: [-i|-m|-M|-r|-s|-Q] [-c certificate] [-S ssh_command] [-C scp_command] [-n cluster_name]

 -i      Initialize node CA. Needs CA certificate from server
 -m      Import cluster certificate on node (needs pk12 certificate)
 -r      Generate cluster certificate request
 -M      Import signed cluster certificate and export certificate with key to pk12 file
 -Q      Quick start. Uses ssh/scp to initialze both qnetd and nodes.

 -c certificate      Ether CA, CRQ, CRT or pk12 certificate (operation dependant)
 -S ssh_command      Alternative remote shell command to be use in place of ssh. If not specified, ssh is used.
 -C scp_command      Alternative remote copy command to be use in place of scp. If not specified, scp is used.
 -n cluster_name     Name of cluster (for -r and -s operations)
`;
