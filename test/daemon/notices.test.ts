import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { Icmap } from '../../src/config/icmap/index.ts';
import { connectionBranch, NO_COUNTERS } from '../../src/daemon/ipc-statistics.ts';
import { Notices } from '../../src/daemon/notices.ts';
import { StatsMap } from '../../src/services/cmap/stats-map.ts';

t.test('clients that come and go in a loop start no more than an allowance of notices', async (t) => {
  // A webhook that never responds: one notice is on its way, the others wait or are dropped, and are counted.
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const cmap = new Icmap();
  cmap.setString('system.notify', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const statistics = new StatsMap({ setTimer: () => ({ cancel() {} }) });
  const lines: string[] = [];
  const notices = Notices.begin({ nodeId: 1, cmap, statistics, log: (_level, _subsystem, text) => lines.push(text) });
  t.teardown(() => notices?.end());
  const startedMs = performance.now();
  for (let id = 0; id < 2000; id++)
    statistics.add(connectionBranch({ id, pid: 7, serviceId: 0, processName: 'x' }, () => NO_COUNTERS));
  const allowed = 256 + Math.ceil(((performance.now() - startedMs) / 1000) * 64);
  const dropped = lines.filter((line) => /were dropped so far/.test(line)).length;
  t.ok(dropped <= allowed - 256, `${dropped} dropped of 2,000, of which ${allowed} may have been sent`);
});
