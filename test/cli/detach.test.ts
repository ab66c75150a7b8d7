import t from 'tap';
import { runOrDetach } from '../../src/cli/stock/daemon-options.ts';

t.test('arbiter, device and notifyd: what cannot go into the background says so', async (t) => {
  const { execPath } = process;
  t.teardown(() => {
    process.execPath = execPath;
  });
  process.execPath = '/nothing/here';
  let text = '';
  const io = {
    err: (more: string) => {
      text += more;
    },
  };
  const never = (): never => {
    throw new Error('not in this process');
  };
  t.equal(await runOrDetach({ foreground: false, io, program: 'corosync-qnetd' }, never), 1);
  t.match(text, /^corosync-qnetd: cannot go into the background: .*ENOENT; -f keeps it in the foreground\n$/);
  t.equal(await runOrDetach({ foreground: true, io, program: 'corosync-qnetd' }, async () => 7), 7);
});
