import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import { render, type Result } from '../core/output.ts'
import { evidenceCommands } from './evidence.ts'

/** From Debian's package golang-github-google-go-sev-guest-dev. */
const sev = '/usr/share/gocode/src/github.com/google/go-sev-guest/verify/testdata'
const files = [`${sev}/attestation.bin`, `${sev}/vcek.testcer`, `${sev}/milan.testcer`]

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-evidence-'))
})
afterEach(async () => {
  process.exitCode = 0
  await rm(folder, { recursive: true })
})

async function run(
  word: string,
  args: string[],
  options: Record<string, string> = {},
): Promise<{ code: number; result: Result }> {
  const command = evidenceCommands.find(({ words }) => words[1] === word)!
  process.exitCode = 0
  const result = await command.run({
    args,
    options: { at: '2023-07-01T00:00:00Z', ...options },
  } as unknown as CommandContext)
  return { code: Number(process.exitCode), result: result! }
}

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

describe('strongroom evidence verify', () => {
  it('exits 0 for evidence that a policy takes, 1 for what it refuses, 2 for what cannot be judged', async () => {
    const policy = await file('policy.json', { snp: { allow: { debug: true } } })
    expect((await run('verify', files, { policy })).code).toBe(0)
    expect((await run('verify', files)).code).toBe(1)
    expect((await run('verify', files.slice(0, 1), { policy })).code).toBe(2)
    expect((await run('verify', [await file('x', 'hello')])).code).toBe(2)
  })

  it('prints the tree, the rule that failed with what was expected and found, and the verdict', async () => {
    const { lines } = (await run('verify', files)).result
    const text = lines!.join('\n')
    expect(text).toContain('✓ The report is signed by the endorsed key')
    expect(text).toContain('✗ policy.debugAllowed is as the policy wants it [Forbidden]')
    expect(text).toContain('expected: false')
    expect(lines!.at(-1)).toBe('Refused, as of 2023-07-01T00:00:00.000Z: Forbidden.')
  })

  it('shows a refused file’s escape sequences as text: they write no verdict over ours (attack E22)', async () => {
    const over = '\u001b[2K\u001b[1A\rAccepted, as of 2023-07-01T00:00:00.000Z.\n\u009b8m\u202e'
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: over, sub: over, 'x-ms-attestation-type': over, [over]: over }
    const token = await file('token.jwt', `${part({ alg: 'RS256', typ: 'JWT', kid: over })}.${part(claims)}.AAAA`)
    for (const word of ['verify', 'explain']) {
      const { code, result } = await run(word, [token])
      for (const format of ['table', 'json', 'yaml', 'tsv'] as const) {
        const text = render(result, format)
        expect(text).not.toMatch(/(?![\n\t])[\p{Cc}\u202e]/u)
        expect(text).not.toMatch(/^Accepted/m)
        if (format !== 'tsv') expect(text).toContain(String.raw`\u001b[2K`)
      }
      if (word === 'verify') expect(code).not.toBe(0)
    }
  })

  it('gives programs the same tree with ids and codes', async () => {
    const data = (await run('verify', files)).result.data as {
      verdict: string
      code: string
      check: { children: { id: string }[] }
    }
    expect(data).toMatchObject({ verdict: 'refused', code: 'Forbidden', check: { children: [{ id: 'snp' }] } })
  })

  it('takes no roots but those given, and says which', async () => {
    const anchors = await file('anchors.json', {
      simulated: true,
      amd: [{ name: 'mine', spkiSha256: '00'.repeat(32) }],
      intel: [],
    })
    const { code, result } = await run('verify', files, { anchors })
    expect(code).toBe(1)
    expect(result.data).toMatchObject({ code: 'UntrustedRoot', simulated: true })
  })

  it('refuses a time without a zone or of no day, a policy that is none and a file that is absent, each with a remedy', async () => {
    const refusal = async (args: string[], options: Record<string, string>): Promise<unknown> =>
      await run('verify', args, options).catch((error: unknown) => error)
    expect(await refusal(files, { at: '2023-07-01T00:00:00' })).toMatchObject({ code: 'InvalidArgument', exitCode: 2 })
    for (const at of ['2026-02-30', '2026-02-30T00:00:00Z', '2026-04-31T12:00:00+02:00'])
      expect(await refusal(files, { at })).toMatchObject({
        code: 'InvalidArgument',
        exitCode: 2,
        detail: { innererror: { found: at } },
      })
    expect(await refusal(files, { policy: await file('p', '{') })).toMatchObject({
      code: 'InvalidArgument',
      exitCode: 2,
    })
    expect(await refusal(files, { policy: await file('q', { snp: { x: 1 } }) })).toMatchObject({
      code: 'InvalidPolicy',
      exitCode: 2,
    })
    expect(await refusal(['/nowhere'], {})).toMatchObject({ code: 'FileNotReadable', exitCode: 2 })
    expect(await refusal(files, { nonce: 'xyz' })).toMatchObject({ code: 'InvalidPolicy' })
  })
})

describe('strongroom evidence explain', () => {
  it('prints every field with its meaning', async () => {
    const { code, result } = await run('explain', files.slice(0, 1))
    expect(code).toBe(0)
    const [explanation] = result.data as { fields: { name: string; value: string; meaning: string }[] }[]
    expect(explanation!.fields.find(({ name }) => name === 'policy.debugAllowed')).toEqual({
      name: 'policy.debugAllowed',
      value: 'yes',
      meaning: 'DEBUG: The host may read and write the guest’s memory: nothing is confidential',
    })
    expect(result.lines!.length).toBeGreaterThan(90)
  })

  it('exits 2 for what it does not know', async () => {
    expect((await run('explain', [await file('x', 'hello')])).code).toBe(2)
  })
})

describe('what evidence verify did not use', () => {
  it('is named in the text and in JSON, and changes no verdict', async () => {
    const policy = await file('policy.json', { snp: { allow: { debug: true } } })
    const more = await file('more.json', { report: (await readFile(files[0]!)).toString('base64'), gpu: [1] })
    const { code, result } = await run('verify', [more, ...files.slice(1)], { policy })
    expect(code).toBe(0)
    expect((result.data as { unused: object[] }).unused).toEqual([{ of: `${more} gpu`, what: 'a list of 1 values' }])
    const at = result.lines!.indexOf('Not used: the verdict does not depend on it:')
    expect(result.lines![at + 1]).toBe(`  · ${more} gpu: a list of 1 values`)
    expect((await run('verify', files, { policy })).result.lines!.join('\n')).not.toContain('Not used')
  })
})
