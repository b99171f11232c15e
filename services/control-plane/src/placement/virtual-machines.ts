import {
  localHostName,
  type AskedBy,
  type RetrievedEvidence,
  type VmConnection,
  type VmPlacement,
  type AskedSettings,
} from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import { createHash } from 'node:crypto'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { faqRule } from '../arm/faq-rule.ts'
import { accepted, asyncHeaders } from '../arm/operations.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { ok, type ArmReply, type ArmRequest } from '../arm/request.ts'
import type { Plane } from '../types/plane.ts'
import type { Answers, AtResource, ResourceType } from '../types/resource-type.ts'
import { configurationType } from './maintenance/configuration-model.ts'
import { alongVm } from './vm/vm-along.ts'
import { attachDetach, attachDetachRoutes } from './attach-detach.ts'
import { availabilitySetType } from '../providers/compute/availability-set/set-model.ts'
import { retrieveBootDiagnosticsData } from '../providers/compute/vm/boot-diagnostics.ts'
import { completeRestore, createBackup, retrieveBackup, retrieveRestore } from '../providers/compute/vm/vm-backup.ts'
import { metersOfVm } from '../providers/compute/disk/disk-meters.ts'
import { updateSaga } from '../providers/compute/disk/disk-sagas.ts'
import { scaleSetType } from '../providers/compute/scale-set/scale-set-model.ts'
import { setType } from '../providers/compute/disk/stored/stored-disk.ts'
import { healthRoutes } from '../providers/compute/vm/insights/vm-health.ts'
import { metricRoutes } from '../providers/compute/vm/insights/vm-metrics.ts'
import { extensionRoutes } from '../providers/compute/vm/extension/extensions.ts'
import { refusedRoutes } from '../providers/compute/vm/refused-actions.ts'
import { runCommand, runCommandRoutes } from '../providers/compute/vm/run-command/run-command-routes.ts'
import { convertSaga } from '../providers/compute/vm/conversion/vm-conversion.ts'
import { rekeySaga, rekeyVm } from '../providers/compute/vm/vm-rekey.ts'
import { performMaintenance } from '../providers/compute/vm/planned-maintenance.ts'
import { retrieveFreshQuote } from '../providers/compute/vm/vm-fresh-quote.ts'
import { updateSecureBootVariables } from '../providers/compute/vm/secure-boot-updates.ts'
import { generalizing } from '../providers/compute/vm/vm-generalize.ts'
import { removeIdentities } from '../providers/compute/vm/model/vm-identity.ts'
import { deallocateSaga, powerOffSaga } from '../providers/compute/vm/vm-stop-sagas.ts'
import { resizeSaga } from './vm/vm-resize.ts'
import { deleteSaga } from './vm/vm-removal.ts'
import { createSaga, restartSaga, startSaga } from './vm/vm-sagas.ts'
import { convertsInto } from '../providers/compute/vm/conversion/conversion-rules.ts'
import { allSizes, findSize, isOffered, type Size } from '../providers/compute/size/sizes.ts'
import { sizeView } from '../providers/compute/catalog/catalog.ts'
import { diskType, vmType, type Vm, type VmInternal } from '../providers/compute/vm/model/vm-model.ts'
import { deallocateVm, deleteVm, powerOffVm, reapplyVm, restartVm, startVm } from './vm-power.ts'
import { vmMembers } from '../providers/compute/vm/vm-members.ts'
import { instanceView, instanceViews, vmView } from '../providers/compute/vm/vm-view.ts'
import { writeVm } from './vm-write/write-vm.ts'

/** An operation on a VM. */
const action =
  (run: (plane: Plane, asker: AskedBy, vm: Vm, request: ArmRequest) => Promise<Operation>): AtResource<VmInternal> =>
  async (plane, request, vm) =>
    accepted(plane, request, vm, await run(plane, onBehalfOf(request), vm, request))

