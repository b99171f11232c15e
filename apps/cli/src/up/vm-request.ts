import type { FirmwareUpdates, ImageReference } from '@strongroom/contract'
import type { Response } from '../core/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { apiVersions, type ArmClient, type OnSteps } from '../client/arm.ts'
import { findVm, vmExists } from './existing-vm.ts'
import { groupPath, prepareNetwork, takeBack } from './vm-network.ts'

export interface VmRequest {
  name: string
  group: string
  size: string
  /** Default: ConfidentialVM. */
  securityType?: string
  encryption: string
  secureBoot: boolean
  image: string
  adminUsername: string
  sshPublicKeys: string[]
  /** Resource id; default: the region’s shared provider. */
  attestationProvider?: string
  /** Which firmware it may be launched with; default `Listed`. */
  firmwareUpdates?: FirmwareUpdates
  systemAssigned?: boolean
  /** Base64. */
  customData?: string
  /** Base64. */
  userData?: string
  /** Resource id of a disk-encryption set; default: the platform's key only. */
  diskEncryptionSet?: string
}

export const defaultGroup = 'strongroom'
export const defaultAdmin = 'azureuser'
export const referenceImage = 'Strongroom:debian-13:cvm:latest'
export const sizeFor = (tee: string): string => {
  if (tee === 'snp') return 'Standard_DC2as_v5'
  if (tee === 'tdx') return 'Standard_DC2es_v5'
  throw new CliError({
    code: 'InvalidArgument',
    message: `There is no TEE '${tee}'.`,
    expected: 'snp or tdx',
    found: tee,
    remedy: 'Use --tee snp or --tee tdx.',
    exitCode: exitCodes.usage,
  })
}

export const vmPath = (arm: ArmClient, group: string, name: string): string =>
  `${groupPath(arm, group)}/providers/Microsoft.Compute/virtualMachines/${name}`

/** From a URN or a resource id. @throws CliError InvalidArgument */
export function imageReference(image: string): ImageReference {
  if (image.startsWith('/')) return { id: image }
  const [publisher, offer, sku, version = 'latest'] = image.split(':')
  if (publisher === undefined || offer === undefined || sku === undefined) {
    throw new CliError({
      code: 'InvalidArgument',
      message: `'${image}' is not an image.`,
      expected: 'publisher:offer:sku:version, or a resource id',
      found: image,
      remedy: 'List images with `strongroom image list`.',
      exitCode: exitCodes.usage,
    })
  }
  return { publisher, offer, sku, version }
}

/**
 * Creates a VM with the resources it needs, like `az vm create`.
 * @param accepted called once the server has accepted the request
 * @throws CliError VmExists
 */
export async function createVm(
  arm: ArmClient,
  request: VmRequest,
  onSteps?: OnSteps,
  accepted: () => Promise<void> = async () => {},
): Promise<void> {
  const response = await sendNewVm(arm, request, async () => vmBody(arm, request))
  await accepted()
  await arm.follow(response, onSteps)
}

/**
 * Sends the request for a new VM, with the network it needs. A refused request leaves nothing; a VM of this name, however
 * recently it was created, stays as it is.
 * @param bodyOf may create more for it, and adds the ids of that to `made`
 * @throws CliError VmExists
 */
export async function sendNewVm(
  arm: ArmClient,
  request: VmRequest,
  bodyOf: (made: string[]) => Promise<unknown>,
): Promise<Response> {
  const path = vmPath(arm, request.group, request.name)
  const existing = await findVm(arm, path)
  if (existing !== undefined) throw vmExists(request, existing)
  const made = await prepareNetwork(arm, request)
  try {
    const response = await arm.create(path, apiVersions.compute, await bodyOf(made))
    if (response !== undefined) return response
    throw vmExists(request, await findVm(arm, path))
  } catch (error) {
    // A VM that was accepted and failed stays, for inspection. Another's may use what was created here.
    if ((await findVm(arm, path)) === undefined) await takeBack(arm, made)
    throw error
  }
}

export function vmBody(arm: ArmClient, request: VmRequest): unknown {
  const network = `${groupPath(arm, request.group)}/providers/Microsoft.Network`
  const type = request.securityType ?? 'ConfidentialVM'
  return {
    location: arm.region,
    ...(request.systemAssigned === true && { identity: { type: 'SystemAssigned' } }),
    properties: {
      hardwareProfile: { vmSize: request.size },
      ...(type !== 'Standard' && {
        securityProfile: {
          securityType: type,
          uefiSettings: { secureBootEnabled: request.secureBoot, vTpmEnabled: true },
          ...(request.attestationProvider !== undefined && {
            attestationProvider: { id: request.attestationProvider },
          }),
          ...(request.firmwareUpdates !== undefined && { firmwareUpdates: request.firmwareUpdates }),
        },
      }),
      ...(request.userData !== undefined && { userData: request.userData }),
      storageProfile: {
        imageReference: imageReference(request.image),
        osDisk: {
          createOption: 'FromImage',
          deleteOption: 'Delete',
          ...(type === 'ConfidentialVM' && {
            managedDisk: {
              securityProfile: {
                securityEncryptionType: request.encryption,
                ...(request.diskEncryptionSet !== undefined && {
                  diskEncryptionSet: { id: request.diskEncryptionSet },
                }),
              },
            },
          }),
        },
      },
      osProfile: {
        computerName: request.name,
        adminUsername: request.adminUsername,
        ...(request.customData !== undefined && { customData: request.customData }),
        linuxConfiguration: {
          disablePasswordAuthentication: true,
          ssh: {
            publicKeys: request.sshPublicKeys.map((keyData) => ({
              path: `/home/${request.adminUsername}/.ssh/authorized_keys`,
              keyData,
            })),
          },
        },
      },
      networkProfile: {
        networkInterfaces: [
          { id: `${network}/networkInterfaces/${request.name}VMNic`, properties: { deleteOption: 'Delete' } },
        ],
      },
    },
  }
}
