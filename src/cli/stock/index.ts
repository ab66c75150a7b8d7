import { BLACKBOX } from './blackbox.ts';
import { QDEVICE_CERTUTIL_TOOL, QNETD_CERTUTIL_TOOL } from './certutil.ts';
import { CFGTOOL } from './cfgtool.ts';
import { CMAPCTL } from './cmapctl.ts';
import { CPGTOOL } from './cpgtool.ts';
import { KEYGEN } from './keygen.ts';
import { NOTIFYD } from './notifyd.ts';
import { QDEVICE } from './qdevice.ts';
import { QNETD } from './qnetd.ts';
import { QDEVICE_TOOL, QNETD_TOOL } from './qnetd-tool.ts';
import { QUORUMTOOL } from './quorumtool.ts';
import type { Tool } from './tool.ts';
import { VQSIM } from './vqsim.ts';

/** The commands of stock's package that exist under their own names. */
export const TOOLS: readonly Tool[] = [
  BLACKBOX,
  CFGTOOL,
  CMAPCTL,
  CPGTOOL,
  KEYGEN,
  NOTIFYD,
  QDEVICE,
  QDEVICE_CERTUTIL_TOOL,
  QDEVICE_TOOL,
  QNETD,
  QNETD_CERTUTIL_TOOL,
  QNETD_TOOL,
  QUORUMTOOL,
  VQSIM,
];
