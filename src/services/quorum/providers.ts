import type { ProgramLists } from '../../config/options/option.ts';
import type { QuorumBasis } from '../../lib/quorum-rule.ts';
import type { RingId } from '../../lib/ring-id.ts';
import type { VotesSummary } from '../../lib/votes.ts';
import type { MainEngineContext, ServiceEngine } from '../engine.ts';
import { VotequorumEngine } from '../votequorum/engine.ts';
import { type TrackingFilePort, trackingFile } from '../votequorum/tracking-file.ts';
import { YkdEngine } from '../ykd/engine.ts';

/** What providers get; each takes what it needs. */
export interface ProviderNeeds {
  /** For every decision. */
  setQuorum(members: readonly number[], quorate: boolean, ringId: RingId, basis?: QuorumBasis): void;
  /** The provider counts votes: what they are, and what that means in words, can be looked up from now on. */
  votes(votes: () => VotesSummary, words: (votes: VotesSummary) => readonly string[]): void;
  /** A file of the state directory. */
  file(name: string): TrackingFilePort;
}

type MakeProvider = (needs: ProviderNeeds) => ServiceEngine<MainEngineContext>;

/** The quorum providers that there are: what `quorum.provider` names, and who is made for it. */
const QUORUM_PROVIDERS: ReadonlyMap<string, MakeProvider> = new Map<string, MakeProvider>([
  [
    'corosync_votequorum',
    ({ setQuorum, votes, file }) =>
      new VotequorumEngine({ setQuorum, running: votes, trackingFile: trackingFile(file('ev_tracking')) }),
  ],
  ['corosync_ykd', ({ setQuorum }) => new YkdEngine({ setQuorum })],
]);

/** For whoever checks a configuration, or documents it. */
export const PROGRAM_LISTS: ProgramLists = { quorumProviders: [...QUORUM_PROVIDERS.keys()] };

/** `null`: there is no provider of that name. */
export const makeQuorumProvider = (name: string, needs: ProviderNeeds): ServiceEngine<MainEngineContext> | null =>
  QUORUM_PROVIDERS.get(name)?.(needs) ?? null;
