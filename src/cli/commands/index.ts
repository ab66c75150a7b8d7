import type { Command } from '../command.ts';
import { BLACKBOX_COMMANDS } from './blackbox.ts';
import { CMAP_COMMANDS } from './cmap.ts';
import { completionCommand } from './completion.ts';
import { CONTROL_COMMANDS } from './control.ts';
import { CPG_COMMANDS } from './cpg.ts';
import { DECODE_COMMAND } from './decode.ts';
import { DOCTOR_COMMAND } from './doctor.ts';
import { INSTANCES_COMMAND } from './instances.ts';
import { KEY_COMMANDS } from './key.ts';
import { LINK_COMMANDS } from './links.ts';
import { NODE_COMMANDS } from './node.ts';
import { NOTIFY_COMMAND } from './notify.ts';
import { QNETD_COMMAND } from './qnetd.ts';
import { QUORUM_COMMANDS } from './quorum.ts';
import { QUORUM_EXPLAIN_COMMAND } from './quorum-explain.ts';
import { SIMULATE_COMMAND } from './simulate.ts';
import { STATUS_COMMAND } from './status.ts';
import { TOP_COMMAND } from './top.ts';
import { WHY_COMMANDS } from './why.ts';

/** Every command, in the order of the overview. */
export const COMMANDS: readonly Command[] = [
  STATUS_COMMAND,
  DOCTOR_COMMAND,
  TOP_COMMAND,
  ...LINK_COMMANDS,
  ...QUORUM_COMMANDS,
  QUORUM_EXPLAIN_COMMAND,
  QNETD_COMMAND,
  ...WHY_COMMANDS,
  DECODE_COMMAND,
  SIMULATE_COMMAND,
  ...BLACKBOX_COMMANDS,
  ...CPG_COMMANDS,
  ...CMAP_COMMANDS,
  ...CONTROL_COMMANDS,
  ...KEY_COMMANDS,
  ...NODE_COMMANDS,
  NOTIFY_COMMAND,
  INSTANCES_COMMAND,
  completionCommand(() => COMMANDS),
];
