import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { policyCommands } from './policy.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-policy-'))
})
afterEach(async () => {
  process.exitCode = 0
  await rm(folder, { recursive: true })
})

async function run(
  word: string,
  args: string[],
  options: Record<string, boolean> = {},
): Promise<{ code: number; result: Result; text: string }> {
  const command = policyCommands.find(({ words }) => words[1] === word)!
  process.exitCode = 0
  const result = (await command.run({ args, options } as unknown as CommandContext)) ?? { data: undefined, lines: [] }
  return { code: Number(process.exitCode), result, text: result.lines!.join('\n') }
}

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const refusal = async (work: Promise<unknown>): Promise<unknown> => await work.catch((error: unknown) => error)
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const text = `version=1.2;
authorizationrules
{
  [type=="x-ms-sevsnpvm-is-debuggable", value==true] => deny();
  [type=="x-ms-compliance-status", value=="azure-compliant-cvm"] && [type=="x-ms-sevsnpvm-guestsvn", value>=2] => permit();
};
issuancerules
{
  c:[type=="x-ms-sevsnpvm-vmpl"] => issue(type="level", value=c.value);
  c:[type=="x-ms-sevsnpvm-vmpl"] => issue(type="wrong", value=NegateBool(c.value));
};
`
const claims = {
  'x-ms-compliance-status': 'azure-compliant-cvm',
  'x-ms-sevsnpvm-is-debuggable': false,
  'x-ms-sevsnpvm-guestsvn': 3,
  'x-ms-sevsnpvm-vmpl': 0,
}

describe('strongroom policy check', () => {
  it('exits 0 with the hash that tokens show, and warns; with --strict a warning exits 1', async () => {
    const good = await run('check', [await file('p', text)], { strict: true })
    expect(good).toMatchObject({ code: 0, result: { data: { version: '1.2', warnings: [] } } })
    expect(good.text).toMatch(/x-ms-policy-hash [A-Za-z0-9_-]{43}/)
    const open = await file('open', 'version=1.0;authorizationrules{=>permit();};')
    expect(await run('check', [open])).toMatchObject({ code: 0 })
    const strict = await run('check', [open], { strict: true })
    expect(strict.code).toBe(1)
    expect(strict.text).toContain('warning PermitsEverything, line 1')
  })

  it('shows the line that cannot be read, with a mark under the place', async () => {
    const error = (await refusal(run('check', [await file('p', text.replace('deny()', 'deny'))]))) as Error
    expect(error).toMatchObject({ code: 'PolicyParsingError', exitCode: 1 })
    const [, line, mark] = error.message.split('\n') as [string, string, string]
    expect(line.slice(2)[mark.indexOf('^') - 2]).toBe(';')
  })

  it('reads the envelope in which a policy is sent, and refuses what holds none', async () => {
    const jws = `${base64url({ alg: 'none' })}.${base64url({ AttestationPolicy: Buffer.from(text).toString('base64url') })}.`
    const [plain, envelope] = [await run('check', [await file('p', text)]), await run('check', [await file('e', jws)])]
    expect(envelope.result.data).toEqual(plain.result.data)
    expect(await refusal(run('format', [await file('e', jws)], { write: true }))).toMatchObject({
      code: 'InvalidArgument',
    })
    for (const content of [`${base64url({ alg: 'none' })}.${base64url({})}.`, `${base64url({})}.AAAA.`])
      expect(await refusal(run('check', [await file('x', content)]))).toMatchObject({
        code: 'InvalidArgument',
        exitCode: 2,
      })
    expect(await refusal(run('check', ['/nowhere']))).toMatchObject({ code: 'FileNotReadable' })
  })
})

