import { mkdtemp, readdir, readFile, rm, stat, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { personalSshKey } from './ssh-key.ts'

let configDir: string

beforeEach(async () => {
  configDir = await mkdtemp(join(tmpdir(), 'strongroom-ssh-key-'))
})

afterEach(async () => await rm(configDir, { recursive: true }))

describe('the personal key pair', () => {
  it('is one for commands that start together, and nothing else is left', async () => {
    const keys = await Promise.all(Array.from({ length: 6 }, () => personalSshKey(configDir)))
    expect(new Set(keys.map((key) => key.publicText)).size).toBe(1)
    expect(await readFile(`${keys[0]!.privatePath}.pub`, 'utf8')).toContain(keys[0]!.publicText)
    expect(await readdir(configDir)).toEqual(['ssh'])
    expect((await readdir(join(configDir, 'ssh'))).sort()).toEqual(['id_ed25519', 'id_ed25519.pub'])
  })

  it('is not replaced where its public half is gone, and the error says how to write that again', async () => {
    const { privatePath } = await personalSshKey(configDir)
    const before = await readFile(privatePath)
    await unlink(`${privatePath}.pub`)
    await expect(personalSshKey(configDir)).rejects.toMatchObject({ code: 'ProgramFailed' })
    expect(await readFile(privatePath)).toEqual(before)
    expect(await readdir(configDir)).toEqual(['ssh'])
  })

  it('is kept, and its owner alone reads it', async () => {
    const { publicText, privatePath } = await personalSshKey(configDir)
    expect((await personalSshKey(configDir)).publicText).toBe(publicText)
    expect((await stat(privatePath)).mode & 0o777).toBe(0o600)
    expect((await stat(join(configDir, 'ssh'))).mode & 0o777).toBe(0o700)
  })
})
