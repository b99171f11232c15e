import { constants, createHash, privateDecrypt, type KeyObject } from 'node:crypto'
import {
  cpuModels,
  type BackupManifest,
  type InstanceSpec,
  type RestoreKey,
  type RestoreOffer,
} from '@strongroom/contract'
import { readBackupPayload } from '@strongroom/contract/backup-manifest'
import { EvidenceError, openBackedUpState, verifyBackup, type BackedUpState } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { releaseClaims } from '../release/claims.ts'
import { altered, restoredFrom } from '../expected/restored.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { launchOnSilicon } from '../release/silicon.ts'
import { makeTransferKey } from '../release/transfer-key.ts'

/** A paravisor that a backup's data key can be given to. */
export interface RestoringParavisor {
  evidence: RestoreOffer['evidence']
  /**
   * Opens a backup with the key that its owner gives.
   * @param sealed its guest state
   * @throws ServiceError BackupAltered, RestoreKeyRefused
   */
  open(key: RestoreKey, sealed: Uint8Array): Promise<OpenedBackup>
}

/** A backup whose manifest and guest state are the owner's. */
export interface OpenedBackup {
  manifest: BackupManifest
  /** Writes its vTPM and UEFI variables into a guest state of the VM's own, of the next generation. Once. */
  seal(o: { path: string; wrappingKey: KeyObject }): Promise<void>
}

/**
 * Launches a paravisor for a VM that is to be made of a backup, with a transfer key that its report binds: the owner verifies the
 * report and gives the data key to nobody else. The envelope names the manifest, so that the host brings no other.
 */
export async function launchForRestore(o: {
  silicon: Silicon
  spec: InstanceSpec
  manifest: string
  firmware: Uint8Array
  vCPUs: number
}): Promise<RestoringParavisor> {
  const launched = await launchOnSilicon(o)
  const transferKey = await makeTransferKey()
  const claims = releaseClaims({ spec: o.spec, transferKey: transferKey.publicKey })
  const report = await launched.report(claims)
  return {
    evidence: {
      vmId: o.spec.vmId,
      tee: o.spec.tee,
      silicon: await report.evidence(),
      runtimeClaims: Buffer.from(claims).toString('base64url'),
      expected: {
        firmwareSha256: createHash('sha256').update(o.firmware).digest('hex'),
        vCPUs: o.vCPUs,
        vcpuType: cpuModels[o.spec.tee],
        launchMeasurement: launched.measurement,
      },
    },
    open: async ({ envelope }, sealed) => {
      const opened = decrypt(Buffer.from(envelope, 'base64url'), transferKey.privateKey)
      const [dataKey, named] = [opened.subarray(0, 32), opened.subarray(32)]
      try {
        const digest = createHash('sha256').update(o.manifest).digest()
        if (!digest.equals(named))
          throw altered(
            'The key is for another backup than this VM is made of.',
            named.toString('hex'),
            digest.toString('hex'),
          )
        const manifest = readBackupPayload(await verifyBackup({ jws: o.manifest, dataKey }))
        return openedBackup(o.spec, manifest, await openBackedUpState(sealed, dataKey))
      } catch (error) {
        if (!(error instanceof EvidenceError)) throw error
        throw altered(`${error.message}.`, error.expected ?? 'as it was made', error.found ?? 'other bytes')
      } finally {
        opened.fill(0)
      }
    },
  }
}

const openedBackup = (spec: InstanceSpec, manifest: BackupManifest, state: BackedUpState): OpenedBackup => ({
  manifest,
  seal: async ({ path, wrappingKey }) => {
    const generation = manifest.generation + 1
    const { vmId } = spec
    await GuestState.create({ path, vmId, wrappingKey, ...state, generation, restored: restoredFrom(spec) })
    state.tpm.fill(0)
  },
})

function decrypt(envelope: Buffer, key: KeyObject): Buffer {
  try {
    const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
    const opened = privateDecrypt({ key, ...oaep }, envelope)
    if (opened.length === 64) return opened
  } catch {
    // The cause would contain partly decrypted data.
  }
  throw new ServiceError({
    code: 'RestoreKeyRefused',
    message: 'The backup’s key cannot be unwrapped with this restore’s transfer key.',
    target: 'envelope',
    expected: 'a data key wrapped to the transfer key of the offer',
    found: 'a key wrapped to another',
    remedy: 'Repeat strongroom vm restore: each attempt has a transfer key of its own.',
  })
}
