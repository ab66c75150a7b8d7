/** Numbers are 1..65535. */
const NUMBERS = 65_536;
/** Places for fragments; one whose place was taken is forgotten. */
const FRAGMENTS = 65_536;

/**
 * What was received last under each of a host's numbers, by four bytes of the packet's digest. Every sealed packet has its own digest: two
 * packets with one number and different digests are different packets, and one of them is a recorded one. Which of them cannot be seen (the wire
 * has no epoch), so neither may keep the other out; the same packet again is a copy, however long ago its number was used, and also after
 * its sender restarted or was unreachable.
 */
export class PacketPrints {
  /** Made with the first packet: hosts of a ring without encryption need none. 256 KiB. */
  private prints: Int32Array | null = null;

  /** Of fragments of longer messages: made with the first. 256 KiB. */
  private fragments: Int32Array | null = null;

  has(seq: number, print: number): boolean {
    return this.prints !== null && this.prints[seq] === print;
  }

  remember(seq: number, print: number): void {
    this.prints ??= new Int32Array(NUMBERS);
    this.prints[seq] = print;
  }

  hasFragment(seq: number, fragSeq: number, print: number): boolean {
    return this.fragments !== null && this.fragments[fragmentPlace(seq, fragSeq)] === print;
  }

  rememberFragment(seq: number, fragSeq: number, print: number): void {
    this.fragments ??= new Int32Array(FRAGMENTS);
    this.fragments[fragmentPlace(seq, fragSeq)] = print;
  }
}

/** Not taken from the print: all of its bits are needed to tell two packets apart. More than the fragments of a message, and odd. */
const fragmentPlace = (seq: number, fragSeq: number): number => (seq + 257 * fragSeq) & (FRAGMENTS - 1);
