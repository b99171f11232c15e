import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { BootEvidence } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Link } from '../../apps/cli/src/trust/link.ts'
import { TestInstallation } from '../system/support/installation.ts'
import type { VmView } from '../system/support/vm.ts'

/**
 * Whoever runs the host edits what it keeps of a boot; the owner runs `strongroom vm trust` on their own machine. Evidence of an
 * installation without guests: silicon, vTPM, quote and log are what they are elsewhere.
 */
const installation = await TestInstallation.create()
const otherFirmware = '/usr/share/OVMF/OVMF_CODE_4M.fd'
let vmId: string

/** The machine's database of boots without a guest. */
function withDatabase<T>(use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(join(installation.stateDir, 'host.db'))
  try {
    return use(database)
  } finally {
    database.close()
  }
}

const stored = (vmId: string): BootEvidence =>
  withDatabase((database) => {
    const row = database.prepare('select evidence from simulated_boot where vm_id = ?').get(vmId)
    return JSON.parse(row?.['evidence'] as string) as BootEvidence
  })

const write = (vmId: string, evidence: BootEvidence): void =>
  withDatabase((database) => {
    database.prepare('update simulated_boot set evidence = ? where vm_id = ?').run(JSON.stringify(evidence), vmId)
  })

beforeAll(async () => {
  await installation.start({}, ['--compute', 'simulated'])
  vmId = await create('vm', 'Standard_DC2as_v5')
  expect((await linksOf()).get('measured-boot')?.outcome).toBe('verified')
})
afterAll(async () => await installation.remove())

async function create(name: string, size: string): Promise<string> {
  const vm = await installation.must<VmView>('vm', 'create', name, '--size', size)
  return vm.properties.vmId.toUpperCase()
}

/** As the owner sees them. */
async function linksOf(...args: string[]): Promise<Map<string, Link>> {
  const { json, stderr } = await installation.cli('vm', 'trust', 'vm', ...args)
  const { links } = (json ?? { links: [] }) as { links: Link[] }
  if (links.length === 0) throw new Error(stderr)
  return new Map(links.map((link) => [link.id, link]))
}

/** What the owner sees once the host has edited the stored evidence. */
async function after(edit: (evidence: BootEvidence) => void): Promise<Map<string, Link>> {
  const honest = stored(vmId)
  const evidence = structuredClone(honest)
  edit(evidence)
  write(vmId, evidence)
  try {
    return await linksOf()
  } finally {
    write(vmId, honest)
  }
}

describe('the registers that a boot is held to', () => {
  it.each<[string, (pcrs: Record<string, string>) => void]>([
    ['none at all', (pcrs) => Object.keys(pcrs).forEach((index) => delete pcrs[index])],
    ['without the boot loader’s', (pcrs) => delete pcrs['4']],
    ['without what a host passes to the stub', (pcrs) => delete pcrs['12']],
    ['with one more', (pcrs) => void (pcrs['0'] = '00'.repeat(32))],
    ['with something passed to the stub', (pcrs) => void (pcrs['12'] = '11'.repeat(32))],
    ['of another boot loader', (pcrs) => void (pcrs['4'] = '11'.repeat(32))],
  ])('are refused where the host predicts %s (attack H6)', async (_what, edit) => {
    const links = await after((evidence) => edit(evidence.expected.pcrs))
    expect(links.get('measured-boot')).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('predicted') as string,
      expected: expect.any(String) as string,
      actual: expect.any(String) as string,
    })
  })
})

describe('the launch measurement', () => {
  it('is held to the verifier’s own firmware, whatever the host says that it launched (attack H6)', async () => {
    const refused = (await linksOf('--firmware', otherFirmware)).get('measurement')
    expect(refused).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining(`not that of ${otherFirmware}, of 1 to 2 vCPUs`) as string,
    })
    const said = await after((evidence) => {
      evidence.expected.firmwareSha256 = '00'.repeat(32)
      evidence.expected.launchMeasurement = '00'.repeat(48)
      evidence.expected.vCPUs = 1
      evidence.expected.vcpuType = 'EPYC-Genoa'
    })
    expect(said.get('measurement')).toEqual((await linksOf()).get('measurement'))
    expect((await linksOf('--firmware', '/nowhere')).get('measurement')).toMatchObject({
      outcome: 'not checked',
      why: expect.stringContaining('--firmware') as string,
    })
  })

  it('is of no more processors than the size has that was asked for (attack H6)', async () => {
    const large = await create('large', 'Standard_DC4as_v5')
    const { json } = await installation.cli('vm', 'trust', 'large')
    expect((json as { links: Link[] }).links.find(({ id }) => id === 'measurement')).toMatchObject({
      outcome: 'verified',
      shows: [expect.stringContaining('4 vCPUs EPYC-Milan')],
    })
    // What the large VM showed, in the place of the small one's.
    const links = await after((evidence) => void Object.assign(evidence, stored(large), { bootId: evidence.bootId }))
    expect(links.get('measurement')).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('of 1 to 2 vCPUs EPYC-Milan (Standard_DC2as_v5)') as string,
    })
  })
})
