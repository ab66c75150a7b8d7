import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const STORY = fileURLToPath(new URL('address-story.js', import.meta.url));
const STORY_MS = 120_000;
/** Its own network, and its own processes, of which none is left when the first one ends. */
const OWN_WORLD = ['--net', '--mount-proc', '--pid', '--fork', '--kill-child'];

t.setTimeout(STORY_MS + 30_000);

const skip =
  spawnSync('unshare', [...OWN_WORLD, 'ip', 'link', 'add', 'device0', 'type', 'bridge']).status === 0
    ? false
    : 'needs root, unshare and ip';

t.test('the address of the example is at its leader and nowhere else', { skip }, async (t) => {
  const result = spawnSync('unshare', [...OWN_WORLD, process.execPath, STORY], { encoding: 'utf8', timeout: STORY_MS });
  t.equal(result.status, 0, result.stderr);
  t.match(result.stdout, /the address was where its owner was/);
});