const powerActions: Answers<VmInternal> = {
  start: action(startVm),
  restart: action(restartVm),
  // Moving a VM off its host means rebooting it; a fleet only moves VMs of lost hosts.
  redeploy: action(restartVm),
  reapply: action(reapplyVm),
  deallocate: action(deallocateVm),
  powerOff: action(
    async (plane, asker, vm, { query }) =>
      await powerOffVm(plane, asker, vm, query['skipshutdown']?.toLowerCase() !== 'true'),
  ),
}

export const virtualMachines: ResourceType<VmInternal> = {
  spelling: vmType,
  members: vmMembers,
  refersTo: [
    'Microsoft.Attestation/attestationProviders',
    'Microsoft.ManagedIdentity/userAssignedIdentities',
    'Microsoft.Network/networkInterfaces',
    availabilitySetType,
    scaleSetType,
    diskType,
    setType,
    configurationType,
  ],
  listed: ofScaleSet,
  view,
  create: write,
  change: write,
  actions: {
    ...powerActions,
    ...generalizing,
    rekey: action(rekeyVm),
    updateSecureBootVariables,
    performMaintenance,
    attachDetachDataDisks: attachDetach,
    runCommand,
    retrieveBootDiagnosticsData,
    createBackup,
    retrieveBackup,
    retrieveRestore,
    completeRestore,
    retrieveBootEvidence: async (plane, _request, vm) => ok(await bootEvidence(plane, vm)),
    retrieveFreshQuote,
    retrievePlacement: async (plane, _request, { internal: { vmId } }) =>
      ok(
        (await plane.fleet.compute?.views.placementOf(vmId)) ??
          ({ host: localHostName, epoch: 0 } satisfies VmPlacement),
      ),
    retrieveConnection: async (plane, _request, vm) => ok(await connection(plane, vm)),
  },
  reads: {
    instanceView: async (plane, _request, vm) => ok(await instanceView(plane, vm)),
    vmSizes: async (_plane, _request, vm) => ok({ value: sizesFor(vm).map(sizeView) }),
  },
  routes: (plane) => [
    ...attachDetachRoutes(plane),
    ...runCommandRoutes(plane),
    ...metricRoutes(plane),
    ...healthRoutes(plane),
    ...refusedRoutes(plane),
    ...extensionRoutes(plane),
  ],
  along: alongVm,
  remove: deleteVm,
  forget: async (plane, asker, vm) => {
    await removeIdentities(plane, vm)
    await plane.host.remove(vm.internal.vmId)
    await plane.keys.destroy(asker, vm.internal.vmId)
  },
  meters: metersOfVm,
  define: (plane) => {
    for (const saga of [createSaga, startSaga, restartSaga, resizeSaga, deallocateSaga, deleteSaga])
      plane.runner.define(saga(plane))
    plane.runner.define(powerOffSaga(plane))
    plane.runner.define(updateSaga(plane))
    plane.runner.define(convertSaga(plane))
    plane.runner.define(rekeySaga(plane))
  },
}

/** Azure's `$filter='virtualMachineScaleSet/id' eq '…'`, which `az vm list --vmss` sends. */
function ofScaleSet({ query }: ArmRequest, vm: Vm): boolean {
  const set = /^'?virtualMachineScaleSet\/id'? eq '([^']{1,500})'$/i.exec(query['$filter'] ?? '')?.[1]
  return set === undefined || keyOf(vm.internal.model.scaleSet?.id ?? '') === keyOf(set)
}

async function view(plane: Plane, vm: Vm, request: ArmRequest, listed: boolean): Promise<Record<string, unknown>> {
  if (listed)
    return request.query['statusonly']?.toLowerCase() === 'true' ? await listedView(plane, vm, request) : vmView(vm)
  const expand = (request.query['$expand'] ?? '').toLowerCase()
  const body = expand.includes('instanceview') ? vmView(vm, await instanceView(plane, vm)) : vmView(vm)
  const { userData } = vm.internal.model
  if (!expand.includes('userdata') || userData === undefined) return body
  return { ...body, properties: { ...(body['properties'] as object), userData } }
}

