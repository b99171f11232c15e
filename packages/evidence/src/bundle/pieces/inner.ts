import type { Piece } from './piece.ts'

/** Layers of text, JSON and gzip in one file: the deepest genuine one has four, and may be wrapped twice when it is sent on. */
export const maximumLayers = 6

/**
 * Unpacks a whole gzip stream (RFC 1952); undefined if it is damaged, has trailing bytes or exceeds `maximum`. The
 * caller provides it: this package has no decompression.
 */
export type Gunzip = (bytes: Uint8Array, maximum: number) => Uint8Array | undefined

/** Detects evidence inside a JSON text. */
export interface InnerDetector {
  detectAt(name: string, bytes: Uint8Array, depth: number, budget: Budget): Piece[]
  detectText(name: string, text: string, depth: number, budget: Budget): Piece[]
  budget: Budget
}

/** How many more values of a file may be examined: each may contain others. */
export interface Budget {
  left: number
  /** How many more bytes gzip streams may yield. */
  unpacked: number
  gunzip?: Gunzip
}
