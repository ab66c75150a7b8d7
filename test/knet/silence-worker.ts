import { longestSilence, type SilenceCase } from './silence.ts';

/** A part of the hours of a case, in a thread of its own. */
export default function runPart(job: { readonly seed: number; readonly hours: number; readonly of: SilenceCase }) {
  return longestSilence(job.seed, job.hours, job.of);
}
