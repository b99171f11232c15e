import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
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

/** A small tmpfs needs CAP_SYS_ADMIN, which a plain container lacks. */
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0

describe.skipIf(!mayMount)('on a full disk', () => {
  const sealer = createSealer(new Uint8Array(32).fill(1))
  const fill = async (small: string): Promise<void> => {
    const file = await open(join(small, 'filler'), 'a')
    for (;;) {
      const written = await file.write(Buffer.alloc(4096, 1)).catch((error: { code: string }) => error.code)
      if (written === 'ENOSPC') break
    }
    await file.close()
  }

  it('no write of a running VM is lost, and none begins to run without room for them', async () => {
    const small = join(directory, 'small')
    await mkdir(small)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', small]).status).toBe(0)
    try {
      const at = { path: join(small, 'state'), vmId: 'A', sealer }
      await OrdinaryState.create({ ...at, variables: Buffer.alloc(540_672, 7), tpm: Buffer.from('first') })
      await fill(small)
      await expect(OrdinaryState.open(at)).rejects.toMatchObject({ code: 'ENOSPC' })
      await rm(join(small, 'filler'))
      const state = await OrdinaryState.open(at)
      await fill(small)
      for (let n = 0; n < 10; n++)
        await state.save({ tpm: Buffer.from(`write ${n}`), variables: Buffer.alloc(540_672, n) })
      const again = await OrdinaryState.open(at)
      expect([again.tpm()?.toString(), again.variables().equals(Buffer.alloc(540_672, 9))]).toEqual(['write 9', true])
    } finally {
      spawnSync('umount', [small])
    }
  })
})
