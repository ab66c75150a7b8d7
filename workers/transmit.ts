import { workerData } from 'node:worker_threads';
import { loadProgram } from '../src/os/program.ts';
import type { TransmitThreadData } from '../src/transport/knet/transmit/thread.ts';

type Program = typeof import('../src/transport/knet/transmit/thread.ts');
const { main } = await loadProgram<Program>('transmit', 'src/transport/knet/transmit/thread.js');
main.runTransmitThread(workerData as TransmitThreadData);
