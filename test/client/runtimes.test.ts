import t from 'tap';
import { runtimeLacks } from '../../src/client/ipc-channel.ts';

t.test('what other runtimes lack is said, and Node.js lacks nothing', async (t) => {
  t.equal(runtimeLacks(process.versions), null);
  t.match(runtimeLacks({ node: '24.3.0', bun: '1.4.5' }), /descriptor/);
  t.match(runtimeLacks({ node: '24.0.0', deno: '2.9.6' }), /owns a file/);
});
