import { certificatesOf } from '../../tokens/certified.ts'
import { parseJws } from '../../tokens/jws.ts'
import { type Jwk, parseJwks } from '../../tokens/keys.ts'
import type { Ledger } from '../pieces/ledger.ts'
import type { Piece, PieceOf, Unused } from '../pieces/piece.ts'
import { attempt } from '../pieces/pool.ts'

/** Members that select a key and verify with it (`selectKey`). Of `x5c`, only the first certificate's key is read. */
const readMembers: ReadonlySet<string> = new Set('kty kid alg use key_ops n e crv x y'.split(' '))

/** Keys of a set that no token here names, and members of the others that are not read. */
export function unusedKeys({ name, value }: PieceOf<'jwks'>, pieces: readonly Piece[], ledger: Ledger): Unused[] {
  const named = new Set(pieces.flatMap((piece) => (piece.kind === 'token' ? [keyNameOf(piece.text)] : [])))
  const keys = attempt(() => parseJwks(value)) ?? []
  return keys.flatMap((key, index): Unused[] => {
    const of = `${name} keys ${index}`
    // A key without a name verifies if it is the only one.
    const isOnly = keys.length === 1 && key['kid'] === undefined && named.size > 0
    if (!isOnly && !named.has(key['kid'])) return [{ of, what: 'key that no token names' }]
    const rest = Object.keys(key).filter((member) => !readMembers.has(member))
    return rest.flatMap((member): Unused[] =>
      member === 'x5c'
        ? unusedCertificates(of, key, ledger)
        : [{ of: `${of} ${member}`, what: 'member that is not read' }],
    )
  })
}

/** Certificates of a key: under a pinned root, those of its chain are read. */
function unusedCertificates(of: string, key: Jwk, ledger: Ledger): Unused[] {
  const own = attempt(() => certificatesOf(key)) ?? []
  if (own[0] === undefined || !ledger.has(own[0].raw))
    return [{ of: `${of} x5c`, what: 'certificates, of which only the first one’s key is read' }]
  return own.flatMap(({ raw }, index) =>
    ledger.has(raw) ? [] : [{ of: `${of} x5c ${index}`, what: 'certificate that the chain does not need' }],
  )
}

const keyNameOf = (token: string): unknown => attempt(() => parseJws(token).header['kid'])
