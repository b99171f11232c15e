import { apiVersions, type ArmClient } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'

interface ExistingVm {
  properties: { provisioningState: string; hardwareProfile: { vmSize: string } }
}

/** @throws CliError if the server answers anything other than that it does not exist */
export async function findVm(arm: ArmClient, path: string): Promise<ExistingVm | undefined> {
  try {
    return await arm.get<ExistingVm>(path, apiVersions.compute)
  } catch (error) {
    if (error instanceof CliError && error.exitCode === exitCodes.notFound) return undefined
    throw error
  }
}

/** Creating over a VM would resize it, restart it, or repeat its creation. @param found undefined if it is gone again */
export function vmExists(o: { name: string; group: string }, found: ExistingVm | undefined): CliError {
  const { provisioningState = 'deleted meanwhile', hardwareProfile } = found?.properties ?? {}
  return new CliError({
    code: 'VmExists',
    message: `The resource group '${o.group}' has a VM named '${o.name}'. Nothing was changed.`,
    target: o.name,
    expected: 'a name that no VM of the group has',
    found: hardwareProfile === undefined ? provisioningState : `${hardwareProfile.vmSize}, ${provisioningState}`,
    remedy: remedyFor(`${o.name} -g ${o.group}`, provisioningState),
  })
}

function remedyFor(which: string, state: string): string {
  const replace = `for a new one, delete this one with its disks and keys first: strongroom vm delete ${which} --yes`
  if (state === 'Deleting') return `Wait until it is deleted: strongroom vm wait ${which} --for deleted.`
  if (state === 'Failed')
    return `See why it failed: strongroom vm show ${which}. Try again: strongroom vm start ${which}; or, ${replace}.`
  return `For another size: strongroom vm resize ${which} --size SIZE; ${replace}.`
}
