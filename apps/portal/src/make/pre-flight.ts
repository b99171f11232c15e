import { arm, get, run, subscriptionPath, versions } from '../wire/arm.ts'
import { WireError } from '../wire/wire-error.ts'
import { readUsages, type Size } from '../sizes/size.ts'
import { readHosts } from '../sizes/hosts.ts'
import { reasonsOf, type Reason } from '../sizes/reasons.ts'
import type { Choice } from './choice.ts'
import { deploymentBody, groupTemplate, machineBody, networkOf, networkTemplate } from './template.ts'

/** The machine that has the name already. */
export interface Existing {
  size: string
  state: string
}

export interface PreFlight {
  /** A machine of this name in the group: making one would change it. */
  existing?: Existing
  /** What prevents creation, known before anything is sent. */
  reasons: Reason[]
  /** What would be created or changed, according to the resource manager's what-if. */
  changes: { id: string; change: string }[]
}

interface WhatIf {
  properties: { changes: { resourceId: string; changeType: string }[] }
}

const groupPath = async ({ group }: Choice): Promise<string> =>
  `${await subscriptionPath()}/resourceGroups/${encodeURIComponent(group)}`
const machinePath = async (choice: Choice): Promise<string> =>
  `${await groupPath(choice)}/providers/Microsoft.Compute/virtualMachines/${encodeURIComponent(choice.name)}`

const deploymentPath = async (choice: Choice): Promise<string> =>
  `${await subscriptionPath()}/providers/Microsoft.Resources/deployments/portal-${encodeURIComponent(choice.name)}`

interface MachineState {
  properties: { provisioningState: string; hardwareProfile: { vmSize: string } }
}

/** @throws WireError if it is neither there nor missing */
async function readMachine(choice: Choice, signal?: AbortSignal): Promise<Existing | undefined> {
  try {
    const { properties } = await get<MachineState>(await machinePath(choice), versions.compute, signal)
    return { size: properties.hardwareProfile.vmSize, state: properties.provisioningState }
  } catch (error) {
    if (error instanceof WireError && error.status === 404) return undefined
    throw error
  }
}

/** Checks in advance: name, sizes, quota, and the whole request by what-if. @throws WireError the resource manager's refusal */
export async function preFlight(choice: Choice, sizes: readonly Size[], signal: AbortSignal): Promise<PreFlight> {
  const existing = await readMachine(choice, signal)
  if (existing !== undefined) return { existing, reasons: [], changes: [] }
  const [usages, hosts] = await Promise.all([readUsages(choice.region, signal), readHosts(signal)])
  const same = sizes.filter(({ name }) => name === choice.size)
  const size = same.find(({ region }) => region === choice.region)
  const wanted = { region: choice.region, encryption: choice.encryption }
  const path = `${await deploymentPath(choice)}/whatIf`
  const { body } = await arm<WhatIf>({
    method: 'POST',
    path,
    version: versions.resources,
    body: deploymentBody(choice, groupTemplate(choice)),
    signal,
  })
  return {
    reasons: size === undefined ? [] : reasonsOf(size, same, { usages, hosts }, wanted),
    changes: body.properties.changes.map(({ resourceId, changeType }) => ({ id: resourceId, change: changeType })),
  }
}

/**
 * Makes what the machine needs, then the machine, and waits for its first boot. A machine that got the name meanwhile stays
 * as it is.
 * @param accepted called once the machine is being made, which continues without this page
 * @throws WireError VmExists or, from the resource manager, PreconditionFailed if there is a machine of the name
 */
export async function make(choice: Choice, accepted: () => void): Promise<void> {
  // The network is that of the machine of the name, too.
  if ((await readMachine(choice)) !== undefined)
    throw new WireError(412, { code: 'VmExists', message: `There is a machine named ${choice.name}.` })
  const body = deploymentBody(choice, networkTemplate(choice))
  await run({ method: 'PUT', path: await deploymentPath(choice), version: versions.resources, body })
  const interfaceId = `${await groupPath(choice)}/providers/Microsoft.Network/networkInterfaces/${networkOf(choice).interface}`
  const path = await machinePath(choice)
  const machine = { path, version: versions.compute, body: machineBody(choice, interfaceId) }
  await run({ method: 'PUT', ...machine, onlyNew: true }, accepted)
}

export interface Part {
  id: string
  state: string
}

interface DeploymentOperation {
  properties: { provisioningState: string; targetResource?: { id: string } }
}

/** What is being made, in start order. @param begun whether the machine is */
export async function partsOf(choice: Choice, begun: boolean, signal: AbortSignal): Promise<Part[]> {
  const inner = `${await groupPath(choice)}/providers/Microsoft.Resources/deployments/make-${encodeURIComponent(choice.name)}/operations`
  const [parts, machine] = await Promise.all([
    get<{ value: DeploymentOperation[] }>(inner, versions.resources, signal).then(
      ({ value }) => value,
      (): DeploymentOperation[] => [],
    ),
    begun ? readMachine(choice, signal) : undefined,
  ])
  const network = parts.flatMap(({ properties: { targetResource, provisioningState: state } }) =>
    targetResource === undefined ? [] : [{ id: targetResource.id, state }],
  )
  return machine === undefined ? network : [...network, { id: await machinePath(choice), state: machine.state }]
}
