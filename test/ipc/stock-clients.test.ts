import { fileURLToPath } from 'node:url';
import { testStockClients } from './stock-clients.ts';

testStockClients('shm', fileURLToPath(import.meta.url));
