import { restoredClaim, type RestoredFrom } from '@strongroom/contract'
import type { RuntimeClaims } from '@strongroom/evidence'
import { derive, type Known } from '../provenance/known.ts'
import { LinkRefused, short, type Proof } from '../provenance/link.ts'
import type { AskedBackup } from '../provenance/request.ts'

/** The backup that the VM was restored from, by the attested claims. @throws LinkRefused if they cannot be read */
export function restoredOf({ configuration }: RuntimeClaims): RestoredFrom | undefined {
  const claimed = configuration[restoredClaim]
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

/**
 * Whether the VM was restored from a backup, and from the one that its owner chose.
 * @param o.asked undefined if nobody knows; null if the VM was requested without a backup
 */
export function showRestored(
  claims: Known<RuntimeClaims>,
  o: { asked: Known<AskedBackup | null> | undefined; proof: Proof },
): void {
  const { asked, proof } = o
  const restored = claims.map(restoredOf)
  if (asked !== undefined)
    proof.demand({
      code: 'AnotherBackup',
      holds: derive([restored, asked], (found, wanted) => found?.manifest === wanted?.manifest),
      message:
        asked.value === null
          ? 'The VM was restored from a backup by somebody else than you: its state is an older one.'
          : 'The VM was not made of the backup that you restored.',
      expected: asked.value?.manifest ?? 'no restore',
      actual: text(restored.value),
    })
  const line = restored.map(lineOf)
  proof.shown(line)
  if (asked !== undefined && restored.value !== undefined) proof.proves`that backup is ${asked.map(chosen)}`
}

const text = (restored: RestoredFrom | undefined): string =>
  restored === undefined ? 'no restore' : `${restored.manifest}, made at ${restored.madeAt}`

const lineOf = (restored: RestoredFrom | undefined): string[] =>
  restored === undefined
    ? []
    : [
        `restored from a backup of VM ${restored.vmUniqueId} made at ${restored.madeAt}, of guest state generation ` +
          `${restored.generation}; manifest ${short(restored.manifest)}, by the attested claims`,
      ]

const chosen = (): string => 'the one that you restored'
