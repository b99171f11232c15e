import { Fields, withoutNulls } from '../../arm/fields.ts'
import { requireLocation } from '../../arm/regions.ts'
import type { Json } from '../../store/resources.ts'
import type { ScaleSet } from '../../providers/compute/scale-set/scale-set-model.ts'
import { isJson, merged } from './members.ts'
import { mostIdentities } from '../../types/references.ts'
import { mostOfVm } from '../../providers/compute/size/sizes.ts'

/** A request for a scale set, merged over the existing one. Malformed values are reported in its fields. */
export interface SetRequest {
  fields: Fields
  location: string
  tags: Record<string, string>
  zones: string[]
  identity: Json | undefined
  vmSize: string | undefined
  /** Undefined if no number was given. */
  capacity: number | undefined
  profile: Json | undefined
  /** Properties stored and shown as sent. */
  kept: Json
}

/** Azure's limit for one set with flexible orchestration. */
const mostInstances = 1000
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$/
const keptMembers = [
  'platformFaultDomainCount',
  'singlePlacementGroup',
  'upgradePolicy',
  'zoneBalance',
  'scaleInPolicy',
  'constrainedMaximumCapacity',
  'resiliencyPolicy',
]

export function readSet(
  body: unknown,
  o: { name: string; groupLocation: string; existing: ScaleSet | undefined },
): SetRequest {
  const { existing } = o
  const fields = new Fields(body)
  const properties = fields.object('properties')
  const given = (withoutNulls(properties.raw('virtualMachineProfile')) ?? undefined) as Json | undefined
  const before = existing?.internal.profile
  const profile = given === undefined ? before : merged(before ?? {}, isJson(given) ? given : {})
  if (given !== undefined) properties.object('virtualMachineProfile')
  const sku = fields.object('sku')
  const r: SetRequest = {
    fields,
    location: requireLocation(fields, fields.text('location') ?? existing?.location ?? o.groupLocation),
    tags: fields.textMap('tags') ?? existing?.body.tags ?? {},
    zones: fields.has('zones') ? fields.texts('zones', 3) : (existing?.body.zones ?? []),
    identity: readIdentity(fields) ?? existing?.body.identity,
    vmSize: sku.text('name') ?? existing?.internal.vmSize,
    capacity: sku.integer('capacity', 0, mostInstances),
    profile,
    kept: Object.fromEntries(
      keptMembers.flatMap((name) => {
        const value: unknown = withoutNulls(properties.raw(name)) ?? existing?.body.properties[name]
        return value === undefined || value === null ? [] : [[name, value]]
      }),
    ),
  }
  if (!nameForm.test(o.name))
    r.fields.problem({
      code: 'InvalidResourceName',
      target: 'name',
      message: `The resource name '${o.name.slice(0, 90)}' is invalid.`,
      expected: '1 to 64 letters, digits, _ . -',
      found: o.name.slice(0, 90),
    })
  readMode(r, properties, existing)
  readPolicies(r, properties)
  readProfile(r, existing)
  return r
}

const notOffered = (r: SetRequest, target: string, message: string, remedy: string): void =>
  r.fields.unsupported(target, message, { expected: 'none', found: 'one', remedy })

function readMode(r: SetRequest, properties: Fields, existing: ScaleSet | undefined): void {
  const mode = properties.oneOf('orchestrationMode', ['Uniform', 'Flexible'])
  const target = properties.at('orchestrationMode')
  if (mode === 'Uniform' && existing !== undefined)
    r.fields.problem({
      code: 'PropertyChangeNotAllowed',
      target,
      message: "Changing property 'orchestrationMode' is not allowed.",
      expected: 'Flexible',
      found: mode,
      remedy: 'Cancel.',
    })
  else // Azure defaults to Uniform.
  if (mode === 'Uniform' || (mode === undefined && existing === undefined && !properties.has('orchestrationMode')))
    r.fields.problem({
      code: 'OperationNotAllowed',
      status: 409,
      message: 'Virtual Machine Scale Sets with Uniform orchestration mode are not supported in this region.',
      target,
      expected: 'Flexible',
      found: mode ?? 'null, which is Uniform',
      remedy:
        'Use the flexible mode: az vmss create --orchestration-mode Flexible; "orchestrationMode": "Flexible" in templates.',
    })
  const domains = properties.integer('platformFaultDomainCount', 1, 5)
  if (existing === undefined && domains === undefined && !properties.has('platformFaultDomainCount'))
    r.fields.problem({
      code: 'InvalidParameter',
      target: 'platformFaultDomainCount',
      message: "Required parameter 'platformFaultDomainCount' is missing (null).",
      expected: '1 to 3',
      found: 'null',
    })
  const old = Number(existing?.body.properties['platformFaultDomainCount'] ?? domains)
  if (domains !== undefined && domains !== old)
    r.fields.problem({
      code: 'PropertyChangeNotAllowed',
      target: properties.at('platformFaultDomainCount'),
      message: "Changing property 'platformFaultDomainCount' is not allowed.",
      expected: String(old),
      found: String(domains),
    })
}

