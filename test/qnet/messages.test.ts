import t from 'tap';
import { QnetFramer } from '../../src/qnet/framer.ts';
import { QNET_MESSAGE_TYPES, QnetMessageType, ReplyError } from '../../src/qnet/ids.ts';
import {
  decodeQnet,
  echoReply,
  encodeQnet,
  QNET_HEADER_BYTES,
  QNET_OPTION_NUMBERS,
  type QnetOptions,
} from '../../src/qnet/messages.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

t.test('messages as they are on the wire', async (t) => {
  const cases: readonly (readonly [string, number, QnetOptions, string])[] = [
    [
      'PREINIT',
      QnetMessageType.PREINIT,
      { sequence: 2, clusterName: text('lab') },
      '00000000000f 0000 0004 00000002 0001 0003 6c6162',
    ],
    [
      'PREINIT_REPLY',
      QnetMessageType.PREINIT_REPLY,
      { sequence: 2, tlsSupported: 1, clientCertificateRequired: 1 },
      '000100000012 0000 0004 00000002 0002 0001 01 0003 0001 01',
    ],
    ['STARTTLS', QnetMessageType.STARTTLS, { sequence: 3 }, '000200000008 0000 0004 00000003'],
    ['an empty one', QnetMessageType.STARTTLS, {}, '000200000000'],
    [
      'NODE_LIST of a membership',
      QnetMessageType.NODE_LIST,
      {
        sequence: 5,
        listType: 2,
        ringId: { nodeId: 1, seq: 0x10n },
        nodes: [
          { nodeId: 1, dataCenterId: 0, state: 0 },
          { nodeId: 2, dataCenterId: 7, state: 1 },
        ],
        heuristics: 1,
      },
      '000a00000047 0000 0004 00000005 0012 0001 02 000d 000c 00000001 0000000000000010' +
        ' 0011 0008 0009 0004 00000001 0011 0015 0009 0004 00000002 000f 0004 00000007 0010 0001 01 0016 0001 01',
    ],
    [
      'tie breaker by rule: no node id',
      QnetMessageType.INIT,
      { tieBreaker: { mode: 1, nodeId: 9 } },
      '000300000009 0015 0005 01 00000000',
    ],
  ];
  for (const [name, type, options, expected] of cases) {
    const message = encodeQnet(type, options);
    t.equal(hex(message), expected.replaceAll(' ', ''), name);
    const decoded = decodeQnet(message);
    const { tieBreaker, ...rest } = options;
    const same = tieBreaker === undefined ? rest : { ...rest, tieBreaker: { ...tieBreaker, nodeId: 0 } };
    t.same(decoded, { type, ...same }, `${name}, read back`);
  }
});

t.test('what cannot be', async (t) => {
  const broken: readonly (readonly [string, string])[] = [
    ['an option longer than the message', '00000000000a 0001 0007 6c6162'],
    ['half of an option header', '000000000002 0001'],
    ['a sequence number of two bytes', '000000000006 0000 0002 0001'],
    ['an unknown vote', '000e00000005 0013 0001 06'],
    ['a tie breaker of mode 0', '000300000009 0015 0005 00 00000000'],
    ['a list of numbers with half of one', '000300000007 0004 0003 000001'],
    ['a node without its id', '000a00000009 0011 0005 0010 0001 01'],
  ];
  for (const [name, bytes] of broken) t.equal(decodeQnet(Buffer.from(bytes.replaceAll(' ', ''), 'hex')), null, name);
  const unknown = decodeQnet(Buffer.from('00020000001100ff000501020304050000000400000007', 'hex'));
  t.same(unknown, { type: 2, sequence: 7 }, 'unknown options are skipped');
  t.equal(QNET_OPTION_NUMBERS.length, 24);
  t.equal(QNET_MESSAGE_TYPES.length, 18);
});

t.test('an echo is the same bytes', async (t) => {
  const request = encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: 77 });
  t.equal(hex(echoReply(request)), hex(request).replace(/^0008/, '0009'));
  t.equal(hex(request).slice(0, 4), '0008', 'the request stays');
});

t.test('a stream, cut anywhere', async (t) => {
  const messages = [
    encodeQnet(QnetMessageType.STARTTLS, {}),
    encodeQnet(QnetMessageType.PREINIT, { clusterName: text('x'.repeat(200)) }), // too long
    encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: 1 }),
    encodeQnet(99, { sequence: 2 }), // no such type
    encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: 3 }),
  ];
  const stream = Buffer.concat(messages);
  const expected = [
    hex(messages[0]!),
    `error ${ReplyError.MESSAGE_TOO_LONG}`,
    hex(messages[2]!),
    `error ${ReplyError.UNSUPPORTED_MESSAGE}`,
    hex(messages[4]!),
  ];
  for (let size = 1; size <= stream.length; size++) {
    const framer = new QnetFramer(100);
    const seen: string[] = [];
    for (let from = 0; from < stream.length; from += size) {
      const chunk = stream.subarray(from, from + size);
      for (let at = 0; ; ) {
        const taken = framer.take(chunk, at);
        if (taken === null) break;
        at = taken.next;
        seen.push(taken.framed.message === null ? `error ${taken.framed.error}` : hex(taken.framed.message));
      }
    }
    if (seen.join() !== expected.join()) t.same(seen, expected, `pieces of ${size}`);
  }
  t.ok(stream.length > QNET_HEADER_BYTES);
});
