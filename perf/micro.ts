import { EventBudget, EventQueue } from '../src/ipc/server/event-queue.ts';
import { RingReader } from '../src/lib/qbring/reader.ts';
import { createThreadRing } from '../src/lib/qbring/setup.ts';
import { RingWriter } from '../src/lib/qbring/writer.ts';
import { CMAP_GET, CMAP_GET_RESPONSE } from '../src/services/codec/cmap.ts';
import { CPG_DELIVER, CPG_MCAST } from '../src/services/codec/cpg.ts';
import { groupNameValue, nameValue } from '../src/services/codec/fields.ts';
import { toolOptions } from '../test/tool-options.ts';
import { costs } from './bench.ts';

/**
 * What small parts cost: CPU time of this process by run, the best sample and the median.
 *
 *   node dist/perf/micro.js              codecs, rings, queues
 *   node dist/perf/crypto.js             sealing and opening packets
 *   node dist/perf/totem-core.js         ordering
 *   node dist/perf/knet.js               knet's datapath
 */
toolOptions('node dist/perf/micro.js: what codecs, rings and queues cost; no options', {});
const MESSAGE_BYTES = 1400;
const RING_BYTES = 1 << 20;

function codecs(): Record<string, () => void> {
  const get = CMAP_GET.message({ key: nameValue('totem.cluster_name'), valueBytes: 4 });
  const value = new Uint8Array(4);
  const data = new Uint8Array(MESSAGE_BYTES);
  const group = groupNameValue(new Uint8Array(Buffer.from('group')));
  const deliver = CPG_DELIVER.ok({ group, messageBytes: data.length, nodeId: 1, pid: 1 }, data);
  return {
    'cmap get: decode the request': () => void CMAP_GET.decode(get),
    'cmap get: encode the response': () => void CMAP_GET_RESPONSE.ok({ valueBytes: 4, type: 5 }, value),
    'cpg mcast of 1400 bytes: encode': () => void CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, data),
    'cpg deliver of 1400 bytes: decode': () => void CPG_DELIVER.decode(deliver),
  };
}

function rings(bytes: number): Record<string, () => void> {
  const { memory } = createThreadRing(RING_BYTES / 4, bytes);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  const message = new Uint8Array(bytes);
  const queue = new EventQueue(new EventBudget(), 0);
  const target = new Uint8Array(bytes);
  return {
    [`ring: one message of ${bytes} bytes through`]: () => {
      writer.tryWrite(message);
      writer.publish();
      reader.peek();
      reader.reclaim();
      reader.release();
    },
    [`event queue: one event of ${bytes} bytes through`]: () => {
      queue.push(message, 0, bytes);
      queue.shiftInto(target, 0);
    },
  };
}

const nanoseconds = (us: number): string => (us * 1000).toFixed(0).padStart(8);
console.log(`${''.padEnd(52)}  best ns  median`);
for (const [name, { bestUs, medianUs }] of costs({
  ...codecs(),
  ...rings(64),
  ...rings(MESSAGE_BYTES),
  ...rings(100_000),
}))
  console.log(`${name.padEnd(52)} ${nanoseconds(bestUs)}${nanoseconds(medianUs)}`);
