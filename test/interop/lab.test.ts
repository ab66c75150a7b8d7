import t from 'tap';
import { labUnavailable } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { compareSequences, compareWithSent, LoadMember, settle } from './lab/load.ts';

/** The laboratory itself, on stock daemons only: what it reports about them must be good. */
const skip = labUnavailable();

for (const transport of ['udpu', 'knet', 'udp'] as const) {
  t.test(`three stock nodes over ${transport}: same sequence`, { skip }, async (t) => {
    const lab = await Lab.up({ transport }, ['stock', 'stock', 'stock']);
    t.teardown(() => lab.close());
    const members = await Promise.all(lab.nodes.map((node) => LoadMember.join(node)));
    await settle(members);
    for (const member of members) member.mark();
    members.forEach((member, at) => {
      member.send(300, 1, 1_000_000, at + 1);
    });
    await settle(members);
    t.same(compareSequences(members), []);
    t.same(compareWithSent(members), []);
    t.equal(await members[0]?.delivered(), 900);
  });
}
