import t from 'tap';
import { describe, skipReason } from '../lab/cases.ts';
import type { ClusterOptions } from '../lab/conf.ts';
import type { DaemonKind } from '../lab/node.ts';
import { Story } from './story.ts';

export const MIXTURES: readonly (readonly DaemonKind[])[] = [
  ['ours', 'stock', 'stock'],
  ['ours', 'ours', 'stock'],
];

/** Declares stories of an encrypted knet ring, each once for every mixture; only the first mixture runs by default. */
export function knetStory(all: readonly (readonly DaemonKind[])[]) {
  return (
    name: string,
    options: Partial<ClusterOptions>,
    steps: (story: Story, kinds: readonly DaemonKind[]) => Promise<void>,
  ): void => {
    all.forEach((kinds, at) => {
      const title = `knet, ${name}, ${describe(kinds)}`;
      t.test(title, { skip: skipReason(kinds, at > 0, title) }, async (t) => {
        const crypto = { cipher: 'aes256', hash: 'sha256' };
        const scene = await Story.begin(t, { transport: 'knet', tokenMs: 4_000, crypto, ...options }, kinds);
        await scene.play(async () => {
          await scene.joinAll();
          await steps(scene, kinds);
        });
      });
    });
  };
}
