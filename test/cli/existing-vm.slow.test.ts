import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ErrorDetail } from '@strongroom/contract'
import { recallAsked, type AskedVm } from '../../apps/cli/src/trust/asked-settings.ts'
import { TestInstallation, type CliOutcome } from '../system/support/installation.ts'
import { openArm, type VmView } from '../system/support/vm.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await TestInstallation.create()
  await installation.start({}, ['--compute', 'simulated', '--test-api'])
})
afterAll(async () => {
  await installation.remove()
})

const config = (): string => join(installation.home, 'config/strongroom')
const recordPath = ({ properties }: VmView): string => join(config(), 'asked', `${properties.vmId.toLowerCase()}.json`)
const recordOf = async (vm: VmView): Promise<AskedVm | undefined> => await recallAsked(config(), vm.properties.vmId)
const show = async (name: string): Promise<VmView> => await installation.must<VmView>('vm', 'show', name)
const errorOf = ({ json }: CliOutcome): ErrorDetail => (json as { error: ErrorDetail }).error
const rules = async (name: string): Promise<string[]> => {
  const arm = await openArm(installation)
  const path = `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Network/networkSecurityGroups/${name}NSG`
  const group = await arm.get<{ properties: { securityRules: { name: string }[] } }>(path, '2024-05-01')
  return group.properties.securityRules.map((rule) => rule.name)
}
/** A security group of somebody's, under the name that a VM's would have. */
const closedGroup = async (name: string): Promise<void> => {
  const arm = await openArm(installation)
  const group = `${arm.subscription}/resourceGroups/strongroom`
  const rule = {
    priority: 200,
    protocol: '*',
    direction: 'Inbound',
    access: 'Deny',
    sourceAddressPrefix: '*',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: '*',
  }
  await arm.run('PUT', group, '2024-11-01', { location: arm.region })
  await arm.run('PUT', `${group}/providers/Microsoft.Network/networkSecurityGroups/${name}NSG`, '2024-05-01', {
    location: arm.region,
    properties: { securityRules: [{ name: 'closed', properties: rule }] },
  })
}

describe('vm create of a name that exists', () => {
  it('is refused, and changes neither the VM, nor its record, nor anything of its network', async () => {
    const made = await installation.must<VmView>('vm', 'create', 'one')
    await installation.cli('vm', 'trust', 'one')
    const [before, record] = [await show('one'), await readFile(recordPath(made), 'utf8')]
    expect(JSON.parse(record)).toHaveProperty('pins')
    const again = await installation.cli('vm', 'create', 'one', '--size', 'Standard_DC4as_v5')
    expect(again.code).toBe(1)
    expect(errorOf(again)).toMatchObject({ code: 'VmExists', innererror: { found: 'Standard_DC2as_v5, Succeeded' } })
    expect(errorOf(again).innererror?.remedy).toMatch(/vm resize one .*--size SIZE.*vm delete one /)
    expect([await show('one'), await readFile(recordPath(made), 'utf8')]).toEqual([before, record])
  })

  it('is refused in other letters too, and leaves the rules of its network as its owner set them', async () => {
    await installation.must('vm', 'create', 'guarded')
    await closedGroup('guarded')
    const { code } = await installation.cli('vm', 'create', 'GUARDED', '--size', 'Standard_DC4as_v5')
    expect([code, await rules('guarded')]).toEqual([1, ['closed']])
  })

  it('is refused if its creation failed, with what to do; a start repeats it, under the same record', async () => {
    await installation.must('test', 'fault', 'add', 'boot-failure', '--once', '--target', 'broken')
    expect((await installation.cli('vm', 'create', 'broken')).code).toBe(1)
    const failed = await show('broken')
    expect([failed.properties.provisioningState, (await recordOf(failed))?.vm?.secureBoot]).toEqual(['Failed', true])
    const again = await installation.cli('vm', 'create', 'broken')
    expect(errorOf(again)).toMatchObject({ code: 'VmExists', innererror: { found: 'Standard_DC2as_v5, Failed' } })
    expect(errorOf(again).innererror?.remedy).toMatch(/vm start broken .*vm delete broken /)
    await installation.must('vm', 'start', 'broken')
    expect((await show('broken')).properties.vmId).toBe(failed.properties.vmId)
  })

  it('by two at once creates one, and leaves the record of that one', async () => {
    const sizes = ['Standard_DC2as_v5', 'Standard_DC4as_v5']
    const outcomes = await Promise.all(
      sizes.map(async (size) => await installation.cli('vm', 'create', 'twice', '--size', size)),
    )
    expect(outcomes.map(({ code }) => code).toSorted((a, b) => a - b)).toEqual([0, 1])
    expect(errorOf(outcomes.find(({ code }) => code === 1)!).code).toBe('VmExists')
    const won = outcomes.find(({ code }) => code === 0)!.json as VmView
    expect((await show('twice')).properties).toMatchObject({
      vmId: won.properties.vmId,
      hardwareProfile: { vmSize: sizes[outcomes.findIndex(({ code }) => code === 0)] },
    })
    expect(await recordOf(won)).toBeDefined()
  })
})

