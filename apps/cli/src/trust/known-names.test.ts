import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recallName, rememberName } from './known-names.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'known-'))))
afterEach(async () => await rm(folder, { recursive: true, force: true }))
const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/first'

describe('the VM that was last trusted under a name', () => {
  it('is found by the name in any case, and by no other', async () => {
    expect(await recallName(folder, id)).toBeUndefined()
    await rememberName(folder, id, { vmId: 'a1' })
    expect(await recallName(folder, id.toUpperCase())).toEqual({ vmId: 'a1' })
    expect(await recallName(folder, `${id}2`)).toBeUndefined()
    await rememberName(folder, id, { vmId: 'b2', trustedAt: '2026-12-01T00:00:00.000Z' })
    expect(await recallName(folder, id)).toEqual({ vmId: 'b2', trustedAt: '2026-12-01T00:00:00.000Z' })
  })

  it('is not forgotten because its file is damaged', async () => {
    await rememberName(folder, id, { vmId: 'a1' })
    const [file = ''] = await readdir(join(folder, 'known-vms'))
    await writeFile(join(folder, 'known-vms', file), '{}')
    await expect(recallName(folder, id)).rejects.toMatchObject({ code: 'AskedSettingsUnreadable' })
  })
})
