import type { ErrorDetail } from '@strongroom/contract'
import { arm, subscriptionPath, versions } from '../wire/arm.ts'
import { readUsages, type Size } from '../sizes/size.ts'
import { readHosts } from '../sizes/hosts.ts'
import { reasonsOf, type Reason } from '../sizes/reasons.ts'
import type { Choice } from './choice.ts'
import { deploymentBody } from './template.ts'

export interface PreFlight {
  /** What prevents creation, known before anything is sent. */
  reasons: Reason[]
  /** What would be created or changed, according to the resource manager's what-if. */
  changes: { id: string; change: string }[]
}

interface WhatIf {
  properties: { changes: { resourceId: string; changeType: string }[] }
}

const deploymentPath = async (choice: Choice): Promise<string> =>
  `${await subscriptionPath()}/providers/Microsoft.Resources/deployments/portal-${encodeURIComponent(choice.name)}`

/** Checks in advance: sizes, quota, and the whole request by what-if. @throws WireError the resource manager's refusal */
export async function preFlight(choice: Choice, sizes: readonly Size[], signal: AbortSignal): Promise<PreFlight> {
  const [usages, hosts] = await Promise.all([readUsages(choice.region, signal), readHosts(signal)])
  const same = sizes.filter(({ name }) => name === choice.size)
  const size = same.find(({ region }) => region === choice.region)
  const wanted = { region: choice.region, encryption: choice.encryption }
  const path = `${await deploymentPath(choice)}/whatIf`
  const { body } = await arm<WhatIf>({
    method: 'POST',
    path,
    version: versions.resources,
    body: deploymentBody(choice),
    signal,
  })
  return {
    reasons: size === undefined ? [] : reasonsOf(size, same, { usages, hosts }, wanted),
    changes: body.properties.changes.map(({ resourceId, changeType }) => ({ id: resourceId, change: changeType })),
  }
}

export interface DeploymentProgress {
  state: string
  /** For each resource, in start order. */
  parts: { id: string; state: string }[]
}

/** Sends the request, which then continues by itself. @throws WireError */
export async function make(choice: Choice): Promise<void> {
  const path = await deploymentPath(choice)
  await arm({ method: 'PUT', path, version: versions.resources, body: deploymentBody(choice) })
}

interface Deployment {
  properties: { provisioningState: string; error?: ErrorDetail }
}
interface DeploymentOperation {
  properties: { provisioningState: string; targetResource?: { id: string } }
}

/** Its progress. @throws WireError */
export async function progressOf(
  choice: Choice,
  signal: AbortSignal,
): Promise<DeploymentProgress & { error?: Deployment['properties']['error'] }> {
  const outer = await deploymentPath(choice)
  const group = `${await subscriptionPath()}/resourceGroups/${encodeURIComponent(choice.group)}`
  const inner = `${group}/providers/Microsoft.Resources/deployments/make-${encodeURIComponent(choice.name)}/operations`
  const [deployment, parts] = await Promise.all([
    arm<Deployment>({ path: outer, version: versions.resources, signal }),
    arm<{ value: DeploymentOperation[] }>({ path: inner, version: versions.resources, signal }).then(
      ({ body }) => body.value,
      (): DeploymentOperation[] => [],
    ),
  ])
  const { provisioningState, error } = deployment.body.properties
  return {
    state: provisioningState,
    parts: parts.flatMap(({ properties: { targetResource, provisioningState: state } }) =>
      targetResource === undefined ? [] : [{ id: targetResource.id, state }],
    ),
    ...(error !== undefined && { error }),
  }
}
