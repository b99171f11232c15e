import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import fc from 'fast-check'
import { cpuModels, guestFirmwarePath } from '@strongroom/contract'
import { machineLimits, machineTables } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { machineOf, type MachineShape } from './machine-shape.ts'
import { tablesOfQemu } from './reference-machine.ts'
import { differingTables } from './tables-check.ts'

const qemu = (): string => {
  try {
    return execFileSync('qemu-system-x86_64', ['--version']).toString()
  } catch {
    return ''
  }
}
const there = existsSync(guestFirmwarePath) && qemu() !== ''

let runtimeDir: string
beforeAll(async () => void (runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-reference-'))))
afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

const small: MachineShape = { acceleration: 'tcg', cpuModel: cpuModels.SNP, vCPUs: 2, memoryMiB: 8192 }
const further = { macAddress: '02-00-00-00-00-01', subnetPrefix: '10.0.0.0/24', privateIpAddress: '10.0.0.4' }
const shape = (o: { tee: 'SNP' | 'TDX'; vCPUs: number; memoryMiB: number; interfaces: number }): MachineShape => ({
  ...small,
  cpuModel: cpuModels[o.tee],
  vCPUs: o.vCPUs,
  memoryMiB: o.memoryMiB,
  interfaces: Array.from({ length: o.interfaces - 1 }, () => further as NonNullable<MachineShape['interfaces']>[0]),
})
const within = (member: keyof typeof machineLimits, most?: number): fc.Arbitrary<number> =>
  fc.integer({ min: machineLimits[member][0], max: most ?? machineLimits[member][1] })

/** By name, so that a difference does not print 128 KiB. */
async function same(o: MachineShape): Promise<Record<string, boolean>> {
  const [found, computed] = [await tablesOfQemu({ ...o, runtimeDir }), await machineTables(machineOf(o))]
  const names = new Set([...found.keys(), ...computed.keys()])
  return Object.fromEntries(
    [...names].map((name) => [name, Buffer.from(found.get(name) ?? []).equals(computed.get(name) ?? Buffer.of(0))]),
  )
}
const all = { 'etc/table-loader': true, 'etc/acpi/rsdp': true, 'etc/acpi/tables': true, 'etc/tpm/log': true }

describe.skipIf(!there)('the tables of the installed QEMU', () => {
  it('are those that verifiers compute, for any machine', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          tee: fc.constantFrom('SNP' as const, 'TDX' as const),
          vCPUs: within('vCPUs', 48),
          memoryMiB: fc.oneof(within('memoryMiB'), within('memoryMiB', 8192)),
          interfaces: within('interfaces'),
        }),
        async (o) => {
          expect(await same(shape(o))).toEqual(all)
        },
      ),
      {
        numRuns: 6,
        examples: [
          [{ tee: 'SNP', vCPUs: 128, memoryMiB: 786_432, interfaces: 8 }],
          [{ tee: 'TDX', vCPUs: 9, memoryMiB: 2816, interfaces: 2 }],
        ],
      },
    )
  })

  it('are not guessed where QEMU does not start', async () => {
    await expect(tablesOfQemu({ ...small, cpuModel: 'none', runtimeDir })).rejects.toMatchObject({
      code: 'MachineNotPredicted',
    })
    expect(await readdir(runtimeDir)).toEqual([])
  })

  it('explain a locked disk where they are others, and only there (attack E23)', async () => {
    expect(await differingTables(small)).toBeUndefined()
    const [folder, table] = [await mkdtemp(join(tmpdir(), 'strongroom-qemu-')), Buffer.alloc(40)]
    table.write('SSDT')
    table.writeUInt32LE(40, 4)
    await writeFile(join(folder, 'table'), table)
    const real = execFileSync('which', ['qemu-system-x86_64']).toString().trim()
    const path = join(folder, 'qemu-system-x86_64')
    const script = `#!/bin/sh\n[ "$1" = --version ] && exec ${real} "$1"\nexec ${real} "$@" -acpitable file=${folder}/table\n`
    await writeFile(path, script)
    await chmod(path, 0o755)
    vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH']}`)
    try {
      expect(await differingTables(small)).toMatchObject({
        code: 'MachineTablesDiffer',
        target: 'PCR 1',
        message: expect.stringMatching(/QEMU \(\d+\.\d+/) as string,
        found: expect.stringMatching(/^etc\/table-loader SHA-256 .*, etc\/acpi\/tables SHA-256 /) as string,
      })
    } finally {
      vi.unstubAllEnvs()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('a program of it that is killed', () => {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'latin1')
    } catch {
      return ''
    }
  }
  const pidOf = (program: string): number | undefined =>
    readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .map(Number)
      .find((pid) => {
        const [first = '', ...others] = read(`/proc/${pid}/cmdline`).split('\0')
        return basename(first) === program && others.some((each) => each.includes(runtimeDir))
      })

  it.skipIf(!there).each([
    ['qemu-system-x86_64', /^MachineNotPredicted$/, /QEMU ended/],
    ['swtpm', /^Vtpm(Ended|DidNotStart)$/, /swtpm ended/],
  ] as const)('%s is named, and nothing of the machine is left', async (program, code, found) => {
    const predicted = tablesOfQemu({ ...small, runtimeDir }).catch((error: unknown) => error)
    let pid: number | undefined
    await expect.poll(() => (pid = pidOf(program)) !== undefined, { interval: 1 }).toBe(true)
    process.kill(pid!, 'SIGKILL')
    const error = await predicted
    expect(error).toMatchObject({
      code: expect.stringMatching(code) as string,
      found: expect.stringMatching(found) as string,
    })
    expect(await readdir(runtimeDir)).toEqual([])
    expect(pidOf('swtpm')).toBeUndefined()
  })
})
