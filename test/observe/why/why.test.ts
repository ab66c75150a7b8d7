import t from 'tap';
import { GatherReason, gatherReasonWords } from '../../../src/lib/gather-reason.ts';
import { FLIGHT_KINDS, NEVER_HEARD_MS, PAUSE_NOTICED_BY } from '../../../src/observe/flight/index.ts';
import {
  causeSentences,
  changeLines,
  daemonLives,
  departureSentences,
  lifeLines,
  membershipChanges,
  timeline,
  timelineLines,
} from '../../../src/observe/why/index.ts';
import { Story } from './story.ts';

const last = (story: Story): string => changeLines(membershipChanges(story.records()).at(-1)!).join('\n');
const LOST = { state: 0, silentMs: 1001, timeoutMs: 1000, timer: 0 } as const;

t.test('a start', async (t) => {
  const text = last(new Story().begins());
  t.equal(
    text,
    [
      '2026-11-26 19:00:00.000Z  ring 1.4: nodes 1, 2 and 3 joined. Members: 1 2 3',
      '  Why: this daemon started.',
      '  This node ran all the time.',
      '  Phases: gather 10 ms, commit 1.0 ms, recovery 2.0 ms, synchronization 3.0 ms (cpg 1.0 ms, votequorum 2.0 ms); 16 ms in all.',
      '  Quorum: gained: 3 of 3 votes, 2 needed (rule: votes).',
    ].join('\n'),
  );
});

/** Node 3 falls silent, as its neighbours see it. */
function silentPeer(): Story {
  const story = new Story().begins().after(60_000);
  story.ring('tokenLost', LOST);
  story.ring('heard', { nodes: [2, 3, 3], links: [0, 0, 1], silentMs: [12, 1310, 1290], up: [1, 1, 0] });
  story.gathers({ silentMs: 1001 }).after(1200);
  story.ring('consensusTimeout', { missing: [3], timeoutMs: 1200 });
  story.ring('heard', { nodes: [2, 3, 3], links: [0, 0, 1], silentMs: [3, 2510, 2490], up: [1, 1, 0] });
  story.gathers({ reason: 0, from: 1, failed: [3] }).after(1);
  story.ring('link', { node: 3, link: 0, up: 0, cause: 1 });
  return story.after(1).forms({ rep: 1, seq: 8 }, { members: [1, 2], joined: [], left: [3], lost: [3] });
}

t.test('a peer falls silent: who, for how long, on which link, and which timers decided', async (t) => {
  const story = silentPeer();
  t.equal(
    last(story),
    [
      '2026-11-26 19:01:00.016Z  ring 1.8: node 3 left. Members: 1 2',
      '  Why: no token came for 1.00 s; the token timer decided (token timeout 1.00 s). Until then ring 1.4 had nodes 1, 2 and 3.',
      '  Node 3 had been silent for 2.51 s on link 0 (up) and for 2.49 s on link 1 (down); the others were heard within 3.0 ms.',
      '  Node 3 did not agree within the consensus timeout (1.20 s), and counted as failed.',
      '  This node ran all the time.',
      '  Links: link 0 to node 3 went down (timeout) 1.20 s after that.',
      '  Phases: silence 1.00 s, gather 1.20 s, 2 rounds, commit 1.0 ms, recovery 2.0 ms, synchronization 3.0 ms (cpg 1.0 ms, votequorum 2.0 ms); 2.21 s in all.',
      '  Quorum: kept: 2 of 3 votes, 2 needed (rule: votes).',
    ].join('\n'),
  );
  const [, change] = membershipChanges(story.records());
  t.match(change, {
    from: { rep: 1, seq: 4 },
    to: { rep: 1, seq: 8 },
    cause: { kind: 'tokenLost', timer: 'token' },
    takenForDead: [3],
    phases: { rounds: 2, silenceMs: 1001 },
    quorum: { before: true, quorate: true },
  });
});

t.test('this node was stopped: it says so, and that the others went on', async (t) => {
  const story = new Story().begins().after(70_000);
  story.ring('pause', { ms: 10_012, noticedBy: 0, thresholdMs: 800 });
  story.main('pause', { ms: 10_100, noticedBy: 1, thresholdMs: 800 });
  story.ring('tokenLost', { ...LOST, silentMs: 10_020 });
  story.ring('heard', { nodes: [2, 3], links: [0, 0], silentMs: [10_001, 10_002], up: [1, 1] });
  story.gathers({ silentMs: 10_020 }).after(100);
  story.forms({ rep: 1, seq: 12 }, { members: [1, 2, 3], joined: [2, 3], left: [2, 3], lost: [] });
  const text = last(story);
  t.match(text, /ring 1\.c: nodes 2 and 3 had gone on without this node\. Members: 1 2 3/);
  t.match(
    text,
    /This node did not run for 10\.1 s \(stopped, .*noticed by ring thread and main thread\): that is why it lost the ring/,
  );
});

