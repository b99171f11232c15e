import type { TrustAnchor } from '@strongroom/evidence'
import type { Piece } from '@strongroom/evidence/files'
import { Pool } from '../../../packages/evidence/src/bundle/pieces/pool.ts'
import type { SigningKey } from '../../../packages/silicon/src/pki/keys.ts'
import { spkiPin } from '../../../packages/silicon/src/testing/amd-hierarchy.ts'
import { now } from '../../../packages/silicon/src/testing/times.ts'

export const day = 86_400_000

/** What evidence is picked from, in this order. */
export interface Given {
  certificates?: readonly Uint8Array[]
  crls?: readonly Uint8Array[]
  /** Intel's texts. */
  texts?: readonly { kind: 'tcb-info' | 'qe-identity'; text: string }[]
  anchors: readonly TrustAnchor[]
}

export const anchorOf = async (key: SigningKey): Promise<TrustAnchor> => ({
  name: 'forged',
  spkiSha256: await spkiPin(key),
})

export async function poolOf(o: Given): Promise<Pool> {
  const pieces: Piece[] = [
    { name: 'c', kind: 'certificates', certificates: [...(o.certificates ?? [])] },
    ...(o.crls ?? []).map((bytes): Piece => ({ name: 'l', kind: 'crl', bytes })),
    ...(o.texts ?? []).map((each): Piece => ({ name: 't', ...each })),
  ]
  return await Pool.of(pieces, now, o.anchors, {})
}
