import { randomBytes } from 'node:crypto';
import { toolOptions } from '../test/tool-options.ts';
import { CLEAR, crypto, TestNode, totemConfig } from '../test/transport/knet/harness.ts';

/**
 * What a Totem frame costs on its way through the knet transport, sender and receivers in one thread over the loopback interface:
 * CPU time for one frame to two peers, split in sending (cut, seal, hand to the kernel) and receiving (read, open, reassemble).
 *
 *   node dist/perf/knet.js
 */
toolOptions('node dist/perf/knet.js: what a Totem frame costs on its way through the knet transport; no options', {});
const ROUNDS = 7;
const FRAMES = 300;
const PEERS = 2;
const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function nodes(secure: boolean): TestNode[] {
  const members = { 1: ['127.0.9.1'], 2: ['127.0.9.2'], 3: ['127.0.9.3'] };
  const suite = secure ? crypto('aes256', 'sha256', randomBytes(256)) : CLEAR;
  const own = [1, 2, 3].map((nodeId) =>
    new TestNode(totemConfig({ nodeId, members, port: 27_405, tokenMs: 2_000, knetMtu: 1_500, crypto: suite })).open(),
  );
  for (const node of own) node.keep = false;
  while (!own.every((node) => [1, 2, 3].every((id) => id === node.config.nodeId || node.connected(id)))) {
    for (const node of own) node.step();
  }
  return own;
}

console.log('frame B  crypto          send µs   receive µs (each peer)   frames/s of one core');
for (const secure of [false, true]) {
  for (const bytes of [100, 1_397, 9_000, 65_000]) {
    const [one, ...others] = nodes(secure) as [TestNode, ...TestNode[]];
    let sendUs = Number.POSITIVE_INFINITY;
    let receiveUs = Number.POSITIVE_INFINITY;
    const burst = Math.max(1, Math.min(FRAMES, Math.floor(1_000_000 / bytes)));
    for (let round = 0; round < ROUNDS; round++) {
      let sending = 0;
      let receiving = 0;
      let frames = 0;
      for (const other of others) other.receivedCount = 0;
      while (sending + receiving < 150_000) {
        const start = cpuUs();
        for (let i = 0; i < burst; i++) one.multicast(bytes, i);
        one.transport.flush();
        frames += burst;
        const sent = cpuUs();
        sending += sent - start;
        for (const other of others) while (other.receivedCount < frames) other.transport.poll(1_000);
        receiving += cpuUs() - sent;
      }
      for (const node of [one, ...others]) node.step();
      sendUs = Math.min(sendUs, sending / frames);
      receiveUs = Math.min(receiveUs, receiving / frames / PEERS);
    }
    const total = 1e6 / (sendUs + receiveUs);
    const line = [
      String(bytes).padEnd(8),
      (secure ? 'aes256/sha256' : 'none').padEnd(15),
      sendUs.toFixed(2).padStart(7),
    ];
    console.log(...line, receiveUs.toFixed(2).padStart(12), total.toFixed(0).padStart(26));
    for (const node of [one, ...others]) node.close();
  }
}
