import { fileURLToPath } from 'node:url';
import { testStockClients } from './stock-clients.ts';

testStockClients('socket', fileURLToPath(import.meta.url));
