import { restoredClaim, type RestoredFrom } from '@strongroom/contract'
import { readClaims, type WithClaims } from '../claims-link.ts'
import { demand, LinkRefused, short } from '../link.ts'

/** The backup that the VM was restored from, by the attested claims. @throws LinkRefused if they cannot be read */
export function restoredOf(evidence: WithClaims): RestoredFrom | undefined {
  const claimed = readClaims(evidence).configuration[restoredClaim]
  if (claimed === undefined) return undefined
  const { vmUniqueId, madeAt, generation, manifest } = (claimed ?? {}) as Partial<Record<keyof RestoredFrom, unknown>>
  if (
    typeof vmUniqueId === 'string' &&
    typeof madeAt === 'string' &&
    typeof generation === 'number' &&
    typeof manifest === 'string'
  )
    return { vmUniqueId, madeAt, generation, manifest }
  throw new LinkRefused({ message: 'The claims name a backup in a way that cannot be read.', expected: restoredClaim })
}

/** A backup that a verifier knows the VM was restored from. */
export interface AskedBackup {
  /** SHA-256 of its manifest, hexadecimal. */
  manifest: string
  /** What the guest settled, as the manifest has it. */
  settled: Uint8Array
}

/**
 * Whether the VM was restored from a backup, and from the one that its owner chose.
 * @param asked undefined if nobody knows; null if the VM was requested without a backup
 */
export function restoreShown(
  evidence: WithClaims,
  generation: number,
  asked: AskedBackup | null | undefined,
): string[] {
  const restored = restoredOf(evidence)
  if (asked !== undefined)
    demand({
      code: 'AnotherBackup',
      holds: restored?.manifest === asked?.manifest,
      message:
        asked === null
          ? 'The VM was restored from a backup by somebody else than you: its state is an older one.'
          : 'The VM was not made of the backup that you restored.',
      expected: asked?.manifest ?? 'no restore',
      actual: restored === undefined ? 'no restore' : `${restored.manifest}, made at ${restored.madeAt}`,
    })
  if (restored === undefined) return []
  const { vmUniqueId, madeAt, manifest } = restored
  return [
    `restored from a backup of VM ${vmUniqueId} made at ${madeAt}, guest state generation ${restored.generation} → ${generation}; manifest ${short(manifest)}${
      asked === undefined ? ', by the attested claims' : ', the one that you restored'
    }`,
  ]
}