/** One host request for everything that one list needs. */
const viewsOfList = new WeakMap<ArmRequest, ReturnType<typeof instanceViews>>()

/** Azure's `statusOnly=true`: each VM of a list with its instance view. */
async function listedView(plane: Plane, vm: Vm, request: ArmRequest): Promise<Record<string, unknown>> {
  const views = viewsOfList.get(request) ?? instanceViews(plane)
  viewsOfList.set(request, views)
  return vmView(vm, await views(vm))
}

async function write(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const { vm, created, operation } = await writeVm(plane, request)
  const headers = { etag: `W/"${vm.etag}"` }
  if (operation === undefined) return { status: 200, body: vmView(vm), headers }
  const where = { subscriptionId: plane.subscriptionId, location: vm.location, operationId: operation.id }
  return { status: created ? 201 : 200, body: vmView(vm), headers: { ...headers, ...asyncHeaders(request, where) } }
}

/** Sizes that a VM may change to. */
function sizesFor({ location, internal: { model, tee } }: Vm): Size[] {
  const own = findSize(model.vmSize)
  const fits = (size: Size): boolean =>
    size.tee === tee
      ? own === undefined || size.tempGiB > 0 === own.tempGiB > 0
      : own !== undefined && convertsInto(own, size)
  return allSizes().filter((size) => isOffered(size, location) && fits(size))
}

async function bootEvidence(plane: Plane, vm: Vm): Promise<RetrievedEvidence> {
  if (vm.internal.model.securityType !== 'ConfidentialVM') throw notConfidential(vm)
  const evidence = await plane.host.evidence(vm.internal.vmId)
  const asked = askedSettings(vm)
  if (evidence !== undefined) return { ...evidence, ...(asked && { asked }) }
  throw new ServiceError({
    code: 'BootEvidenceNotFound',
    message: `The virtual machine '${vm.name}' has not booted: there is no evidence of a boot.`,
    remedy: 'Start the VM.',
  })
}

const notConfidential = (vm: Vm): ServiceError =>
  new ServiceError({
    code: 'NotConfidential',
    status: 409,
    message:
      `The virtual machine '${vm.name}' is not confidential: no processor measured it, and its host can read and ` +
      'change everything in it.',
    expected: 'ConfidentialVM',
    found: vm.internal.model.securityType,
    remedy: 'Create a confidential VM: this one cannot become one.',
    details: [faqRule('S18')],
  })

async function connection(plane: Plane, vm: Vm): Promise<VmConnection> {
  const status = await plane.host.find(vm.internal.vmId)
  const { adminUsername } = vm.internal.model.osProfile
  if (status?.power.state === 'Ready' && status.ssh !== undefined)
    return { ssh: { ...status.ssh, user: adminUsername }, adminUsername }
  const isReady = status?.power.state === 'Ready'
  const carried = plane.fleet.ssh && (await plane.fleet.compute?.views.placementOf(vm.internal.vmId))
  if (isReady && plane.fleet.ssh !== undefined && carried !== undefined && carried.epoch > 0)
    return { ssh: { ...(await plane.fleet.ssh.addressOf(vm.internal.vmId)), user: adminUsername }, adminUsername }
  const noGuest = isReady
  throw new ServiceError({
    code: 'VmNotReady',
    message: noGuest
      ? `The VM '${vm.name}' has no guest: this installation creates VMs without guests (--compute simulated).`
      : `The guest of '${vm.name}' cannot be reached at the moment.`,
    expected: noGuest ? 'an installation with guests' : 'a VM that is running',
    found: status?.power.state ?? 'no instance',
    remedy: noGuest
      ? 'Create it in an installation with guests: strongroom up.'
      : 'Start the VM and wait until it is ready.',
  })
}

/** The requested account, keys, password and custom data, for comparison with what the guest measured into PCR 14. */
function askedSettings(vm: Vm): AskedSettings | undefined {
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
