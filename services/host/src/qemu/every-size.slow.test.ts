import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuModels, guestFirmwarePath, type GuestInterface } from '@strongroom/contract'
import { machineTables } from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { machineOf, type MachineShape } from './machine-shape.ts'
import { tablesOfQemu } from './reference-machine.ts'

/** The catalogue of sizes, by file: the host imports nothing of the control plane. */
const folder = new URL('../../../control-plane/src/providers/compute/size/', import.meta.url)
interface Size {
  tee?: 'SNP' | 'TDX'
  vCPUs: number
  memoryGiB: number
  maxNics: number
}
const sizes = ['sizes.json', 'ordinary-sizes.json'].flatMap(
  (file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Size[],
)
const further = { macAddress: '02-00-00-00-00-01', subnetPrefix: '10.0.0.0/24', privateIpAddress: '10.0.0.4' }

/** Each machine that a size can have on a host that carries it whole, once. */
const shapes = new Map<string, MachineShape>()
for (const { tee, vCPUs, memoryGiB, maxNics } of sizes)
  for (const cpuModel of tee === undefined ? Object.values(cpuModels) : [cpuModels[tee]])
    for (const count of [1, 2, maxNics]) {
      const interfaces = Array.from({ length: count - 1 }, () => further as GuestInterface)
      const shape: MachineShape = { acceleration: 'tcg', cpuModel, vCPUs, memoryMiB: memoryGiB * 1024, interfaces }
      shapes.set(`${cpuModel}, ${vCPUs} vCPUs, ${memoryGiB} GiB, ${count} interfaces`, shape)
    }

let runtimeDir: string
beforeAll(async () => void (runtimeDir = await mkdtemp(join(tmpdir(), 'strongroom-sizes-'))))
afterAll(async () => await rm(runtimeDir, { recursive: true, force: true }))

describe.skipIf(!existsSync(guestFirmwarePath))('the tables of the installed QEMU', () => {
  it.each([...shapes])('are those that verifiers compute: %s', async (_name, shape) => {
    const [found, computed] = [await tablesOfQemu({ ...shape, runtimeDir }), await machineTables(machineOf(shape))]
    expect([...found.keys()].toSorted()).toEqual([...computed.keys()].toSorted())
    for (const [name, bytes] of computed) expect(Buffer.from(bytes).equals(found.get(name)!), name).toBe(true)
  })
})
