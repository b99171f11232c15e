import type { HashName } from '../core/bytes/digest.ts'
import { webPrimitives, type Primitives } from './primitives.ts'
import type { VerificationCache } from './verification-cache.ts'

/** Tools of a verification; none of it affects the verdict. */
export interface VerifyContext {
  /** Default WebCrypto. */
  primitives?: Primitives | undefined
  /** Without it, nothing is remembered between calls. */
  cache?: VerificationCache | undefined
}

/** A fact about two values, remembered if there is a cache. */
export function factOf<T>(
  context: VerifyContext,
  owner: object,
  about: object,
  find: () => T | Promise<T>,
): T | Promise<T> {
  return context.cache === undefined ? find() : context.cache.fact(owner, about, find)
}

export function digestOf(context: VerifyContext, hash: HashName, data: Uint8Array): Uint8Array | Promise<Uint8Array> {
  return (context.primitives ?? webPrimitives).digest(hash, data)
}
