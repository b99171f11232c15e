import { createHash } from 'node:crypto'
import type { AskedSettings } from '@strongroom/contract'
import type { Vm } from './vm-model.ts'

/** Account, keys, password and custom data that the VM was asked for with, for who compares them with what its guest measured into PCR 14. */
export function askedSettings(vm: Vm): AskedSettings | undefined {
  const { model, specialised } = vm.internal
  if (specialised === true) return undefined
  const { adminUsername, sshKeys, customData, password } = model.osProfile
  const data = Buffer.from(customData ?? '', 'base64')
  return {
    adminUsername,
    sshPublicKeys: sshKeys.map(({ keyData }) => keyData),
    ...(data.length > 0 && { customDataSha256: createHash('sha256').update(data).digest('hex') }),
    ...(password !== undefined && { passwordSha256: password.digest }),
  }
}
