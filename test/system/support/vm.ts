import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { AskedSettings, BootEvidence } from '@strongroom/contract'
import { ArmClient, apiVersions } from '../../../apps/cli/src/client/arm.ts'
import { connect } from '../../../apps/cli/src/client/connection.ts'
import { personalSshKey } from '../../../apps/cli/src/core/ssh-key.ts'
import type { TrustRequest } from '../../../apps/cli/src/trust/report.ts'
import { imageReference, referenceImage, sizeFor, type VmRequest } from '../../../apps/cli/src/up/vm-request.ts'
import type { TestInstallation } from './installation.ts'

export interface Status {
  code: string
  displayStatus?: string
  message?: string
}

export interface VmView {
  id: string
  name: string
  properties: { vmId: string; provisioningState: string; instanceView?: { statuses?: Status[] } }
}

export function statusOf(vm: VmView, prefix: string): Status {
  const found = vm.properties.instanceView?.statuses?.find((status) => status.code.startsWith(prefix))
  if (found === undefined) throw new Error(`no status ${prefix} in ${JSON.stringify(vm.properties.instanceView)}`)
  return found
}

export async function openArm(installation: TestInstallation): Promise<ArmClient> {
  return new ArmClient(await connect(installation.stateDir))
}

/** What `strongroom vm create NAME` asks for. */
export async function defaultRequest(installation: TestInstallation, name: string): Promise<VmRequest> {
  const { publicText } = await personalSshKey(join(installation.home, 'config/strongroom'))
  return {
    name,
    group: 'strongroom',
    size: sizeFor('snp'),
    encryption: 'DiskWithVMGuestState',
    secureBoot: true,
    image: referenceImage,
    adminUsername: 'azureuser',
    sshPublicKeys: [publicText],
  }
}

/** An installation's roots, and a folder beside its state that remembers them, as a person's does. */
export const rootPaths = (stateDir: string): { state: string; config: string } => ({
  state: stateDir,
  config: join(stateDir, '../config'),
})

/** The image and Secure Boot setting of `strongroom vm create NAME`, as the trust report gets them. */
export const defaultAsked: Pick<TrustRequest, 'image' | 'secureBoot'> = {
  image: { by: 'creator', reference: imageReference(referenceImage) },
  secureBoot: true,
}

export type RetrievedBoot = BootEvidence & { asked?: AskedSettings }

export async function readEvidence(installation: TestInstallation, name: string): Promise<RetrievedBoot> {
  const arm = await openArm(installation)
  const path = `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/${name}`
  return (await arm.send('POST', `${path}/retrieveBootEvidence`, apiVersions.compute)).json as RetrievedBoot
}

async function fileOf(installation: TestInstallation, vm: VmView, suffix: string): Promise<string> {
  const machines = join(installation.stateDir, 'machines')
  const folder = (await readdir(machines)).find((name) => name.toLowerCase() === vm.properties.vmId.toLowerCase())
  if (folder === undefined) throw new Error(`no folder of ${vm.properties.vmId} in ${machines}`)
  const found = (await readdir(join(machines, folder))).filter((name) => name.endsWith(suffix))
  if (found.length !== 1) throw new Error(`${found.length} files *${suffix} in ${folder}`)
  return join(machines, folder, found[0]!)
}

export const diskFile = async (installation: TestInstallation, vm: VmView): Promise<string> =>
  await fileOf(installation, vm, '.raw')
export const guestStateFile = async (installation: TestInstallation, vm: VmView): Promise<string> =>
  await fileOf(installation, vm, '.vmgs')

/**
 * An offset inside the kernel's compressed image on the ESP of a raw disk: some way behind the boot protocol's magic
 * "HdrS" at offset 0x202 of the kernel (Documentation/arch/x86/boot.rst).
 */
export async function findKernelByte(disk: string): Promise<number> {
  const handle = await open(disk, 'r')
  try {
    const chunk = new Uint8Array(1 << 20)
    for (let offset = 0; offset < 400 << 20; offset += chunk.length - 16) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset)
      const at = Buffer.from(chunk.buffer, 0, bytesRead).indexOf('HdrS')
      if (at >= 0) return offset + at + 2_000_000
    }
  } finally {
    await handle.close()
  }
  throw new Error('no kernel found on the disk')
}
