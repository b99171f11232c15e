import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from '../system/support/installation.ts'
import { writeCompatibility, type Row } from './support/compatibility.ts'

/** One result line of a calls program: a call, with its result or error. */
interface Line extends Row {
  error?: string
}

let installation: TestInstallation
const lines: Line[] = []

/** The SDKs read NODE_EXTRA_CA_CERTS when Node starts, so they run in a separate process, like a user's program. */
beforeAll(async () => {
  installation = await TestInstallation.create()
  await installation.start({}, ['--compute', 'simulated'])
  const settings = await installation.must<Record<string, string>>('env', '--login')
  for (const name of ['sdk-calls.ts', 'sdk-kept-calls.ts', 'sdk-vm-calls.ts']) {
    const script = resolve(import.meta.dirname, 'support', name)
    const child = spawn(process.execPath, ['--conditions=x-source', '--disable-warning=ExperimentalWarning', script], {
      env: {
        ...installation.environment(),
        ...Object.fromEntries(Object.entries(settings).filter(([, value]) => typeof value === 'string')),
        AZURE_CLIENT_CERTIFICATE_PATH: join(settings['AZURE_CONFIG_DIR']!, 'login.pem'),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    const code = await new Promise((done) => child.once('close', done))
    expect(code, name).toBe(0)
    const printed = stdout.split('\n').filter((line) => line.startsWith('{'))
    lines.push(...printed.map((line) => JSON.parse(line) as Line))
  }
}, 300_000)

afterAll(async () => {
  if (lines.length > 0 && lines.every(({ error }) => error === undefined))
    await writeCompatibility('sdk', 'The SDKs for JavaScript', lines)
  await installation.remove()
})

describe("Azure's SDKs for JavaScript, unmodified", () => {
  it('make, read, change and delete what the resource manager has', () => {
    expect(lines.filter(({ error }) => error !== undefined)).toEqual([])
    expect(lines.length).toBeGreaterThan(110)
  })

  it.each([
    'Sign-in',
    'arm-resources',
    'arm-network',
    'arm-compute',
    'arm-resourcesdeployments',
    'Several network interfaces',
    'User-assigned identities',
    'Data disks by their ids',
  ])('%s', (section) => {
    expect(lines.filter((line) => line.section === section).length).toBeGreaterThan(0)
  })
})
