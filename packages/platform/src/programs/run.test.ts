import { describe, expect, it, vi } from 'vitest'
import { ServiceError } from '../errors/errors.ts'
import { ProgramError, run } from './run.ts'

describe('run', () => {
  it('hands arguments on as they are, with no shell to interpret them', async () => {
    const { stdout } = await run({ command: 'printf', args: ['%s\n', '$(id); `id` > /tmp/x', '*'] })
    expect(stdout.toString()).toBe('$(id); `id` > /tmp/x\n*\n')
  })

  it('feeds standard input and tolerates a program that does not read it', async () => {
    expect((await run({ command: 'cat', args: [], stdin: Uint8Array.of(0, 255, 10) })).stdout).toEqual(
      Buffer.of(0, 255, 10),
    )
    await run({ command: 'true', args: [], stdin: 'x'.repeat(1_000_000) })
  })

  it('reports a failing program with its exit code and what it said', async () => {
    const error = await run({ command: 'sh', args: ['-c', 'echo broken >&2; exit 3'] }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ProgramError)
    expect(error).toMatchObject({ command: 'sh', code: 3, stderr: 'broken\n' })
    expect((error as Error).message).toContain('broken')
  })

  it('says that the disk is full where a program met it', async () => {
    const full = run({ command: 'dd', args: ['if=/dev/zero', 'of=/dev/full', 'count=1'] })
    await expect(full).rejects.toMatchObject({ code: 'StorageFull', status: 507 })
  })

  it('accepts the exit codes that were allowed', async () => {
    expect((await run({ command: 'sh', args: ['-c', 'exit 2'], allow: [2] })).code).toBe(2)
  })

  it('names the Debian package of a missing program', async () => {
    vi.stubEnv('PATH', '/nonexistent')
    try {
      const error = await run({ command: '/nonexistent/sbsign', args: [] }).catch((e: unknown) => e)
      expect(error).toBeInstanceOf(ServiceError)
      expect(error).toMatchObject({ code: 'MissingProgram', remedy: 'Install it: apt-get install -y sbsigntool' })
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('ends a program at the time limit and on abortion', async () => {
    await expect(run({ command: 'sleep', args: ['60'], timeoutMs: 50 })).rejects.toThrow('longer than 50 ms')
    const abort = new AbortController()
    const running = run({ command: 'sleep', args: ['60'], signal: abort.signal })
    abort.abort()
    await expect(running).rejects.toThrow('was cancelled')
    await expect(run({ command: 'true', args: [], signal: abort.signal })).rejects.toThrow()
  })

  it('does not hand the environment of the server on', async () => {
    vi.stubEnv('STRONGROOM_TEST_SECRET', 'hunter2')
    try {
      const { stdout } = await run({ command: 'env', args: [], env: { EXTRA: 'yes' } })
      expect(stdout.toString()).not.toContain('hunter2')
      expect(stdout.toString()).toContain('EXTRA=yes')
    } finally {
      vi.unstubAllEnvs()
    }
  })
})
