import {
  QDEVICE_NAME_BYTES,
  VQ_EXEC_QDEVICE_REGISTER,
  VQ_EXEC_QDEVICE_RENAME,
  VQ_NODE_INFO,
  VQ_RECONFIGURE,
} from '../codec/votequorum.ts';

/** What a node says of itself, or of its device (services.md 1.6). */
export interface NodeInfo {
  readonly nodeId: number;
  readonly votes: number;
  readonly expectedVotes: number;
  readonly flags: number;
}

export const encodeNodeInfo = (info: NodeInfo): Uint8Array => VQ_NODE_INFO.message(info);

export const encodeReconfigure = (param: number, nodeId: number, value: number): Uint8Array =>
  VQ_RECONFIGURE.message({ param, nodeId, value });

/** Names end with a NUL inside their field, so one byte of it is not theirs. */
const cut = (name: string): string => name.slice(0, QDEVICE_NAME_BYTES - 1);

export const encodeQdeviceRegister = (operation: number, name: string): Uint8Array =>
  VQ_EXEC_QDEVICE_REGISTER.message({ operation, name: cut(name) });

export const encodeQdeviceRename = (oldName: string, newName: string): Uint8Array =>
  VQ_EXEC_QDEVICE_RENAME.message({ oldName: cut(oldName), newName: cut(newName) });
