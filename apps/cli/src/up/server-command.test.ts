import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { serverCommand } from './server-command.ts'

function temporary(): { stateDir: string; cacheDir: string; compile: string } {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-command-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const cacheDir = join(directory, 'cache')
  return { stateDir: join(directory, 'state'), cacheDir, compile: join(cacheDir, 'compile') }
}

const allocator = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '131072' }

describe('serverCommand', () => {
  it('lets Node keep compiled code in a directory that only this user can enter', async () => {
    const { compile, ...folders } = temporary()
    const command = await serverCommand(folders)
    expect(command.env).toEqual({ ...allocator, NODE_COMPILE_CACHE: compile })
    expect(statSync(compile).mode & 0o777).toBe(0o700)
  })

  it('runs no code from a directory that others can write to', async () => {
    const { compile, ...folders } = temporary()
    mkdirSync(compile, { recursive: true })
    chmodSync(compile, 0o777)
    expect((await serverCommand(folders)).env).toEqual(allocator)
  })

  it('runs no code from where a link leads', async () => {
    const { compile, ...folders } = temporary()
    mkdirSync(folders.cacheDir)
    mkdirSync(folders.stateDir)
    symlinkSync(folders.stateDir, compile)
    expect((await serverCommand(folders)).env).toEqual(allocator)
  })

  it('passes on what was asked for, and no port that was not', async () => {
    const { compile: _, ...folders } = temporary()
    const { args } = await serverCommand({ ...folders, tlsPort: '9443', mode: 'simulated' })
    expect(args.slice(-6)).toEqual(['--cache-dir', folders.cacheDir, '--port', '9443', '--mode', 'simulated'])
  })
})
