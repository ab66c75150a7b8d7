import type { FuzzSubject } from '../engine/target.ts';
import { ENGINES_SUBJECT } from './engines.ts';
import { HANDSHAKE_SUBJECT } from './handshake.ts';
import { KNET_SUBJECT } from './knet.ts';
import { QNET_SUBJECT } from './qnet.ts';
import { RINGS_SUBJECT } from './rings.ts';
import { SERVICES_SUBJECT } from './services.ts';
import { CLI_SUBJECT, CONFIG_SUBJECT } from './text.ts';
import { TOTEM_SUBJECT } from './totem.ts';

/** All that reads bytes of others. */
export const FUZZ_TARGETS: readonly FuzzSubject[] = [
  TOTEM_SUBJECT,
  KNET_SUBJECT,
  SERVICES_SUBJECT,
  ENGINES_SUBJECT,
  RINGS_SUBJECT,
  HANDSHAKE_SUBJECT,
  CONFIG_SUBJECT,
  CLI_SUBJECT,
  QNET_SUBJECT,
];

export { endHandshakes } from './handshake.ts';
