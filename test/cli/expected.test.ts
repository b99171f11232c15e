import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ArmClient, apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { TestInstallation } from '../system/support/installation.ts'

/** What users of other command lines expect of this one. */
const root = resolve(import.meta.dirname, '../..')
let installation: TestInstallation
beforeAll(async () => {
  installation = await TestInstallation.create()
  await installation.start({}, ['--compute', 'simulated', '--test-api'])
  await installation.must('vm', 'create', 'one')
}, 300_000)
afterAll(async () => {
  await installation.remove()
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** The command as given, without the tests' format. @param lines how many are read before the pipe is closed */
async function raw(args: string[], lines = Number.POSITIVE_INFINITY): Promise<Ended> {
  const child = spawn(join(root, 'strongroom'), args, { env: installation.environment() })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    if (stdout.split('\n').length > lines) child.stdout.destroy()
  })
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return await new Promise((done) => child.once('close', (code) => done({ code, stdout, stderr })))
}
const codeOf = (json: unknown): string => (json as { error: { code: string } }).error.code
/** Names of interfaces, addresses and security groups at the resource manager. */
async function networkOf(): Promise<string[]> {
  const connection = await connect(installation.stateDir)
  try {
    const arm = new ArmClient(connection)
    const network = `${arm.subscription}/providers/Microsoft.Network`
    const names: string[] = []
    for (const type of ['networkInterfaces', 'publicIPAddresses', 'networkSecurityGroups', 'virtualNetworks'])
      for (const { name } of await arm.list<{ name: string }>(`${network}/${type}`, apiVersions.network))
        names.push(name)
    return names
  } finally {
    connection.https.close()
  }
}

describe('the output', () => {
  it('is refused in a format that there is not', async () => {
    const { code, stderr } = await raw(['vm', 'list', '-o', 'yml'])
    expect(code).toBe(2)
    expect(stderr).toContain('table, json, jsonc, yaml, tsv, none')
  })

  it('comes in every format, and a query takes of it what is asked', async () => {
    expect((await raw(['vm', 'list', '-o', 'yaml'])).stdout).toContain('- id: /subscriptions/')
    expect((await raw(['vm', 'list', '-o', 'tsv', '--query', '[].name'])).stdout).toBe('one\n')
    expect((await raw(['vm', 'list', '-o', 'none'])).stdout).toBe('')
    expect((await raw(['vm', 'list', '--query', '[].{vm: name}'])).stdout).toBe('vm\n---\none\n')
    const wrong = await raw(['vm', 'list', '--query', '['])
    expect([wrong.code, wrong.stdout]).toEqual([2, ''])
  })

  it('ends quietly where the reader has read enough', async () => {
    const { code, stderr } = await raw(['completion', 'bash'], 1)
    expect([code, stderr]).toEqual([0, ''])
  })
})

describe('help', () => {
  it('of a command shows its options', async () => {
    const { code, stdout } = await raw(['help', 'vm', 'create'])
    expect(code).toBe(0)
    for (const option of ['--encryption', '--no-wait', '--query', '--output']) expect(stdout).toContain(option)
    expect((await raw(['help'])).stdout).toContain('Commands:')
  })
})

describe('a VM', () => {
  it('is found in whatever group it is, and -g decides between two of a name', async () => {
    await installation.must('vm', 'create', 'two', '-g', 'elsewhere')
    expect(await installation.must('vm', 'show', 'TWO')).toMatchObject({ name: 'two' })
    await installation.must('vm', 'create', 'two')
    const unsure = await installation.cli('vm', 'stop', 'two')
    expect([unsure.code, codeOf(unsure.json)]).toEqual([2, 'AmbiguousName'])
    expect(await installation.must('vm', 'show', 'two', '-g', 'elsewhere')).toMatchObject({ name: 'two' })
    const nobody = await installation.cli('vm', 'show', 'nobody')
    expect([nobody.code, codeOf(nobody.json)]).toEqual([4, 'ResourceNotFound'])
  })

  it('is stopped and deleted with others by one command, together with what was made with it', async () => {
    await installation.must('vm', 'create', 'three')
    const stopped = await installation.must<{ name: string }[]>('vm', 'deallocate', 'one', 'three')
    expect(stopped.map(({ name }) => name)).toEqual(['one', 'three'])
    const mixed = await installation.cli('vm', 'delete', 'three', 'nobody', '--yes')
    expect([mixed.code, codeOf(mixed.json)]).toEqual([4, 'ResourceNotFound'])
    expect(await installation.must('vm', 'delete', 'one', 'three', '--yes')).toEqual([
      { deleted: 'one' },
      { deleted: 'three' },
    ])
    expect((await networkOf()).filter((name) => /^(one|three)/.test(name))).toEqual([])
  })

  it('that is refused leaves nothing behind, and one that failed stays to be looked at', async () => {
    const refused = await installation.cli('vm', 'create', 'four', '-g', 'fresh', '--size', 'Standard_DC2asv5')
    expect(refused.code).toBe(1)
    expect(refused.stdout).toContain("Did you mean 'Standard_DC2as_v5'?")
    expect((await networkOf()).filter((name) => /^(four|fresh)/.test(name))).toEqual([])
    await installation.must('test', 'fault', 'add', 'boot-failure', '--once')
    expect((await installation.cli('vm', 'create', 'five')).code).toBe(1)
    expect(await installation.must('vm', 'show', 'five')).toMatchObject({ name: 'five' })
    await installation.must('vm', 'delete', 'five', '--yes')
    expect((await networkOf()).filter((name) => name.startsWith('five'))).toEqual([])
  })

  it('without a guest says so to whoever wants in', async () => {
    const { code, stderr } = await raw(['vm', 'ssh', 'two', '-g', 'elsewhere', '--', 'true'])
    expect(code).toBe(1)
    expect(stderr).toContain('has no guest')
  })
})

describe('the cost', () => {
  it('fits a terminal and has a currency', async () => {
    const { stdout } = await raw(['cost', 'show'])
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100)
    expect(stdout).toMatch(/two \(elsewhere\) .* [A-Z]{3}$/m)
  })
})
