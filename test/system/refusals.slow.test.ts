import { createServer, type Server } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'

const made: TestInstallation[] = []
const servers: Server[] = []

async function make(): Promise<TestInstallation> {
  const installation = await TestInstallation.create()
  made.push(installation)
  return installation
}

afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  for (const installation of made.splice(0)) await installation.remove()
})

interface Refusal {
  error: { code: string; message: string; innererror?: { remedy?: string } }
}

describe('what a user does wrong', () => {
  it('a taken port: the error names the port and the remedy', async () => {
    const installation = await make()
    const other = createServer()
    servers.push(other)
    await new Promise<void>((done) => other.listen(installation.ports.tls, '127.0.0.1', done))
    await expect(installation.start()).rejects.toMatchObject({
      detail: { code: 'PortTaken', message: expect.stringContaining(String(installation.ports.tls)) as string },
    })
  })

  it('a command without a server: exit code 5 and how to start it', async () => {
    const installation = await make()
    const outcome = await installation.cli('vm', 'list')
    expect(outcome.code).toBe(5)
    expect((outcome.json as Refusal).error).toMatchObject({
      code: 'NotRunning',
      innererror: { remedy: expect.stringContaining('strongroom up`') as string },
    })
  })

  it('an image that is not an image: every reason, and nothing imported', async () => {
    const installation = await make()
    await installation.start()
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-image-'))
    try {
      const path = join(folder, 'letter.raw')
      await writeFile(path, 'Dear Sir or Madam')
      const outcome = await installation.cli('image', 'import', path)
      expect(outcome.code).toBe(1)
      expect((outcome.json as Refusal).error.message).not.toBe('')
      const list = await installation.must<{ name: string }[]>('image', 'list')
      expect(list.some((image) => image.name === 'letter')).toBe(false)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a VM that is not there: exit code 4', async () => {
    const installation = await make()
    await installation.start()
    const outcome = await installation.cli('vm', 'show', 'nobody')
    expect(outcome.code).toBe(4)
  })

  it('a size that does not exist: refused with the rule, and nothing left behind', async () => {
    const installation = await make()
    await installation.start()
    const outcome = await installation.cli('vm', 'create', 'odd', '--size', 'Standard_NoSuch_v9')
    expect(outcome.code).toBe(1)
    expect(await installation.must('vm', 'list')).toEqual([])
  })

  it('an installation opened with another mode: refused, the mode is fixed when it is made', async () => {
    const installation = await make()
    await installation.start()
    await installation.stop()
    await expect(installation.start({}, ['--mode', 'hardware'])).rejects.toMatchObject({
      detail: { code: 'InstallationModeFixed' },
    })
  })
})
