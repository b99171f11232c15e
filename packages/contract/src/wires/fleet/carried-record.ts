import { flag, named, object, oneOf, optional, type TypeOf } from '../../shape/index.ts'
import { keyIdentifier, port, registers, sha256 } from '../elements/names.ts'
import { attachedDisks } from '../host/requests.ts'
import { launched, notices, provisioning } from '../host/status.ts'
import { base64 } from '../host/vm.ts'

/**
 * What a VM's next host needs of its last one, which nobody vouches for: every member has a shape, because some become
 * part of QEMU's arguments or of paths there.
 */
export const carriedRecord = named(
  'CarriedRecord',
  object({
    desired: optional(oneOf('running', 'stopped', 'deleted')),
    provisioning: optional(provisioning),
    launched: optional(launched),
    converted: optional(flag),
    notices: optional(notices),
    /** Ignored: the control plane says which disks the VM has. */
    dataDisks: optional(attachedDisks),
    /** Ignored: each host chooses its own. */
    sshPort: optional(port),
    /** Public keys of the vTPM, SubjectPublicKeyInfo. */
    identity: optional(object({ akSpki: base64, ekSpki: base64 })),
    /** PCRs that the OS disk's key is sealed to. */
    sealedTo: optional(registers),
    /** What PCR 15 of every boot begins with. */
    volume: optional(sha256),
    wrappedBy: optional(keyIdentifier),
  }),
)
export type CarriedRecord = TypeOf<typeof carriedRecord>
