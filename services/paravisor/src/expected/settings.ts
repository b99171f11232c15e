import { createHash } from 'node:crypto'
import type { AnySpec, InstanceSpec } from '@strongroom/contract'
import { settingsText } from '@strongroom/evidence/expected'
import { manifestOf } from './restored.ts'

/** The guest agent's settings from those lines at the first boot (image/recipes/common/agent, `settle`). */
export function settledBy(spec: Pick<AnySpec, 'osProfile' | 'vmId'>, caPem: string): Uint8Array {
  const { computerName, adminUsername, sshPublicKeys, customData, passwordSha256 } = spec.osProfile
  return settingsText({
    hostname: computerName,
    adminUsername,
    vmId: spec.vmId,
    authorityDigest: createHash('sha256').update(caPem).digest(),
    ...(customData !== undefined && { customData: Buffer.from(customData, 'base64') }),
    ...(passwordSha256 !== undefined && { passwordDigest: Buffer.from(passwordSha256, 'hex') }),
    sshPublicKeys,
  })
}

/** What of a specification the settings depend on; a guest state that is opened to be copied has no profile. */
type SettingsSpec = Pick<InstanceSpec, 'vmId' | 'settings' | 'restore'> & Partial<Pick<InstanceSpec, 'osProfile'>>

/**
 * The settings that a VM's guest may apply, as its agent writes them down: those of its request, or of the backup that it was restored
 * from. Undefined if nobody but the disk knows them, as with a specialised image.
 * @throws ServiceError BackupAltered
 */
function boundSettings(spec: SettingsSpec, caPem: string): Uint8Array | undefined {
  const manifest = manifestOf(spec)
  if (manifest !== undefined) return Buffer.from(manifest.settled, 'base64url')
  const { osProfile, settings, vmId } = spec
  return osProfile === undefined || settings !== 'Requested' ? undefined : settledBy({ osProfile, vmId }, caPem)
}

/** SHA-256 of them. */
export function settingsDigest(spec: SettingsSpec, caPem: string): Buffer | undefined {
  const bound = boundSettings(spec, caPem)
  return bound && createHash('sha256').update(bound).digest()
}

/** What the guest is expected to apply, for the evidence: of a specialised image's VM a guess, which its PCR 14 contradicts. */
export const expectedSettings = (spec: SettingsSpec & Pick<InstanceSpec, 'osProfile'>, caPem: string): Uint8Array =>
  boundSettings(spec, caPem) ?? settledBy(spec, caPem)
