import { Attacker } from '../../security/attacker.ts';
import { LoadMember } from '../lab/load.ts';
import { sleep } from '../lab/process.ts';
import { program } from '../lab/programs.ts';
import { type Fault, USERS } from './table.ts';

const SERVICES = ['cpg', 'cmap', 'cfg', 'quorum', 'votequorum'];
/** What hostile.c can write into its shared memory, without the ways that only wait. */
const SCRIBBLES = ['garbage', 'header', 'long', 'huge', 'short', 'ids', 'sizes'];

export const CLIENT_FAULTS: readonly Fault[] = [
  {
    name: 'client-frozen',
    what: 'a member of the group does not read for 5 s',
    ring: 'stays',
    holdMs: 5_000,
    harm: async (scene) => {
      const slow = await scene.join(scene.victim);
      slow.process.signal('SIGSTOP');
    },
    mend: async ({ members }) => members.at(-1)?.process.signal('SIGCONT'),
  },
  {
    name: 'clients-silent',
    what: 'six members never read what another one sends, 300 messages of 100 kB',
    ring: 'stays',
    holdMs: 2_000,
    harm: async (scene) => {
      const readers = scene.keep((await Attacker.on(scene.victim, USERS.granted, 'readers')).start('silent', '6'));
      await readers.waitFor(/joined/);
      scene.keep((await Attacker.on(scene.victim, USERS.other, 'readers')).start('send', '300', '100000'));
    },
    mend: (scene) => scene.endHelpers(),
  },
  {
    name: 'client-half',
    what: 'clients die in the middle of a write, 30 times',
    ring: 'stays',
    holdMs: 0,
    harm: async ({ victim }) => {
      const hostile = await program('hostile');
      for (let times = 0; times < 30; times++)
        await victim.space.run(hostile, [SERVICES[times % SERVICES.length] ?? '', 'half', String(times + 1)]);
    },
  },
  {
    name: 'client-scribbles',
    what: 'clients write nonsense into their rings, seven ways, five services',
    ring: 'stays',
    holdMs: 0,
    harm: async ({ victim }) => {
      const hostile = await program('hostile');
      await Promise.all(
        SERVICES.map(async (service, at) => {
          for (const [seed, way] of SCRIBBLES.entries())
            await victim.space.run(hostile, [service, way, String(1 + seed + 10 * at)]);
        }),
      );
    },
  },
  {
    name: 'client-kills',
    what: 'members of another group are killed while they send, 20 times',
    ring: 'stays',
    holdMs: 0,
    harm: async ({ victim }) => {
      for (let times = 0; times < 20; times++) {
        const member = await LoadMember.join(victim, 'churn');
        member.send(200, 64, 5_000, times);
        await sleep(30 + 10 * (times % 5));
        await member.process.stop('SIGKILL');
      }
    },
  },
  {
    name: 'clients-1000',
    what: 'one process connects a thousand times',
    ring: 'stays',
    holdMs: 2_000,
    harm: async (scene) => {
      const crowd = scene.keep(
        (await Attacker.on(scene.victim, 0)).start('connect', 'cmap', '1000', '12328', 'silent'),
      );
      await crowd.waitFor(/good/, 30_000);
      scene.notes.push(crowd.output.trim());
    },
    mend: (scene) => scene.endHelpers(),
  },
  {
    name: 'handshakes',
    what: 'handshakes one after the other, by two users',
    ring: 'stays',
    holdMs: 4_000,
    harm: async (scene) => {
      for (const uid of [USERS.granted, USERS.other])
        scene.keep((await Attacker.on(scene.victim, uid)).start('flood', 'cmap', '4', 'bare'));
    },
    mend: (scene) => scene.endHelpers(),
  },
  {
    name: 'requests',
    what: '20,000 requests with random ids, sizes and bodies',
    ring: 'stays',
    holdMs: 3_000,
    harm: async (scene) => {
      const user = await Attacker.on(scene.victim, USERS.granted);
      for (const [seed, service] of SERVICES.entries())
        scene.keep(user.start('storm', service, '4000', String(seed + 1)));
    },
    mend: (scene) => scene.endHelpers(),
  },
];
