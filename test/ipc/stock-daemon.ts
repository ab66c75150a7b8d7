import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { IpcClient, type IpcClientHandler, IpcConnectError } from '../../src/ipc/client/ipc-client.ts';

// The inner part of the client's test, run in namespaces of its own: a stock daemon, and our client calling it. Prints what it saw.
const directory = process.argv[2]!;
const child = spawn('corosync', ['-f', '-c', join(directory, 'corosync.conf')], { stdio: 'ignore' });

const request = (id: number, bytes: number): DataView => {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setInt32(0, id, true);
  view.setInt32(8, bytes, true);
  return view;
};
const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer);
const text = (view: DataView, at: number, value: string): void => bytesOf(view).set(Buffer.from(value), at);

async function connect(service: string, handler: IpcClientHandler): Promise<IpcClient> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await IpcClient.connect(service, '', handler);
    } catch (error) {
      if (!(error instanceof IpcConnectError) || attempt > 100) throw error;
      await delay(100);
    }
  }
}

const ignore: IpcClientHandler = { event: () => {}, closed: () => {} };

try {
  const cmap = await connect('cmap', ignore);
  const get = request(2, 16 + 264 + 8);
  text(get, 24, 'totem.cluster_name');
  get.setUint16(16, 'totem.cluster_name'.length, true);
  get.setUint32(280, 64, true);
  const response = await cmap.call(bytesOf(get));
  const value = Buffer.from(response).toString('latin1');
  console.log(`cluster name ${/ipc/.exec(value)?.[0]}`);
  bytesOf(get).fill(0, 24, 280);
  text(get, 24, 'no.such.key');
  console.log(`missing key: ${new DataView((await cmap.call(bytesOf(get))).buffer).getInt32(16, true)}`);

  let received = 0;
  let wrong = 0;
  let ended: Error | null = null;
  const cpg = await connect('cpg', {
    event: (event) => {
      const view = new DataView(event.buffer, event.byteOffset, event.length);
      if (view.getInt32(0, true) !== 5) return;
      if (view.getUint32(184, true) !== received++) wrong++;
    },
    closed: (error) => {
      ended = error;
    },
  });
  const local = await cpg.call(bytesOf(request(4, 16)));
  console.log(`node id ${new DataView(local.buffer).getUint32(24, true)}`);
  const join = request(0, 168);
  join.setUint32(16, 3, true);
  text(join, 24, 'ipc');
  join.setUint32(152, process.pid, true);
  await cpg.call(bytesOf(join));
  for (let n = 0; n < 3000; ) {
    const message = request(2, 40 + 1000);
    message.setUint32(32, 1000, true);
    message.setUint32(40, n, true);
    if (cpg.tryPost(bytesOf(message))) n++;
    else await delay(1);
    if (n % 50 === 0) await delay(0);
  }
  for (let i = 0; i < 500 && received < 3000; i++) await delay(10);
  console.log(wrong === 0 ? `${received} messages in order` : `${wrong} wrong`);
  child.kill('SIGKILL');
  await cpg.call(bytesOf(request(4, 16))).catch(() => {});
  for (let i = 0; i < 100 && ended === null; i++) await delay(10);
  console.log(`end of the daemon: ${(ended as { code?: string } | null)?.code}`);
  cmap.close();
} finally {
  child.kill('SIGKILL');
}