function readPolicies(r: SetRequest, properties: Fields): void {
  const upgrade = properties.object('upgradePolicy')
  const mode = upgrade.oneOf('mode', ['Automatic', 'Manual', 'Rolling'])
  if (mode !== undefined && mode !== 'Manual')
    notOffered(
      r,
      upgrade.at('mode'),
      `Instances are not upgraded automatically: '${mode}' is not offered.`,
      'Use Manual: delete instances and scale out again.',
    )
  if (properties.flag('overprovision') === true)
    r.fields.problem({
      code: 'InvalidParameter',
      target: properties.at('overprovision'),
      message: "The value 'True' of parameter 'overprovision' is not allowed. Allowed values are: False.",
      expected: 'false',
      found: 'true',
    })
  for (const rule of properties.object('scaleInPolicy').texts('rules', 3))
    if (!['default', 'newestvm', 'oldestvm'].includes(rule.toLowerCase()))
      r.fields.problem({
        code: 'BadRequest',
        target: properties.at('scaleInPolicy.rules'),
        message: `Error converting value "${rule.slice(0, 80)}" to type 'VirtualMachineScaleSetScaleInRules'.`,
        expected: 'Default, NewestVM, OldestVM',
        found: rule.slice(0, 80),
      })
  for (const name of [
    'hostGroup',
    'proximityPlacementGroup',
    'automaticRepairsPolicy',
    'spotRestorePolicy',
    'priorityMixPolicy',
    'skuProfile',
    'scheduledEventsPolicy',
  ] as const)
    if (properties.has(name) && properties.object(name).raw('enabled') !== false)
      notOffered(r, properties.at(name), `'${name}' is not offered.`, `Leave ${name} out.`)
  if (r.fields.has('plan')) notOffered(r, 'plan', 'Images of marketplace plans are not offered.', 'Leave plan out.')
}

/** Settings that no VM request has, and what the readers of a VM's request use. */
function readProfile(r: SetRequest, existing: ScaleSet | undefined): void {
  const { profile } = r
  if (profile === undefined) {
    if (existing === undefined && (r.capacity ?? 0) > 0)
      r.fields.problem({
        code: 'InvalidParameter',
        target: 'properties.virtualMachineProfile',
        message: "Required parameter 'virtualMachineProfile' is missing (null).",
        expected: 'a profile',
        found: 'null',
      })
    return
  }
  if (r.vmSize === undefined)
    r.fields.problem({
      code: 'InvalidParameter',
      target: 'sku.name',
      message: "Required parameter 'sku.name' is missing (null).",
      expected: 'a size',
      found: 'null',
    })
  const fields = new Fields(profile, 'properties.virtualMachineProfile', r.fields.problems)
  if (fields.object('extensionProfile').list('extensions', 32).length > 0)
    notOffered(
      r,
      fields.at('extensionProfile'),
      'There are no extensions: no operator’s code runs in guests.',
      'Leave extensionProfile out; az vm run-command runs scripts.',
    )
  const network = fields.object('networkProfile')
  const configurations = network.list('networkInterfaceConfigurations', mostOfVm)
  if (configurations.length === 0)
    r.fields.problem({
      code: 'InvalidParameter',
      target: network.at('networkInterfaceConfigurations'),
      message: "Required parameter 'networkProfile.networkInterfaceConfigurations' is missing (null).",
      expected: 'at least one',
      found: 'none',
    })
  if (!network.has('networkApiVersion'))
    r.fields.problem({
      code: 'InvalidParameter',
      target: network.at('networkApiVersion'),
      message: "Required parameter 'networkProfile.networkApiVersion' is missing (null).",
      expected: '2020-11-01',
      found: 'null',
    })
  if (network.object('healthProbe').has('id'))
    notOffered(r, network.at('healthProbe'), 'Instances are not probed.', 'Leave healthProbe out.')
  if (fields.object('osProfile').has('adminPassword'))
    notOffered(
      r,
      fields.at('osProfile.adminPassword'),
      'Accounts of a scale set’s instances use SSH keys: a password would have to be stored for later instances.',
      'Use SSH keys: --generate-ssh-keys.',
    )
  for (const disk of fields.object('storageProfile').list('dataDisks', mostOfVm))
    if (disk.object('managedDisk').has('id'))
      r.fields.problem({
        code: 'InvalidParameter',
        target: disk.at('managedDisk.id'),
        message: 'A disk belongs to one VM: instances of a scale set have their own disks.',
        expected: 'no id',
        found: 'one',
        remedy: 'Use createOption Empty.',
      })
}

/** Instances act only as user-assigned identities, as on Azure. */
function readIdentity(fields: Fields): Json | undefined {
  const identity = withoutNulls(fields.raw('identity'))
  if (!isJson(identity)) return undefined
  const type = fields.object('identity').text('type') ?? 'None'
  if (/systemassigned/i.test(type))
    fields.invalid(
      'identity',
      `The value '${type.slice(0, 60)}' of parameter 'identity' is not allowed. Allowed values are: UserAssigned, None.`,
      {
        expected: 'UserAssigned, None',
        found: type.slice(0, 60),
        remedy: 'Use a user-assigned identity: az identity create.',
      },
    )
  const assigned = (fields.object('identity').members('userAssignedIdentities', mostIdentities) ?? []).filter(
    ([, member]) => member !== null,
  )
  return {
    type,
    ...(assigned.length > 0 && {
      userAssignedIdentities: Object.fromEntries(assigned.map(([id]) => [id, {}])),
    }),
  }
}
