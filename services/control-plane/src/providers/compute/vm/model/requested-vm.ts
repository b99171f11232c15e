import type { FirmwareUpdates, ImageReference } from '@strongroom/contract'
import type { FaqRuleId } from '../../../../arm/faq-rule.ts'
import type { Fields } from '../../../../arm/fields.ts'
import type { IdentityRequest } from './vm-identity.ts'
import type { SealedPassword } from '../../../../store/passwords.ts'
import type { DataDisk, SshKey, VmModel, VmNic } from './vm-model.ts'
import type { WantedBackup } from './vm-restore.ts'

/** The contents of a VM request; omitted values are undefined, or the existing VM's. */
export interface VmRequest {
  fields: Fields
  location: string
  tags: Record<string, string>
  zones: string[]
  vmSize: string | undefined
  securityType: string | undefined
  encryption: VmModel['encryption'] | undefined
  encryptionGiven: boolean
  /** ARM id of the set whose key protects the guest state. */
  diskEncryptionSetId: string | undefined
  secureBoot: boolean | undefined
  vTpm: boolean | undefined
  encryptionAtHost: boolean
  image: ImageReference | undefined
  /** Ours: the backup to restore the VM from. */
  restore: WantedBackup | undefined
  osDisk: {
    name: string | undefined
    sizeGiB: number | undefined
    caching: string
    storageAccountType: string
    deleteOption: string | undefined
  }
  osProfile: {
    computerName: string | undefined
    adminUsername: string | undefined
    sshKeys: SshKey[]
    /** Base64. */
    customData: string | undefined
    /** Only if passwords are not disabled. */
    adminPassword: string | undefined
    disablePassword: boolean | undefined
    /** The existing VM's. */
    password: SealedPassword | undefined
    provisionVMAgent: boolean | undefined
    allowExtensionOperations: boolean | undefined
  }
  /** Base64. */
  userData: string | undefined
  bootDiagnostics: boolean | undefined
  nics: VmNic[]
  dataDisks: DataDisk[]
  identity: IdentityRequest
  /** ARM id. */
  availabilitySetId: string | undefined
  /** ARM id of its scale set. */
  scaleSetId: string | undefined
  /** Our addition: ARM id of the provider that attests the VM's boots. */
  attestationProviderId: string | undefined
  /** Ours: which firmware the VM may be launched with. Azure's clients omit it, which leaves it unchanged. */
  firmwareUpdates: FirmwareUpdates | undefined
  /** Ours: minutes in which the owner wants to know before the VM is moved to another host. */
  moveNotice: number | undefined
  /** Dotted paths of sent members that this installation cannot honour. */
  unsupported: { path: string; reason: string; remedy: string; rule?: FaqRuleId }[]
}

export const primaryOf = (nics: readonly VmNic[]): VmNic | undefined => nics.find(({ primary }) => primary) ?? nics[0]
