import { Compression, type CompressionProvider } from '../../knet/compression.ts';

/** Placeholder until the models are in. */
export class NodeCompression implements CompressionProvider {
  compress(): number {
    return Compression.NOT_SHORTER;
  }
  decompress(): number {
    return Compression.UNKNOWN;
  }
}
