import type { SettledCode } from '@strongroom/contract'
import { Fields, withoutNulls } from '../../arm/fields.ts'
import { requireLocation } from '../../arm/regions.ts'
import type { Json } from '../../store/resources.ts'
import type { ScaleSet } from '../../providers/compute/scale-set/scale-set-model.ts'
import { isJson, merged, objectAt } from './members.ts'

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
const keptMembers = ['platformFaultDomainCount', 'singlePlacementGroup', 'upgradePolicy', 'zoneBalance', 'scaleInPolicy', 'constrainedMaximumCapacity', 'resiliencyPolicy'] // prettier-ignore

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
    zones: fields.has('zones') ? fields.texts('zones') : (existing?.body.zones ?? []),
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
  if (!nameForm.test(o.name)) wrong(r, 'InvalidResourceName', 'name', `The resource name '${o.name.slice(0, 90)}' is invalid.`, '1 to 64 letters, digits, _ . -', o.name.slice(0, 90)) // prettier-ignore
  readMode(r, properties, existing)
  readPolicies(r, properties)
  readProfile(r, existing)
  return r
}

const wrong = (
  r: SetRequest,
  code: SettledCode,
  target: string,
  message: string,
  expected: string,
  found: string,
  remedy?: string,
): void => r.fields.problem({ code, message, target, expected, found, ...(remedy !== undefined && { remedy }) })

const notOffered = (r: SetRequest, target: string, message: string, remedy: string): void =>
  r.fields.unsupported(target, message, { expected: 'none', found: 'one', remedy })

function readMode(r: SetRequest, properties: Fields, existing: ScaleSet | undefined): void {
  const mode = properties.oneOf('orchestrationMode', ['Uniform', 'Flexible'])
  const target = properties.at('orchestrationMode')
  if (mode === 'Uniform' && existing !== undefined)
    wrong(r, 'PropertyChangeNotAllowed', target, "Changing property 'orchestrationMode' is not allowed.", 'Flexible', mode, 'Cancel.') // prettier-ignore
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
    wrong(r, 'InvalidParameter', 'platformFaultDomainCount', "Required parameter 'platformFaultDomainCount' is missing (null).", '1 to 3', 'null') // prettier-ignore
  const old = Number(existing?.body.properties['platformFaultDomainCount'] ?? domains)
  if (domains !== undefined && domains !== old)
    wrong(r, 'PropertyChangeNotAllowed', properties.at('platformFaultDomainCount'), "Changing property 'platformFaultDomainCount' is not allowed.", String(old), String(domains)) // prettier-ignore
}

function readPolicies(r: SetRequest, properties: Fields): void {
  const upgrade = properties.object('upgradePolicy')
  const mode = upgrade.oneOf('mode', ['Automatic', 'Manual', 'Rolling'])
  if (mode !== undefined && mode !== 'Manual')
    notOffered(r, upgrade.at('mode'), `Instances are not upgraded automatically: '${mode}' is not offered.`, 'Use Manual: delete instances and scale out again.') // prettier-ignore
  if (properties.flag('overprovision') === true)
    wrong(r, 'InvalidParameter', properties.at('overprovision'), "The value 'True' of parameter 'overprovision' is not allowed. Allowed values are: False.", 'false', 'true') // prettier-ignore
  for (const rule of properties.object('scaleInPolicy').texts('rules'))
    if (!['default', 'newestvm', 'oldestvm'].includes(rule.toLowerCase()))
      wrong(r, 'BadRequest', properties.at('scaleInPolicy.rules'), `Error converting value "${rule.slice(0, 80)}" to type 'VirtualMachineScaleSetScaleInRules'.`, 'Default, NewestVM, OldestVM', rule.slice(0, 80)) // prettier-ignore
  for (const name of [
    'hostGroup',
    'proximityPlacementGroup',
    'automaticRepairsPolicy',
    'spotRestorePolicy',
    'priorityMixPolicy',
    'skuProfile',
    'scheduledEventsPolicy',
  ] as const)
    // prettier-ignore
    if (properties.has(name) && properties.object(name).raw('enabled') !== false)
      notOffered(r, properties.at(name), `'${name}' is not offered.`, `Leave ${name} out.`)
  if (r.fields.has('plan')) notOffered(r, 'plan', 'Images of marketplace plans are not offered.', 'Leave plan out.')
}

/** Settings that no VM request has, and what the readers of a VM's request use. */
function readProfile(r: SetRequest, existing: ScaleSet | undefined): void {
  const { profile } = r
  if (profile === undefined) {
    if (existing === undefined && (r.capacity ?? 0) > 0)
      wrong(r, 'InvalidParameter', 'properties.virtualMachineProfile', "Required parameter 'virtualMachineProfile' is missing (null).", 'a profile', 'null') // prettier-ignore
    return
  }
  if (r.vmSize === undefined)
    wrong(r, 'InvalidParameter', 'sku.name', "Required parameter 'sku.name' is missing (null).", 'a size', 'null')
  const fields = new Fields(profile, 'properties.virtualMachineProfile', r.fields.problems)
  if (fields.object('extensionProfile').list('extensions').length > 0)
    notOffered(r, fields.at('extensionProfile'), 'There are no extensions: no operator’s code runs in guests.', 'Leave extensionProfile out; az vm run-command runs scripts.') // prettier-ignore
  const network = fields.object('networkProfile')
  const configurations = network.list('networkInterfaceConfigurations')
  if (configurations.length === 0)
    wrong(r, 'InvalidParameter', network.at('networkInterfaceConfigurations'), "Required parameter 'networkProfile.networkInterfaceConfigurations' is missing (null).", 'at least one', 'none') // prettier-ignore
  if (!network.has('networkApiVersion'))
    wrong(r, 'InvalidParameter', network.at('networkApiVersion'), "Required parameter 'networkProfile.networkApiVersion' is missing (null).", '2020-11-01', 'null') // prettier-ignore
  if (network.object('healthProbe').has('id'))
    notOffered(r, network.at('healthProbe'), 'Instances are not probed.', 'Leave healthProbe out.') // prettier-ignore
  if (fields.object('osProfile').has('adminPassword'))
    notOffered(r, fields.at('osProfile.adminPassword'), 'Accounts of a scale set’s instances use SSH keys: a password would have to be stored for later instances.', 'Use SSH keys: --generate-ssh-keys.') // prettier-ignore
  for (const disk of fields.object('storageProfile').list('dataDisks'))
    if (disk.object('managedDisk').has('id'))
      wrong(r, 'InvalidParameter', disk.at('managedDisk.id'), 'A disk belongs to one VM: instances of a scale set have their own disks.', 'no id', 'one', 'Use createOption Empty.') // prettier-ignore
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
  const assigned = objectAt(identity, 'userAssignedIdentities')
  return { type, ...(Object.keys(assigned).length > 0 && { userAssignedIdentities: Object.fromEntries(Object.keys(assigned).map((id) => [id, {}])) }) } // prettier-ignore
}
