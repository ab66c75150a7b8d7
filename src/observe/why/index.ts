export type { DaemonLife, MembershipChange } from './change.ts';
export { daemonLives, membershipChanges } from './changes.ts';
export { type TimelineSection, timeline, timelineLines } from './timeline.ts';
export { causeSentences, changeLines, departureSentences, lifeLines } from './why-text.ts';
export { timeText } from './words.ts';
