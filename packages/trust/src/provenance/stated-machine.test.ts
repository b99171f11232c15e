import { describe, expect, it } from 'vitest'
import { toHex } from '@strongroom/evidence'
import { predictMachine } from '@strongroom/evidence/expected'
import { vouch } from './known.ts'
import { Proof } from './link.ts'
import { statedMachine } from './stated-machine.ts'

type Facts = Parameters<typeof statedMachine>[0]
const size = 'Standard_DC4as_v5'
const facts = (expected: Partial<Facts['expected']> = {}, o: Partial<Facts> = {}): Facts => ({
  tee: 'SNP',
  expected: {
    firmwareSha256: 'aa',
    vCPUs: 2,
    memoryMiB: 8192,
    interfaces: 1,
    vcpuType: 'EPYC-Milan',
    launchMeasurement: 'bb',
    ...expected,
  },
  ...o,
})
async function machineOf(o: Facts, of = size): Promise<{ register: string | undefined } & Pick<Proof, 'stated'>> {
  const proof = new Proof()
  const found = await statedMachine(o, vouch(of, 'first use'), proof)
  if (found !== undefined) expect([...found.restsOn]).toEqual(['computed', 'first use'])
  return { register: found && toHex(found.value), stated: proof.stated }
}
const register = async (o: Facts): Promise<string | undefined> => (await machineOf(o)).register

describe('the machine that a host states', () => {
  it('has the PCR 1 that is computed here; a register that the host states is not read (attack E23)', async () => {
    const own = await register(facts())
    expect(own).toBe(toHex(await predictMachine({ technology: 'SNP', vCPUs: 2, memoryMiB: 8192, interfaces: 1 })))
    const lies = { ...facts(), expected: { ...facts().expected, pcrs: { 1: 'ab'.repeat(32) } } }
    expect(await register(lies)).toBe(own)
    expect((await machineOf(facts())).stated).toEqual([
      'the machine whose ACPI tables were computed here for PCR 1: 2 vCPUs, 8192 MiB and 1 interface',
    ])
  })

  it('is described as the host states it', async () => {
    expect((await machineOf(facts({ vCPUs: 1, interfaces: 2 }))).stated[0]).toMatch(
      /: 1 vCPU, 8192 MiB and 2 interfaces$/,
    )
  })

  it('is another one with other processors, memory or interfaces, or of the other technology', async () => {
    const found = await Promise.all(
      [
        facts(),
        facts({ vCPUs: 1 }),
        facts({ memoryMiB: 1024 }),
        facts({ interfaces: 2 }),
        facts({}, { tee: 'TDX' }),
      ].map(register),
    )
    expect(new Set(found).size).toBe(found.length)
  })

  it('is refused with more processors than were asked for', async () => {
    await expect(machineOf(facts({ vCPUs: 8 }))).rejects.toMatchObject({
      message: 'The machine has more processors than Standard_DC4as_v5.',
      expected: 'at most 4 vCPUs',
      actual: '8 vCPUs, as the host states',
    })
    expect((await machineOf(facts({ vCPUs: 4 }))).register).toBeDefined()
  })

  it.each([
    ['no memory', { memoryMiB: 0 }],
    ['no processor', { vCPUs: 0 }],
    ['half an interface', { interfaces: 1.5 }],
    ['text', { memoryMiB: '8192' as unknown as number }],
  ])('is refused with what no size has: %s', async (_what, expected) => {
    await expect(machineOf(facts(expected))).rejects.toMatchObject({
      message: 'The host states a machine that no size has.',
    })
  })

  it('is not computed where the evidence is of an earlier version, or the size has no number', async () => {
    const { memoryMiB: _memory, ...memoryless } = facts().expected
    const { interfaces: _interfaces, ...unconnected } = facts().expected
    for (const earlier of [memoryless, unconnected])
      await expect(machineOf({ ...facts(), expected: earlier })).rejects.toThrow(
        /^PCR 1 is not computed: .* of an earlier version.* Restart the VM\.$/,
      )
    await expect(machineOf(facts(), 'Standard')).rejects.toThrow(/^The name of the size Standard does not/)
  })

  it('is none where no guest ran', async () => {
    expect(await machineOf(facts({}, { guestRan: false }))).toEqual({ register: undefined, stated: [] })
  })
})