t.test('a token was still waiting when this node woke up', async (t) => {
  const story = new Story().begins().after(70_000);
  story.ring('pause', { ms: 10_012, noticedBy: 0, thresholdMs: 800 }).after(1002).ring('tokenLost', LOST);
  story.gathers({ silentMs: 1001 }).after(100);
  story.forms({ rep: 1, seq: 12 }, { members: [1, 2, 3], joined: [2, 3], left: [2, 3], lost: [] });
  t.match(last(story), /This node did not run for 10\.0 s/);
});

t.test('a pause long ago, or shorter than matters, is no reason', async (t) => {
  const story = new Story().begins();
  story.ring('pause', { ms: 900, noticedBy: 0, thresholdMs: 800 }).after(60_000);
  story.ring('tokenLost', LOST).gathers({ silentMs: 1001 }).after(5);
  story.forms({ rep: 1, seq: 8 }, { members: [1, 2, 3], joined: [], left: [], lost: [] });
  t.match(last(story), /This node ran all the time/);
  t.match(last(story), /the same members/);
});

t.test('a daemon that starts lost no ring, however long it was held up', async (t) => {
  const story = new Story();
  story.ring('pause', { ms: 1020, noticedBy: 3, thresholdMs: 800 });
  const text = last(story.begins());
  t.match(text, /Why: this daemon started\./);
  t.match(text, /This node did not run for 1\.02 s \(.*\)\.$/m);
});

t.test('whoever was not there before is none of the others that were heard', async (t) => {
  const story = silentPeer().after(120_000);
  story.ring('memberDied', { node: 2 });
  story.ring('heard', { nodes: [2, 3], links: [0, 0], silentMs: [306, 120_000], up: [0, 0] });
  story.gathers({ reason: 16, node: 2 }).after(5);
  story.forms({ rep: 1, seq: 12 }, { members: [1], joined: [], left: [2], lost: [] });
  t.match(last(story), /Node 2 had been silent for 306 ms on link 0 \(down\)\.$/m);
});

t.test('whoever only joins another ring has not lost one, and a busy main thread holds up no ring', async (t) => {
  const joins = (noticedBy: number): string => {
    const story = new Story().begins().after(5000);
    story.main('pause', { ms: 1270, noticedBy, thresholdMs: 800 });
    story.gathers({ reason: GatherReason.MERGE_OPERATIONAL, node: 4, silentMs: 150 }).after(10);
    return last(story.forms({ rep: 1, seq: 8 }, { members: [1, 2, 3, 4], joined: [4], left: [], lost: [] }));
  };
  t.match(joins(PAUSE_NOTICED_BY.indexOf('ring thread')), /This node did not run for 1\.27 s \(.*ring thread\)\.$/m);
  const ofMain = PAUSE_NOTICED_BY.indexOf('main thread');
  t.match(joins(ofMain), /^ {2}The thread of the ring ran all the time; that of the services did not for 1\.27 s\.$/m);
  const lost = new Story().begins().after(5000);
  lost.main('pause', { ms: 1270, noticedBy: ofMain, thresholdMs: 800 });
  lost.ring('tokenLost', LOST).gathers({ silentMs: 1001 }).after(10);
  const alone = { members: [1, 2], joined: [], left: [3], lost: [3] };
  t.notMatch(last(lost.forms({ rep: 1, seq: 8 }, alone)), /that is why/);
});

t.test('for an absent node: why it left, and for how long it had been silent', async (t) => {
  const [change] = membershipChanges(silentPeer().records()).slice(-1);
  t.match(
    departureSentences(change!, 3),
    /^No token came for 1\.00 s; .* Node 3 had been silent for 2\.51 s on link 0 \(up\) and for 2\.49 s on link 1 \(down\)\.$/,
  );
  t.notMatch(departureSentences(change!, 9), /Node 9/);
});

