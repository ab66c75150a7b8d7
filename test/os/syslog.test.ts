import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openSyslog } from '../../src/os/syslog.ts';

/** Node has no datagram sockets of the unix family: python plays the logger. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready', flush=True)
print(s.recv(65536).decode(), flush=True)
`;

t.test('nobody listens', async (t) => {
  t.equal(openSyslog('/nonexistent-dir/log'), null);
});

const skip = existsSync('/usr/bin/python3') ? false : 'no python3';
t.test('a datagram arrives; a logger that is gone is noticed', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'syslog-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'log');
  const listener = spawn('/usr/bin/python3', ['-c', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  listener.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const until = async (text: string): Promise<void> => {
    for (let i = 0; i < 200 && !output.includes(text); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await until('ready');
  const socket = openSyslog(path);
  t.ok(socket?.send(new TextEncoder().encode('<29>hello')));
  await until('<29>hello');
  t.equal(output, 'ready\n<29>hello\n');
  await new Promise((resolve) => (listener.exitCode === null ? listener.on('exit', resolve) : resolve(null)));
  t.equal(socket?.send(new TextEncoder().encode('<29>lost')), false);
  socket?.close();
});
