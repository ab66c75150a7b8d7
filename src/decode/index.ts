/**
 * Reads captures of a ring's traffic, sealed or not: `readCapture` → `Datagrams` → `Decoder` → `Story`.
 */
export { readCapture } from './capture.ts';
export type { ByteSource, CaptureRest } from './captured-packet.ts';
export { Datagrams } from './datagrams.ts';
export { Decoder } from './decoder.ts';
export { FACT_KINDS, type SeenFact } from './fact.ts';
export { Story, type StoryEntry } from './story.ts';
