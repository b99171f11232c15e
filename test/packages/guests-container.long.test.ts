import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildContainer, imageNameOf } from '../../scripts/build-container.ts'
import { guests } from '../../scripts/container-kinds.ts'
import { Engine } from './engine.ts'

const engine = new Engine()
const directory = mkdtempSync(join(tmpdir(), 'strongroom-guests-'))
const name = 'guests'
/** For the log's line `boot until the guest is ready`: how long a boot may take under emulation (README.md). */
const mostSeconds = 120

beforeAll(async () => {
  engine.must('load', '--quiet', '--input', await buildContainer(directory, { kind: guests }))
  rmSync(directory, { recursive: true })
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

const log = (): string => {
  const { stdout, stderr } = engine.podman('logs', name)
  return stdout + stderr
}

describe('the container image with guests, as a plain container without KVM', () => {
  it('builds an image, boots a guest that is trusted, and lets one in by SSH', async () => {
    engine.must('run', '--detach', '--name', name, '--read-only', imageNameOf(guests))
    const running = (): string => engine.must('inspect', '--format', '{{.State.Status}}', name)
    await expect.poll(() => `${running()} ${log()}`, { timeout: 540_000, interval: 1000 }).toMatch(/Serving\.|^exited/)
    const said = log()
    expect(said).toContain('Every link holds.')
    const seconds = Number(/([\d.]+) s {2}boot until the guest is ready/.exec(said)?.[1])
    expect(seconds).toBeLessThan(mostSeconds)
    const ssh = engine.podman('exec', name, 'strongroom', 'vm', 'ssh', 'first', '--', 'cat', '/etc/os-release')
    expect(ssh.stdout, ssh.stderr).toContain('VERSION_CODENAME=trixie')
  })

  it('gives the guest’s programs a user of their own, without a capability', () => {
    // The owner of QEMU's process, as the host sees it.
    const users = engine
      .must('top', name, 'huser', 'comm')
      .split('\n')
      .filter((line) => line.includes('qemu-system'))
    expect(users).toHaveLength(1)
    expect(Number.parseInt(users[0]!, 10)).toBeGreaterThanOrEqual(0x7000_0000)
  })

  it('tells no secret of its owner’s in the log that the engine keeps', () => {
    expect(log()).toContain('owner secret: not shown')
    expect(log()).not.toMatch(/shown only once|PRIVATE KEY/)
  })

  it('stops the guest and ends when it is asked to', () => {
    engine.must('stop', '--time', '60', name)
    expect(engine.must('inspect', '--format', '{{.State.ExitCode}}', name)).toBe('0')
  })
})