t.test('other causes', async (t) => {
  const caused = (
    begin: (story: Story) => Story,
    left: readonly number[] = [],
    joined: readonly number[] = [],
  ): string => {
    const story = begin(new Story().begins().after(60_000)).after(5);
    return last(story.forms({ rep: 1, seq: 8 }, { members: [1, 2], joined, left, lost: [] }));
  };
  t.match(
    caused((story) => story.ring('leave', { node: 3 }).gathers({ reason: 11, node: 3 }), [3]),
    /Why: node 3 took its leave: it was stopped in order/,
  );
  t.match(
    caused((story) => story.ring('memberDied', { node: 3 }).gathers({ reason: 16, node: 3 }), [3]),
    /Why: the process of node 3 ended while its host lives/,
  );
  t.match(
    caused((story) => story.ring('membersSilent', { nodes: [3] }).gathers({ reason: 17 }), [3]),
    /Why: node 3 replied to no PING on any link/,
  );
  t.match(
    caused((story) => story.gathers({ reason: 11, node: 4 }), [], [4]),
    /Why: node 4 asked to join/,
  );
  t.match(
    caused((story) => story.gathers({ reason: 12, node: 2 })),
    /Why: node 2 had given the ring up before/,
  );
  t.match(
    caused((story) => story.gathers({ reason: 9, node: 5 })),
    /Why: a message of node 5 arrived.*another ring/,
  );
  t.match(
    caused((story) => story.gathers({ reason: 6 })),
    /fail_recv_const/,
  );
  t.match(
    caused((story) => story.ring('tokenLost', { ...LOST, timer: 2 }).gathers({})),
    /Why: an operator, or a change of keys, made the ring form anew/,
  );
  t.match(
    caused((story) => story.ring('interface', { link: 0, up: 0 }).gathers({ reason: 15 })),
    /network interface/,
  );
});

t.test('in a sentence or two, with the names of the nodes, for a list of changes', async (t) => {
  const name = (nodeId: number): string => `node${nodeId}`;
  const brief = (story: Story, left: readonly number[] = [3]): string => {
    const done = story.after(5).forms({ rep: 1, seq: 8 }, { members: [1, 2], joined: [], left, lost: [] });
    return causeSentences(membershipChanges(done.records()).at(-1)!, name);
  };
  const down = (node: number, cause: number) => ({ node, link: 0, up: 0, cause }) as const;
  const ring = (): Story => new Story().begins().after(60_000);
  const died = ring().ring('link', down(3, 2)).ring('memberDied', { node: 3 }).gathers({ reason: 16, node: 3 });
  t.match(brief(died), /^The process of node3 ended while [^.]*\.$/, 'its links went with it');
  const lost = ring().ring('link', down(3, 1)).ring('link', down(2, 1)).ring('tokenLost', LOST);
  t.equal(
    brief(lost.gathers({ silentMs: 1001 })),
    'No token came for 1.00 s; the token timer decided (token timeout 1.00 s). Links: link 0 to node3 went down (timeout) 0 µs after that.',
    'links of those who stayed are not its cause',
  );
  const paused = ring().ring('pause', { ms: 2000, noticedBy: 0, thresholdMs: 800 }).ring('tokenLost', LOST);
  t.match(brief(paused.gathers({ silentMs: 1001 })), /This node did not run for 2\.00 s/);
  const merged = ring().ring('link', down(2, 1)).after(60_000).gathers({ reason: 9, node: 2 });
  t.match(brief(merged, []), /^A message of node2 arrived[^.]*\.$/, 'a link that went down long before is no cause');
  const slow = ring().gathers({ reason: 9, node: 2 }).gathers({ reason: 9, node: 2 }).gathers({ reason: 9, node: 2 });
  t.match(brief(slow, []), /Agreed after 3 rounds\.$/);
});

t.test('quorum: lost, by which rule, and gained again', async (t) => {
  const lost = { quorate: 0, votes: 1 } as const;
  const story = new Story().begins().after(5000).ring('tokenLost', LOST).gathers({});
  story.forms({ rep: 1, seq: 8 }, { members: [1], joined: [], left: [2, 3], lost: [2, 3] }, lost);
  t.match(last(story), /Quorum: LOST: 1 of 3 votes, 2 needed \(rule: votes\)/);
  story.after(5000).gathers({ reason: 9, node: 2, members: [1] });
  story.forms({ rep: 1, seq: 12 }, { members: [1, 2], joined: [2], left: [], lost: [] }, { rule: 3 });
  t.match(last(story), /Quorum: gained: 2 of 3 votes, 2 needed \(rule: auto_tie_breaker\)/);
  story.after(5000).gathers({ members: [1, 2] });
  story.forms(
    { rep: 1, seq: 16 },
    { members: [1, 2], joined: [], left: [], lost: [] },
    { rule: 6, votes: 0, needed: 0, expected: 0 },
  );
  t.match(last(story), /Quorum: kept \(another provider\)/);
});

