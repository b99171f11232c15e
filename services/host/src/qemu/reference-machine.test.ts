import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { cpuModels, guestFirmwarePath } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { machineRegister, pciWindow, type MachineShape } from './reference-machine.ts'

const qemu = (): string => {
  try {
    return execFileSync('qemu-system-x86_64', ['--version']).toString()
  } catch {
    return ''
  }
}
/** The version whose boot was recorded. */
const recorded = qemu().includes('10.0.13')
const there = existsSync(guestFirmwarePath) && qemu() !== ''

let runtimeDir: string
beforeAll(async () => void (runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-reference-'))))
afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

const small: MachineShape = { acceleration: 'tcg', cpuModel: cpuModels.SNP, vCPUs: 2, memoryMiB: 8192 }
const predict = async (o: Partial<MachineShape> = {}): Promise<string> =>
  Buffer.from(await machineRegister({ ...small, ...o, runtimeDir })).toString('hex')

describe.skipIf(!there)('PCR 1 of a machine', () => {
  it.skipIf(!recorded)('is what a vTPM quoted on it (attack B3)', async () => {
    expect(await predict()).toBe('2c470c1eae623da331a0582cc8bcdfd30920a383382f882736f1886489e8f1e0')
    expect(await readdir(runtimeDir)).toEqual([])
  })

  it('is another for more processors, memory or interfaces, and for the other technology', async () => {
    const further = { macAddress: '02-00-00-00-00-01', subnetPrefix: '10.0.0.0/24', privateIpAddress: '10.0.0.4' }
    const found = [
      await predict(),
      await predict({ vCPUs: 4 }),
      await predict({ memoryMiB: 1024 }),
      await predict({ interfaces: [further] as NonNullable<MachineShape['interfaces']> }),
      await predict({ cpuModel: cpuModels.TDX }),
    ]
    expect(new Set(found).size).toBe(found.length)
    expect(await predict()).toBe(found[0])
  })

  it('is not guessed where QEMU does not start', async () => {
    await expect(predict({ cpuModel: 'none' })).rejects.toMatchObject({ code: 'MachineNotPredicted' })
    expect(await readdir(runtimeDir)).toEqual([])
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
    const predicted = predict().catch((error: unknown) => error)
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

describe('the window of 64-bit PCI addresses', () => {
  it('is the last quarter of what an AMD processor can address, and behind the memory with an Intel one', () => {
    expect(pciWindow(small)).toBe(0xc0_0000_0000)
    expect(pciWindow({ cpuModel: cpuModels.TDX, memoryMiB: 8192 })).toBe(32 * 2 ** 30)
    expect(pciWindow({ cpuModel: cpuModels.TDX, memoryMiB: 32_768 })).toBe(64 * 2 ** 30)
  })
})
