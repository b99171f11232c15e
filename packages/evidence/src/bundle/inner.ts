import type { Piece } from './piece.ts'

/**
 * Unpacks a whole gzip stream (RFC 1952); undefined where it is damaged, has bytes behind its end or is longer than `maximum`.
 * Given by the caller: this package has no decompression of its own.
 */
export type Gunzip = (bytes: Uint8Array, maximum: number) => Uint8Array | undefined

/** How what stands inside a JSON text is detected in its turn. */
export interface InnerDetector {
  detectAt(name: string, bytes: Uint8Array, depth: number, budget: Budget): Piece[]
  detectText(name: string, text: string, depth: number, budget: Budget): Piece[]
  budget: Budget
}

/** How many values of a file may still be looked at: each may be a container of others. */
export interface Budget {
  left: number
  /** Bytes that may still come out of gzip streams. */
  unpacked: number
  gunzip?: Gunzip
}
