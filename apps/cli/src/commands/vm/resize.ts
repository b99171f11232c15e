import { apiVersions, type ArmClient } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { fetchVm, followed, groupOption, noWaitOption, openVm, power, shownVm, type VmResource } from './resource.ts'

interface Sku {
  name: string
  resourceType: string
  capabilities: { name: string; value: string }[]
}

/** Sizes that the VM may change to, by whether they are of its own silicon. */
interface Sizes {
  own: string[]
  /** Of other silicon: such a change is a conversion. */
  other: string[]
}

async function sizesOf(arm: ArmClient, path: string, vm: VmResource): Promise<Sizes> {
  const filter = encodeURIComponent(`location eq '${vm.location}'`)
  const [possible, skus] = await Promise.all([
    arm.list<{ name: string }>(`${path}/vmSizes`, apiVersions.compute),
    arm.list<Sku>(`${arm.subscription}/providers/Microsoft.Compute/skus?$filter=${filter}`, apiVersions.compute),
  ])
  const silicon = (size: string): string | undefined =>
    skus
      .find(({ name, resourceType }) => name === size && resourceType === 'virtualMachines')
      ?.capabilities.find(({ name }) => name === 'ConfidentialComputingType')?.value
  const now = vm.properties.hardwareProfile.vmSize
  const names = possible.map(({ name }) => name).filter((name) => name !== now)
  const isOwn = (name: string): boolean => silicon(name) === silicon(now)
  return { own: names.filter(isOwn), other: names.filter((name) => !isOwn(name)) }
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
const fitting = ({ own }: Sizes): string =>
  own.length === 0 ? 'No other size fits.' : `Sizes that fit: ${own.join(', ')}.`

/** @throws CliError VmHasThisSize, SizeNeedsConversion */
function assertOther(vm: VmResource, wanted: string, sizes: Sizes): void {
  const now = vm.properties.hardwareProfile.vmSize
  if (same(now, wanted))
    throw new CliError({
      code: 'VmHasThisSize',
      message: `The VM '${vm.name}' has the size ${now} already. Nothing was changed.`,
      target: '--size',
      expected: 'another size',
      found: wanted,
      remedy: fitting(sizes),
    })
  if (sizes.other.some((name) => same(name, wanted)))
    throw new CliError({
      code: 'SizeNeedsConversion',
      message: `${wanted} is of other silicon than ${now}: the VM would be converted, with a new key. Nothing was changed.`,
      target: '--size',
      expected: `a size of the silicon of ${now}`,
      found: wanted,
      remedy: `To convert it, follow docs/guides/virtual-machines.md#between-amd-sev-snp-and-intel-tdx. ${fitting(sizes)}`,
    })
}

/** What the change does to the VM, before it is requested. */
function effectOf(vm: VmResource, wanted: string): string {
  const now = vm.properties.hardwareProfile.vmSize
  const change = `${vm.name}: ${now} → ${wanted}.`
  return power(vm) === 'VM running'
    ? `${change} It is running, so it restarts now: what is only in its memory is lost, disks and TPM stay.`
    : `${change} It is not running: the size applies from its next start.`
}

async function send(arm: ArmClient, path: string, wanted: string, sizes: Sizes): ReturnType<ArmClient['send']> {
  try {
    return await arm.send('PATCH', path, apiVersions.compute, { properties: { hardwareProfile: { vmSize: wanted } } })
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const { innererror, ...detail } = error.detail
    const remedy = [innererror?.remedy, fitting(sizes)].filter((text) => text !== undefined).join(' ')
    throw new CliError({ ...innererror, ...detail, code: error.code, exitCode: error.exitCode, remedy, cause: error })
  }
}

function wantedSize(context: CommandContext): string {
  const given = textOption(context, 'size')
  if (given !== undefined) return given
  throw new CliError({
    code: 'InvalidArgument',
    message: '--size is missing.',
    expected: '--size with a VM size, for example Standard_DC4as_v5',
    exitCode: exitCodes.usage,
  })
}

export const resizeCommand: Command = {
  words: ['vm', 'resize'],
  args: ['<name>'],
  names: 'vm',
  summary: 'give a VM another size of the same silicon; a running VM restarts',
  options: [groupOption, { flags: '--size <size>', summary: 'VM size, for example Standard_DC4as_v5' }, noWaitOption],
  examples: ['strongroom vm resize first --size Standard_DC4as_v5'],
  run: async (context) => {
    const wanted = wantedSize(context)
    const { arm, path } = await openVm(context)
    const vm = await fetchVm(arm, path)
    const sizes = await sizesOf(arm, path, vm)
    assertOther(vm, wanted, sizes)
    context.say(effectOf(vm, wanted))
    await followed(context, arm, await send(arm, path, wanted, sizes))
    return await shownVm(arm, path)
  },
}
