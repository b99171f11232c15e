import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startProgram } from './owned.ts'
import { sameProcess, startTimeOf } from './process.ts'

describe('startProgram', () => {
  it('knows the pid of the program itself, not of a wrapper', async () => {
    const program = startProgram({ command: 'sleep', args: ['60'], dieWithParent: true })
    expect(sameProcess(program.pid, program.startTime)).toBe(true)
    expect(program.kill('SIGTERM')).toBe(true)
    expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' })
    expect(sameProcess(program.pid, program.startTime)).toBe(false)
    expect(program.kill()).toBe(false)
  })

  it('leaves no program behind when the server is killed', async () => {
    const script = `
      import { startProgram } from ${JSON.stringify(join(import.meta.dirname, 'owned.ts'))}
      const { pid, startTime } = startProgram({ command: 'sleep', args: ['600'], dieWithParent: true })
      console.log(JSON.stringify({ pid, startTime }))
      setInterval(() => {}, 1000)`
    const server = spawn(process.execPath, ['--conditions=x-source', '--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(server.stdout, 'data')) as [Buffer]
    const { pid, startTime } = JSON.parse(line.toString()) as { pid: number; startTime: string }
    expect(sameProcess(pid, startTime)).toBe(true)
    server.kill('SIGKILL')
    await expect.poll(() => sameProcess(pid, startTime)).toBe(false)
  })

  it('leaves none behind either when the server is killed before the program has asked for the signal', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'owned-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    // A slow machine: the server is killed between the fork and the request for the signal.
    await writeFile(join(directory, 'setpriv'), '#!/bin/sh\nsleep 0.5\nPATH=/usr/bin:/bin exec setpriv "$@"\n', {
      mode: 0o755,
    })
    const script = `
      import { startProgram } from ${JSON.stringify(join(import.meta.dirname, 'owned.ts'))}
      const { pid, startTime } = startProgram({ command: 'sleep', args: ['600'], dieWithParent: true })
      console.log(JSON.stringify({ pid, startTime }))
      setInterval(() => {}, 1000)`
    const server = spawn(process.execPath, ['--conditions=x-source', '--input-type=module-typescript', '-e', script], {
      env: { ...process.env, PATH: `${directory}:${process.env['PATH']}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(server.stdout, 'data')) as [Buffer]
    server.kill('SIGKILL')
    const { pid, startTime } = JSON.parse(line.toString()) as { pid: number; startTime: string }
    await expect.poll(() => sameProcess(pid, startTime), { timeout: 60_000 }).toBe(false)
  })

  it('can start it in a session of its own, without a way to more privileges', async () => {
    const program = startProgram({
      command: 'sh',
      args: ['-c', 'ps -o sid= -p $$; grep NoNewPrivs /proc/self/status'],
      stdio: ['ignore', 'pipe', 'ignore'],
      newSession: true,
      confinement: {},
      dieWithParent: true,
    })
    let said = ''
    program.child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await program.exited
    const [session = '', privileges] = said.split('\n')
    expect(Number(session)).toBe(program.pid)
    expect(privileges).toMatch(/\t1$/)
  })

  it('refuses a program that is not there', () => {
    const start = (): unknown => startProgram({ command: 'qemu-system-none', args: [], dieWithParent: true })
    expect(start).toThrow(expect.objectContaining({ code: 'MissingProgram' }) as Error)
  })
})

describe('sameProcess', () => {
  it('does not take another process with a reused pid for the recorded one', () => {
    const startTime = startTimeOf(process.pid)!
    expect(sameProcess(process.pid, startTime)).toBe(true)
    expect(sameProcess(process.pid, String(Number(startTime) + 1))).toBe(false)
    expect(sameProcess(process.pid, '')).toBe(false)
    expect(sameProcess(2 ** 30, startTime)).toBe(false)
  })
})
