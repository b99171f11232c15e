import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OrdinaryState } from './ordinary-state.ts'

let directory: string
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'I-ordinary-'))))
afterAll(async () => await rm(directory, { recursive: true, force: true }))

describe('the state of a VM that is not confidential', () => {
  const sealer = createSealer(new Uint8Array(32).fill(1))
  const at = (vmId: string): { path: string; vmId: string; sealer: typeof sealer } => ({
    path: join(directory, 'state'),
    vmId,
    sealer,
  })

  it('keeps vTPM and variables over changes, and lies on the disk sealed', async () => {
    const [variables, tpm] = [Buffer.from('the variables'), Buffer.from('the vTPM')]
    await OrdinaryState.create({ ...at('A'), variables, tpm })
    const state = await OrdinaryState.open(at('A'))
    await state.save({ tpm: Buffer.from('the vTPM later') })
    const again = await OrdinaryState.open(at('A'))
    expect([again.variables().toString(), again.tpm()?.toString()]).toEqual(['the variables', 'the vTPM later'])
    const file = await readFile(at('A').path)
    expect(file.includes(Buffer.from('the vTPM').toString('base64').slice(0, 8))).toBe(false)
  })

  it('does not open for another VM, or with a byte changed', async () => {
    await OrdinaryState.create({ ...at('A'), variables: Buffer.from('v'), tpm: undefined })
    await expect(OrdinaryState.open(at('B'))).rejects.toThrow()
    const file = await readFile(at('A').path)
    file[20] = (file[20] ?? 0) ^ 1
    await writeFile(at('A').path, file)
    await expect(OrdinaryState.open(at('A'))).rejects.toThrow()
  })
})
