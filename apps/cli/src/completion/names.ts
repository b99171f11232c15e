import { setTimeout as sleep } from 'node:timers/promises'
import { ArmClient, apiVersions } from '../client/arm.ts'
import { namedKinds, type CommandContext, type NamedKind } from '../core/command.ts'

/** Someone waits at the prompt. */
const patienceMs = 1_500
/** Shells get no character that means something to them, whatever the server says. */
const plain = /^[A-Za-z0-9][\w.-]*$/

/** A provider's list of each kind, below the subscription. */
const lists: Record<NamedKind, { path: string; version: string }> = {
  vm: { path: 'Microsoft.Compute/virtualMachines', version: apiVersions.compute },
  host: { path: 'Strongroom.Fleet/hosts', version: apiVersions.compute },
  vault: { path: 'Microsoft.KeyVault/vaults', version: apiVersions.vaults },
  image: { path: 'Strongroom.Machine/images', version: apiVersions.compute },
}

export const isNamedKind = (text: string): text is NamedKind => namedKinds.some((kind) => kind === text)

/** Names to offer; none if the server does not run or does not answer at once. */
export async function existingNames(context: CommandContext, kind: NamedKind): Promise<string[]> {
  const { path, version } = lists[kind]
  const ask = async (): Promise<string[]> => {
    const arm = new ArmClient(await context.connect())
    const found = await arm.list<{ name: string }>(`${arm.subscription}/providers/${path}`, version)
    return [...new Set(found.map(({ name }) => name).filter((name) => plain.test(name)))]
  }
  return await Promise.race([ask().catch(() => []), sleep(patienceMs, [], { ref: false })])
}
