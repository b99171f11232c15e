import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { masterKeyCommands } from './master-key.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'strongroom-cli-key-'))
  for (const name of ['CREDENTIALS_DIRECTORY', 'STRONGROOM_MASTER_KEY_FILE', 'STRONGROOM_PASSPHRASE_FILE'])
    vi.stubEnv(name, '')
  vi.stubEnv('XDG_CONFIG_HOME', join(root, 'config'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true })
})

const run = (word: string, options: Record<string, string> = {}): Promise<Result> => {
  const command = masterKeyCommands.find(({ words }) => words[1] === word)!
  const context = { args: [], options, paths: { state: join(root, 'state') } }
  return command.run(context as unknown as CommandContext) as Promise<Result>
}

describe('strongroom master-key', () => {
  it('refuses where there is no installation, makes none, and asks who shall hold the key', async () => {
    await expect(run('show')).rejects.toMatchObject({ code: 'InvalidArgument' })
    await expect(run('rotate', { to: 'file' })).rejects.toMatchObject({ code: 'InvalidArgument' })
    await expect(run('rotate')).rejects.toMatchObject({ code: 'InvalidArgument', exitCode: 2 })
    expect(readdirSync(root)).toEqual([])
  })

  it('says what is missing where the installation was never started', async () => {
    mkdirSync(join(root, 'state'))
    const installation = {
      id: '00000000-0000-4000-8000-000000000001',
      tenantId: '00000000-0000-4000-8000-000000000002',
      subscriptionId: '00000000-0000-4000-8000-000000000003',
      mode: 'simulated',
      createdAt: new Date().toISOString(),
      region: 'westeurope',
      ports: { tls: 18643, local: 18644 },
    }
    writeFileSync(join(root, 'state/installation.json'), JSON.stringify(installation))
    await expect(run('show')).rejects.toMatchObject({ code: 'RootKeyUnreadable' })
    await expect(run('rotate', { to: 'nobody' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})
