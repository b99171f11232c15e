import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { invalid, noSuch } from '../../arm/refusals.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { groupPath, type Plane } from '../../types/plane.ts'
import { isOfType } from '../../store/resources.ts'
import { vmType, type Vm, type VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { vmOfAction } from '../../providers/compute/vm/model/vm-record.ts'
import { assignmentType, configurationType } from './configuration-model.ts'

type Assignment = NonNullable<VmInternal['maintenance']>

const view = (vm: Vm, { name, configurationId }: Assignment): Record<string, unknown> => ({
  id: `${vm.id}/providers/${assignmentType}/${name}`,
  name,
  type: assignmentType,
  location: vm.location,
  properties: { maintenanceConfigurationId: configurationId, resourceId: vm.id },
})

/** Which configuration a VM follows: one at most, kept with the VM. */
export function assignmentRoutes(plane: Plane): Route[] {
  const all = `${groupPath}/providers/${vmType}/{name}/providers/${assignmentType}`
  const one = `${all}/{assignment}`
  const action = (verb: string): string => `${assignmentType}/${verb}`
  const found = async (request: ArmRequest): Promise<[Vm, Assignment]> => {
    const vm = await vmOfAction(plane, request)
    const { maintenance } = vm.internal
    if (maintenance?.name.toLowerCase() !== param(request, 'assignment').toLowerCase()) throw notAssigned(request)
    return [vm, maintenance]
  }
  return [
    route.get(all, action('read'), async (request) => {
      const vm = await vmOfAction(plane, request)
      const { maintenance } = vm.internal
      return ok({ value: maintenance === undefined ? [] : [view(vm, maintenance)] })
    }),
    route.get(one, action('read'), async (request) => ok(view(...(await found(request))))),
    route.put(one, action('write'), async (request) => await assign(plane, request)),
    route.delete(one, action('delete'), async (request) => {
      const [vm, maintenance] = await found(request)
      await plane.resources.update<VmInternal>(vm.id, ({ internal }) => void delete internal.maintenance)
      return ok(view(vm, maintenance))
    }),
  ]
}

async function assign(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const name = param(request, 'assignment')
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const target = properties.at('maintenanceConfigurationId')
  const id = properties.text('maintenanceConfigurationId') ?? ''
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/.test(name))
    fields.invalid('name', 'The name of the assignment is invalid.', {
      expected: '1 to 80 letters, digits, _ . -',
      found: name.slice(0, 90),
    })
  fields.assertSound()
  await plane.access.requireLinked(request.caller, request.path, [{ id, action: `${configurationType}/read` }])
  return await plane.resources.transaction(async (tx) => {
    const configuration = await plane.resources.lock(tx, id)
    if (!isOfType(configuration, configurationType))
      throw new ServiceError(
        noSuch('maintenance configuration', id, {
          target,
          type: configurationType,
          remedy: 'Create it first: az maintenance configuration create.',
        }),
      )
    const vmId = request.path.split('/').slice(0, 9).join('/')
    const before = await plane.resources.get<VmInternal>(vmId, tx)
    if (before.location !== configuration.location)
      throw new ServiceError(
        invalid(
          target,
          `The maintenance configuration '${configuration.id}' is in '${configuration.location}', the virtual ` +
            `machine in '${before.location}'.`,
          {
            expected: before.location,
            found: configuration.location,
            remedy: 'Use a configuration in the virtual machine’s region.',
          },
        ),
      )
    const assigned: Assignment = { name, configurationId: configuration.id }
    if (
      before.internal.maintenance !== undefined &&
      before.internal.maintenance.name.toLowerCase() !== name.toLowerCase()
    )
      throw another(before)
    const vm = await plane.resources.change<VmInternal>(
      tx,
      vmId,
      ({ internal }) => void (internal.maintenance = assigned),
    )
    return { status: before.internal.maintenance === undefined ? 201 : 200, body: view(vm ?? before, assigned) }
  })
}

const notAssigned = (request: ArmRequest): ServiceError =>
  new ServiceError({
    code: 'ResourceNotFound',
    status: 404,
    message: `The configuration assignment '${param(request, 'assignment').slice(0, 90)}' was not found.`,
    remedy: 'List them: az maintenance assignment list.',
  })

const another = (vm: Vm): ServiceError =>
  new ServiceError({
    code: 'OperationNotAllowed',
    status: 409,
    message: `The virtual machine '${vm.name}' already follows a maintenance configuration.`,
    target: vm.id,
    expected: 'one assignment',
    found: vm.internal.maintenance?.name ?? '',
    remedy: 'Delete that assignment first: az maintenance assignment delete.',
  })