describe('strongroom policy eval', () => {
  it('exits 0 permitted, 1 denied with what was expected and found', async () => {
    const policy = await file('p', text)
    const permitted = await run('eval', [policy, await file('c', claims)])
    expect(permitted).toMatchObject({ code: 0, result: { data: { decision: 'permitted', issued: { level: 0 } } } })
    expect(permitted.text).toContain('no effect')
    const denied = await run('eval', [policy, await file('d', { ...claims, 'x-ms-sevsnpvm-guestsvn': 1 })])
    expect(denied.code).toBe(1)
    expect(denied.text).toContain('found:    x-ms-sevsnpvm-guestsvn is 1')
    expect(
      (await run('eval', [policy, await file('e', { ...claims, 'x-ms-sevsnpvm-is-debuggable': true })])).text,
    ).toContain('Denied: a deny() ran.')
  })

  it('takes a token, an answer with one, and claims with their issuers', async () => {
    const policy = await file(
      'p',
      'version=1.0;authorizationrules{[type=="a", value==1, ' +
        'issuer=="AttestationService"]=>permit();};issuancerules{c:[type=="exp"]=>issue(claim=c);};',
    )
    const token = `${base64url({ alg: 'RS256' })}.${base64url({ a: 1, exp: 5, iss: 'https://x' })}.AAAA`
    for (const content of [token, { token }, { a: 1 }, [{ type: 'a', value: 1, issuer: 'AttestationService' }]]) {
      const { code, result } = await run('eval', [policy, await file('c', content)])
      expect(code).toBe(0)
      // Members added at signing were not claims when the policy decided.
      expect(result.data).toMatchObject({ issued: {} })
    }
    const bundle = { format: 'strongroom-attestation-decision', version: 1, decision: {}, evidence: {} }
    expect((await run('eval', [policy, await file('b', { ...bundle, claims: { a: 1, exp: 5 } })])).code).toBe(0)
    expect((await run('eval', [policy, await file('b', { ...bundle, policyClaims: { a: 1 } })])).code).toBe(0)
    expect(await refusal(run('eval', [policy, await file('b', bundle)]))).toMatchObject({
      code: 'InvalidArgument',
      detail: { innererror: { found: expect.stringContaining('no stored claims') } },
    })
    const sealed = { token: Buffer.from('{"EncryptedInnerKey":"AAAA"}').toString('base64url') }
    expect(await refusal(run('eval', [policy, await file('s', sealed)]))).toMatchObject({
      code: 'InvalidArgument',
      detail: { innererror: { found: expect.stringContaining('sealed') } },
    })
    // Claims in a list are a client's by default, as in the language.
    expect((await run('eval', [policy, await file('c', [{ type: 'a', value: 1 }])])).code).toBe(1)
    for (const content of ['hello', '3', [{ type: 'a', value: 1.5 }], [{ type: 'a', value: 1, valueType: 'String' }]])
      expect(await refusal(run('eval', [policy, await file('x', content)]))).toMatchObject({
        code: 'InvalidArgument',
        exitCode: 2,
      })
  })

  it('exits with an error, and no decision, where a rule that decides cannot be evaluated', async () => {
    const policy = await file(
      'p',
      'version=1.2;authorizationrules{=>add(type="a", value=NegateBool("x"));=>permit();};',
    )
    const error = await refusal(run('eval', [policy, await file('c', {})]))
    const unreadable = await refusal(run('eval', [await file('q', 'version=1.0;'), policy]))
    expect(unreadable).toMatchObject({ code: 'PolicyParsingError', exitCode: 2 })
    expect(error).toMatchObject({
      code: 'PolicyEvaluationError',
      exitCode: 2,
      detail: { innererror: { expected: 'one Boolean' } },
    })
    const explained = await run('explain', [policy, await file('c', {})])
    expect(explained).toMatchObject({ code: 2, result: { data: { decision: 'error' } } })
    expect(explained.text).toContain('failed: Line 1, column')
    expect(explained.text).toContain('not reached')
  })
})

describe('strongroom policy explain', () => {
  it('shows rule by rule which matched, what it did, and why the decision fell', async () => {
    const { code, text: lines, result } = await run('explain', [await file('p', text), await file('c', claims)])
    expect(code).toBe(0)
    expect(lines).toContain('·   4  [type == "x-ms-sevsnpvm-is-debuggable", value == true] => deny();')
    expect(lines).toContain(
      'not met: [type == "x-ms-sevsnpvm-is-debuggable", value == true]; x-ms-sevsnpvm-is-debuggable is false',
    )
    expect(lines).toContain('issued level = 0')
    expect(lines).toContain('failed: Line 10')
    const { rules } = result.data as { rules: { state: string }[] }
    expect(rules.map(({ state }) => state)).toEqual(['notMatched', 'matched', 'matched', 'failed'])
  })

  it('reaches no issuance rule where nothing was permitted', async () => {
    const { code, result } = await run('explain', [await file('p', text), await file('c', {})])
    expect(code).toBe(1)
    const { rules } = result.data as { rules: { state: string }[] }
    expect(rules.map(({ state }) => state)).toEqual(['notMatched', 'notMatched', 'notReached', 'notReached'])
  })
})

describe('strongroom policy format', () => {
  it('prints one layout, and writes it only when asked', async () => {
    const messy = 'version=1.0;// first\nauthorizationrules{=>permit();// why\n};'
    const path = await file('p', messy)
    const printed = await run('format', [path])
    expect(printed.text).toBe('version=1.0;\n\n// first\nauthorizationrules\n{\n  // why\n  => permit();\n};')
    expect(await readFile(path, 'utf8')).toBe(messy)
    expect(await refusal(run('format', [path], { check: true }))).toMatchObject({ code: 'NotFormatted', exitCode: 1 })
    await run('format', [path], { write: true })
    expect(await readFile(path, 'utf8')).toBe(`${printed.text}\n`)
    expect((await run('format', [path], { check: true })).code).toBe(0)
  })
})