t.test('a link that had been down all the time', async (t) => {
  const story = new Story().begins().ring('link', { node: 2, link: 1, up: 0, cause: 1 }).after(600_000);
  story.ring('tokenLost', LOST).gathers({ silentMs: 1001 }).after(5);
  story.forms({ rep: 1, seq: 8 }, { members: [1, 2, 3], joined: [], left: [], lost: [] });
  t.match(last(story), /Links: link 1 to node 2 had been down for 10 min\./);
});

t.test('no ring has formed yet', async (t) => {
  const story = new Story().begins().after(5000).ring('tokenLost', LOST).gathers({}).after(3000);
  story.ring('consensusTimeout', { missing: [2], timeoutMs: 1200 }).gathers({ reason: 0, from: 1 });
  t.match(last(story), /no ring has formed since: ring 1\.4 was given up/);
  t.match(last(story), /It has been gathering for 3\.00 s, 2 rounds/);
});

t.test('how a daemon ended, or that nothing says so', async (t) => {
  const story = new Story().begins();
  const [killed] = daemonLives(story.records());
  t.match(lifeLines(killed!, false).join(), /last that the daemon \(pid 100\) recorded: it was killed/);
  t.same(lifeLines(killed!, true), []);
  story.main('end', { status: 15, cause: 1, reason: 'The ring thread failed' });
  t.match(
    lifeLines(daemonLives(story.records())[0]!, false).join(),
    /ended with status 15, failure: The ring thread failed/,
  );
});

t.test('several nodes: one story, whatever their clocks say', async (t) => {
  const other = new Story(77).begins().after(50_000); // its machine started just now
  other.ring('tokenLost', LOST).gathers({ silentMs: 1001 }).after(1201);
  other.forms({ rep: 1, seq: 8 }, { members: [1, 2], joined: [], left: [3], lost: [3] });
  const sections = timeline([
    { nodeId: 1, records: silentPeer().records() },
    { nodeId: 2, records: other.records() },
  ]);
  t.same(
    sections.map(({ ring, nodes }) => ({ ring, nodes })),
    [
      { ring: null, nodes: [1, 2] },
      { ring: { rep: 1, seq: 4 }, nodes: [1, 2] },
      { ring: { rep: 1, seq: 8 }, nodes: [1, 2] },
    ],
  );
  const lines = timelineLines(sections);
  const heading = 'Ring 1.4, members 1 2 3, as nodes 1 and 2 recorded it';
  t.ok(lines.includes(`${heading} (formed at 2026-11-26 19:00:00.013Z by the clock of node 1)`), lines.join('\n'));
  t.match(
    lines.join('\n'),
    /\+50\.003 s {2}node 2 {2}token lost after 1\.00 s[\s\S]*\+60\.003 s {2}node 1 {2}token lost/,
  );
  t.match(lines.join('\n'), /GATHER from OPERATIONAL: the token was lost$/m);
});

t.test('a timeline has words, not numbers of its tables', async (t) => {
  const story = new Story().begins().after(1000);
  story.ring('heard', { nodes: [2, 3], links: [0, 1], silentMs: [12, NEVER_HEARD_MS], up: [1, 0] });
  story.gathers({ reason: GatherReason.JOIN_COMMIT, node: 3, from: 2, silentMs: 0 });
  story.main('omitted', { code: FLIGHT_KINDS.link.code, count: 7 });
  story.main('omitted', { code: 999, count: 1 });
  const text = timelineLines(timeline([{ nodeId: 1, records: story.records() }])).join('\n');
  t.match(text, /last heard: node 2 on link 0 12 ms ago, node 3 on link 1 never$/m);
  t.match(text, /GATHER from COMMIT: a JOIN arrived while a ring was being committed \(node 3\)$/m);
  t.match(text, /7 records of the kind link not recorded, too many at once$/m);
  t.match(text, /1 record of the kind 999 not recorded/, 'of a later version');
  for (const reason of Object.values(GatherReason)) t.notMatch(gatherReasonWords(reason), /reason \d|MISSING/);
});

t.test('whatever the records are, something is said', async (t) => {
  let seed = 7;
  const next = (bound: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % bound;
  };
  const records = silentPeer().records();
  for (let i = 0; i < 300; i++) {
    const some = records.filter(() => next(3) > 0);
    for (const change of membershipChanges(some)) t.type(changeLines(change).join(), 'string');
    timelineLines(timeline([{ nodeId: 1, records: some }]));
  }
});
