import t from 'tap';
import { unreadMembers } from './members.ts';
import { readSources } from './sources.ts';

/** Their classes are for programs that are not here. */
const FOR_PROGRAMS = /^src\/(?:client|platform|node|testing)\//;

/** Read in a way that the compiler does not show. */
const READ_ELSEWHERE: Readonly<Record<string, string>> = {
  'src/lib/errors.ts: CsStatusError.statusName': 'for programs (docs/client.md)',
  'src/services/engine.ts: EngineConnection.egid': 'for engines of others',
  'src/ipc/server/hosted-connection.ts: HostedConnection.egid': 'for engines of others',
  'src/cli/views.ts: Growing.keyFile': 'goes out as a ConnectivityView',
  'src/cli/demo/main.ts: DemoArguments.nodeCount': 'spread into the options of the cluster',
  'src/observe/why/change.ts: OwnPause.endedMs': 'rondo why --json',
  'src/observe/why/change.ts: DaemonLife.startedMs': 'rondo why --json',
};

t.test('nobody declares what nobody reads', { timeout: 300_000 }, async (t) => {
  const page = readSources(['src/web/page']).flatMap(({ text }) => text.match(/[A-Za-z_$][\w$]*/g) ?? []);
  const unread = unreadMembers(new Set([...page, 'errorName'])).filter((member) => !FOR_PROGRAMS.test(member));
  t.same(
    unread.filter((member) => READ_ELSEWHERE[member] === undefined),
    [],
  );
});
