import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildContainer } from '../../scripts/build-container.ts'
import { node } from '../../scripts/container-kinds.ts'
import { Engine } from './engine.ts'
import { OrdinaryUser } from './ordinary-user.ts'
import { mostNodes, nodesUntilReady, startContainer } from './readiness.ts'

const directory = mkdtempSync(join(tmpdir(), 'strongroom-rootless-'))
let user: OrdinaryUser
let engine: Engine

beforeAll(async () => {
  chmodSync(directory, 0o755)
  const archive = await buildContainer(directory)
  user = new OrdinaryUser(directory)
  engine = new Engine(user)
  engine.must('load', '--quiet', '--input', archive)
})
afterAll(async () => {
  await engine.close()
  user.remove()
  rmSync(directory, { recursive: true, force: true })
})

describe('the container image, by an engine of a user without rights', () => {
  it('runs as an id that the user has for containers, on a root file system that nobody writes, without a capability', async () => {
    expect(engine.must('info', '--format', '{{.Host.Security.Rootless}}')).toBe('true')
    const id = await startContainer(engine)
    const pid = engine.must('inspect', '--format', '{{.State.Pid}}', id)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string): string[] =>
      new RegExp(String.raw`^${name}:\s+(.*)$`, 'm').exec(status)![1]!.split(/\s+/)
    // User 65532 of the image; 0 would be the user’s own id.
    expect(new Set(field('Uid'))).toEqual(new Set([String(user.firstId + 65_531)]))
    expect([field('CapEff'), field('CapPrm'), field('CapBnd')]).toEqual(Array(3).fill(['0000000000000000']))
    const write = engine.podman('exec', id, node, '-e', "require('node:fs').writeFileSync('/usr/x', '')")
    expect([write.status, write.stderr]).toEqual([1, expect.stringContaining('EROFS')])
    expect(engine.podman('healthcheck', 'run', id).status).toBe(0)
    engine.must('stop', '--time', '60', id)
    expect(engine.must('inspect', '--format', '{{.State.ExitCode}}', id)).toBe('0')
  })

  it(`answers in at most ${mostNodes} times what a container takes that starts Node and ends`, async () => {
    expect(await nodesUntilReady(engine)).toBeLessThan(mostNodes)
  })
})
