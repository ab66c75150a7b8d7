import { FrameType, HEADER, HEADER_BYTES, isLittleEndian } from './header.ts';
import { JOIN_FIXED_BYTES } from './join.ts';
import { MERGE_DETECT_BYTES } from './merge-detect.ts';

/** system_from of JOIN, LEAVE and MERGE_DETECT; a LEAVE has no id in its header. */
const SYSTEM_FROM = HEADER_BYTES;
export const ANYBODY = 0;

/**
 * The node that must have sent this frame itself, as the frame has it: tokens, JOIN, LEAVE, MERGE_DETECT and HOLD_CANCEL go from their sender to
 * their receiver in one hop (totem.md 1). `ANYBODY` for an MCAST, which whoever has it sends again, and for what is no frame: the core judges that.
 */
export function directSender(view: DataView, at: number, length: number): number {
  if (length < HEADER_BYTES) return ANYBODY;
  const littleEndian = isLittleEndian(view, at);
  switch (view.getUint8(at + HEADER.type)) {
    case FrameType.ORF_TOKEN:
    case FrameType.COMMIT_TOKEN:
    case FrameType.HOLD_CANCEL:
    case FrameType.SILENCE:
      return view.getUint32(at + HEADER.nodeId, littleEndian);
    case FrameType.JOIN:
      return length < JOIN_FIXED_BYTES ? ANYBODY : view.getUint32(at + SYSTEM_FROM, littleEndian);
    case FrameType.MERGE_DETECT:
      return length < MERGE_DETECT_BYTES ? ANYBODY : view.getUint32(at + SYSTEM_FROM, littleEndian);
    default:
      return ANYBODY;
  }
}
