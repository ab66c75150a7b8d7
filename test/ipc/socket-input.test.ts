import t from 'tap';
import { SocketInput } from '../../src/ipc/client/socket-input.ts';

t.test(
  'the response to the set-up, in pieces, then bytes for events, a few at a time when these are long',
  async (t) => {
    const input = new SocketInput(5);
    const { buffer, callback } = input.onread;
    const next = buffer as () => Uint8Array;
    const put = (text: string): boolean => {
      const target = next();
      target.set(Buffer.from(text));
      return callback(text.length, target);
    };
    const responses: string[] = [];
    const notices: number[] = [];
    input.onResponse = (response) => responses.push(Buffer.from(response).toString());
    input.onNotices = (count) => {
      notices.push(count);
      return count < 3;
    };
    t.equal(next().length, 5, 'nothing behind it is read with it');
    t.equal(put('abc'), true);
    t.equal(next().length, 2);
    t.equal(put('de'), false, 'reading stops until the rings are there');
    t.same(responses, ['abcde']);
    t.equal(next().length, 65_536);
    t.equal(put('x'), true);
    t.equal(put('xxx'), false);
    t.same(notices, [1, 3]);
    input.setShare(131_072, 100_000);
    t.equal(next().length, 1);
    input.setShare(131_072, 1_000_000);
    t.equal(next().length, 1, 'at least one');
    input.setShare(131_072, 1_400);
    t.equal(next().length, 93);
    input.setShare(131_072, 0);
    t.equal(next().length, 65_536);
  },
);
