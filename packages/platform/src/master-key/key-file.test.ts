import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadMasterKey } from './key-file.ts'

let root: string
let stateDir: string
const installationId = randomUUID()
const load = (): Promise<Uint8Array> => loadMasterKey({ stateDir, installationId })

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'strongroom-key-'))
  stateDir = join(root, 'state')
  mkdirSync(stateDir)
  vi.stubEnv('CREDENTIALS_DIRECTORY', '')
  vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', '')
  vi.stubEnv('XDG_CONFIG_HOME', join(root, 'config'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true })
})

describe('loadMasterKey', () => {
  it('makes a key at the first start that only its owner can read, outside the state directory', async () => {
    const [first, second] = await Promise.all([load(), load()])
    expect(first).toHaveLength(32)
    expect(second).toEqual(first)
    expect(await load()).toEqual(first)
    expect(readdirSync(stateDir)).toEqual([])
    expect(statSync(join(root, 'config/strongroom/keys', installationId)).mode & 0o777).toBe(0o600)
  })

  it('does not make a new key for an installation that has sealed something', async () => {
    writeFileSync(join(stateDir, 'ca.key.sealed'), '')
    await expect(load()).rejects.toMatchObject({ code: 'MasterKeyMissing' })
  })

  it('takes the systemd credential before all others', async () => {
    const credentials = join(root, 'credentials')
    mkdirSync(credentials)
    writeFileSync(join(credentials, 'strongroom-master-key'), 'ab'.repeat(32), { mode: 0o440 })
    vi.stubEnv('CREDENTIALS_DIRECTORY', credentials)
    expect(await load()).toEqual(new Uint8Array(32).fill(0xab))
  })

  it('takes the named file, and refuses one that is missing instead of making another key', async () => {
    const file = join(root, 'key')
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', file)
    await expect(load()).rejects.toMatchObject({ code: 'MasterKeyMissing' })
    writeFileSync(file, Buffer.alloc(32, 7), { mode: 0o600 })
    expect(await load()).toEqual(new Uint8Array(32).fill(7))
  })

  it('refuses a key that others can read, one of a wrong length, and one under the state directory', async () => {
    const file = join(root, 'key')
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', file)
    writeFileSync(file, Buffer.alloc(32, 7))
    chmodSync(file, 0o644)
    await expect(load()).rejects.toMatchObject({ code: 'SecretFileExposed' })
    chmodSync(file, 0o600)
    writeFileSync(file, 'short')
    await expect(load()).rejects.toMatchObject({ code: 'MasterKeyInvalid' })
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', join(stateDir, 'key'))
    await expect(load()).rejects.toMatchObject({ code: 'MasterKeyInState' })
    vi.stubEnv('STRONGROOM_MASTER_KEY_FILE', '')
    vi.stubEnv('XDG_CONFIG_HOME', stateDir)
    await expect(load()).rejects.toMatchObject({ code: 'MasterKeyInState' })
  })
})