describe('vm create of a new name', () => {
  it('uses the security group that is there under the name of its own, with the rules that its owner set', async () => {
    await closedGroup('beside')
    await installation.must('vm', 'create', 'beside')
    expect(await rules('beside')).toEqual(['closed'])
  })

  it('takes nothing back that was there before, where it is refused', async () => {
    await closedGroup('refused')
    const { code } = await installation.cli('vm', 'create', 'refused', '--size', 'Standard_Nothing')
    expect([code, await rules('refused')]).toEqual([1, ['closed']])
  })
})

describe('vm resize', () => {
  it('restarts a running VM in the new size, says so first, and keeps its record and pins', async () => {
    const before = await show('one')
    const record = await readFile(recordPath(before), 'utf8')
    const { code, json, stderr } = await installation.cli('vm', 'resize', 'one', '--size', 'Standard_DC4as_v5')
    expect([code, (json as VmView).properties]).toMatchObject([
      0,
      { vmId: before.properties.vmId, hardwareProfile: { vmSize: 'Standard_DC4as_v5' } },
    ])
    expect(stderr).toMatch(/Standard_DC2as_v5 → Standard_DC4as_v5.*restarts now/)
    expect(await readFile(recordPath(before), 'utf8')).toBe(record)
    const { json: report } = await installation.cli('vm', 'trust', 'one')
    expect(report).toMatchObject({ warnings: [], pins: expect.anything() })
  })

  it('without waiting returns while the VM restarts', async () => {
    await installation.must('test', 'fault', 'add', 'slow-operation', '--once', '--milliseconds', '4000')
    const vm = await installation.must<VmView>('vm', 'resize', 'one', '--size', 'Standard_DC8as_v5', '--no-wait')
    expect(vm.properties.provisioningState).toBe('Updating')
    await installation.must('vm', 'wait', 'one', '--for', 'running')
  })

  it('of a VM that is off applies from its next start, and says so', async () => {
    await installation.must('vm', 'deallocate', 'one')
    const { code, stderr } = await installation.cli('vm', 'resize', 'one', '--size', 'Standard_DC2as_v5')
    expect([code, stderr]).toEqual([0, expect.stringContaining('from its next start')])
    await installation.must('vm', 'start', 'one')
  })

  it.each([
    ['the same', 'standard_dc2as_v5', 'VmHasThisSize'],
    ['other silicon', 'Standard_DC2es_v5', 'SizeNeedsConversion'],
    ['no confidential VMs', 'Standard_D2s_v5', 'OperationNotAllowed'],
    ['a temporary disk', 'Standard_DC2ads_v5', 'OperationNotAllowed'],
    ['more cores than the quota', 'Standard_DC96as_v5', 'OperationNotAllowed'],
  ])('to a size of %s is refused, and names sizes that fit', async (_what, size, code) => {
    const before = await show('one')
    const refused = await installation.cli('vm', 'resize', 'one', '--size', size)
    expect([refused.code, errorOf(refused).code]).toEqual([1, code])
    const remedy = errorOf(refused).innererror?.remedy
    expect(remedy).toMatch(/Sizes that fit: .*Standard_DC4as_v5/)
    expect(remedy).not.toMatch(/DC2es_v5|DC2ads_v5|_D2s_v5/)
    expect(await show('one')).toEqual(before)
  })

  it('needs a size', async () => {
    expect((await installation.cli('vm', 'resize', 'one')).code).toBe(2)
  })
})
